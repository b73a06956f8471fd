//! Finds psistats.conf and reads its bytes. Beside it only [`crate::conf::obtain`] opens a file or asks
//! the environment.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{self, Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use zeroize::Zeroizing;

use crate::conf::ini;
use crate::conf::problem::{Problem, Problems, Severity};

/// The file's name in each place.
pub const NAME: &str = "psistats.conf";

/// The places, of which the last four are psistats 0.2's.
const PLACES: [&str; 7] =
    [".", "~/.psistats", "/etc", "./etc", "/usr/etc", "/usr/local/share/psistats", "/usr/share/psistats"];

/// A file that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name, as messages call it.
    pub path: PathBuf,
    /// What is in it; one byte more than [`ini::FILE_BYTES`] where that is too much.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether everyone on this machine can read it.
    pub is_public: bool,
}

impl Found {
    /// Its absolute path, so that a daemon in another directory finds it again.
    pub fn absolute(&self) -> PathBuf {
        path::absolute(&self.path).unwrap_or_else(|_| self.path.clone())
    }
}

/// Reads `explicit` (`--config`), or else the first there is of `./psistats.conf`,
/// `~/.psistats/psistats.conf`, `/etc/psistats.conf` and the places of psistats 0.2. Gives it, if there is one, and
/// warnings of what was passed over.
///
/// A file that is there and cannot be read is an error, as is a missing `explicit`; where the defaults do
/// (`is_optional`), it is a warning that this user may not read a file that nobody has named. As root a file that
/// somebody else could have written is passed over. To read a configuration again, pass the
/// [absolute path](Found::absolute) of the first time.
pub fn find(explicit: Option<&Path>, is_optional: bool) -> Result<(Option<Found>, Vec<Problem>), Problems> {
    without_core_files();
    let Some(path) = explicit else {
        return first_of(&candidates(env::var_os("HOME").map(PathBuf::from)), is_optional);
    };
    match found(path) {
        Ok(Some(found)) => Ok((Some(found), Vec::new())),
        Ok(None) => Err(Problem::of(path, "no such file: expected a psistats.conf").into()),
        Err(error) => Err(unreadable(path, &error).into()),
    }
}

/// From here on this process may hold a password: no core file is to have it too.
///
/// A limit of one byte also keeps a core from a program that `core_pattern` names, which 0 does not (Linux,
/// `fs/coredump.c`). `PR_SET_DUMPABLE` would shut our own user out of `/proc/PID/exe` and `fd`.
fn without_core_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
        // It fails where even that byte is more than the unit's LimitCORE=0.
        let _ = setrlimit(Resource::RLIMIT_CORE, 1, hard);
    }
}

fn candidates(home: Option<PathBuf>) -> Vec<PathBuf> {
    let mut candidates = Vec::new();
    for place in PLACES {
        let place = match (place.strip_prefix("~/"), &home) {
            (None, _) => PathBuf::from(place),
            (Some(place), Some(home)) if home.is_absolute() => home.join(place),
            _ => continue,
        };
        candidates.push(place.join(NAME));
    }
    candidates
}

fn first_of(candidates: &[PathBuf], is_optional: bool) -> Result<(Option<Found>, Vec<Problem>), Problems> {
    let mut warnings = Vec::new();
    for path in candidates {
        if let Some(why) = doubt(path) {
            warnings.push(Problem::of(path, why).but(Severity::Warning));
            continue;
        }
        match found(path) {
            Ok(None) => {}
            // In a directory that this user may not enter there is nothing for it.
            Err(_) if path.is_relative() && fs::metadata(".").is_err() => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied && is_optional => {
                let text = "cannot be read: permission denied; the built-in defaults apply (with sudo it can be read; \
                            --config names another)";
                warnings.push(Problem::of(path, text).but(Severity::Warning));
                break;
            }
            Err(error) => return Err(unreadable(path, &error).into()),
            Ok(found) => return Ok((found, warnings)),
        }
    }
    Ok((None, warnings))
}

/// Why root is not to believe the file: what root runs by it writes files and ends processes.
fn doubt(path: &Path) -> Option<String> {
    let place = path.parent().and_then(Path::to_str).unwrap_or_default();
    let is_system = place.starts_with('/') && PLACES.contains(&place);
    if is_system || fs::metadata(path).is_err() || !is_root() {
        return None;
    }
    let invoker = env::var_os("SUDO_UID").and_then(|id| id.to_str()?.parse().ok());
    // The file, its directory, and the one above where the place has one.
    for place in path.ancestors().take(3) {
        let Ok(found) = fs::metadata(place) else { continue };
        let (user, mode) = (found.uid(), found.mode() & 0o7777);
        let is_foreign = user != 0 && Some(user) != invoker;
        if is_foreign || mode & 0o022 != 0 {
            let place = path::absolute(place).unwrap_or_default();
            return Some(format!(
                "passed over: this is root, and others can write to {} (mode {mode:o}, of user {user}); a file that \
                 --config names is read all the same",
                place.display()
            ));
        }
    }
    None
}

/// Whether this process is root by its effective user (proc_pid_status(5)), or cannot tell.
fn is_root() -> bool {
    let status = contents(Path::new("/proc/self/status"), ini::FILE_BYTES);
    let (status, _) = status.ok().flatten().unwrap_or_default();
    let users = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:\t"));
    users.is_none_or(|users| users.split(|byte| *byte == b'\t').nth(1) == Some(b"0"))
}

/// The file of that name; none where there is no such file.
fn found(path: &Path) -> io::Result<Option<Found>> {
    match contents(path, ini::FILE_BYTES + 1) {
        Ok(Some((bytes, mode))) => {
            Ok(Some(Found { path: path.to_owned(), bytes, is_public: mode & READABLE_BY_ALL != 0 }))
        }
        Ok(None) => Err(io::Error::other("expected a regular file, found something else")),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The permission by which everyone on this machine can read a file.
pub const READABLE_BY_ALL: u32 = 0o004;

/// At most `most` bytes of a file, and its permissions. None where it is no regular file.
///
/// # Errors
/// Those of [`regular`], and of reading.
pub fn contents(path: &Path, most: usize) -> io::Result<Option<(Zeroizing<Vec<u8>>, u32)>> {
    let Some((file, mode)) = regular(path)? else { return Ok(None) };
    // It has room for all of it from the start: what moves leaves a copy behind, perhaps of a password.
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(most).min(most);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 32));
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(Some((bytes, mode)))
}

/// A file to read, and its permissions. None where it is no regular one.
///
/// What a name stands for can change until it is opened: it is opened first, without waiting for the other end
/// of a pipe, and looked at then. Files that the kernel fills as it likes (`/proc/kmsg`) give an error
/// where they would have to be waited for.
pub fn regular(path: &Path) -> io::Result<Option<(File, u32)>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let found = file.metadata()?;
    Ok(found.is_file().then(|| (file, found.permissions().mode())))
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::of(
        path,
        match error.kind() {
            ErrorKind::PermissionDenied => {
                "cannot be read: permission denied; use sudo, or another configuration: --config FILE"
                    .to_owned()
            }
            _ => format!("cannot be read: {error}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_found_out_without_waiting_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join(NAME);
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        for path in [&fifo, dir.path(), Path::new("/dev/tty"), Path::new("/dev/null")] {
            // /dev/tty cannot be opened by whoever has no terminal.
            assert!(!matches!(contents(path, 10), Ok(Some(_))), "{}", path.display());
        }
    }

    #[test]
    fn the_first_file_that_is_there_counts() {
        let dir = tempfile::tempdir().unwrap();
        let places = ["a", "b", "c"].map(|place| dir.path().join(place).join(NAME));
        assert_eq!(first_of(&places, false).unwrap(), (None, vec![]));
        for place in places.iter().rev() {
            fs::create_dir(place.parent().unwrap()).unwrap();
            fs::write(place, place.as_os_str().as_encoded_bytes()).unwrap();
            let (found, warnings) = first_of(&places, false).unwrap();
            let found = found.unwrap();
            assert_eq!((&found.path, found.absolute()), (place, place.clone()));
            assert_eq!(*found.bytes, place.as_os_str().as_encoded_bytes());
            assert_eq!(warnings, []);
        }
    }

    #[test]
    fn the_places_are_the_directory_the_home_and_etc_and_then_those_of_0_2() {
        let etc = PathBuf::from("/etc/psistats.conf");
        let here = PathBuf::from("./psistats.conf");
        let later = ["./etc", "/usr/etc", "/usr/local/share/psistats", "/usr/share/psistats"];
        let places = |first: &[PathBuf]| {
            let later = later.map(|place| Path::new(place).join(NAME));
            first.iter().cloned().chain(later).collect::<Vec<_>>()
        };
        assert_eq!(
            candidates(Some("/home/pi".into())),
            places(&[here.clone(), "/home/pi/.psistats/psistats.conf".into(), etc.clone()])
        );
        assert_eq!(candidates(None), places(&[here.clone(), etc.clone()]));
        assert_eq!(candidates(Some("".into())), places(&[here, etc]));
    }

    #[test]
    fn a_place_that_cannot_be_read_is_an_error_and_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let [none, good] = ["none", "good"].map(|name| dir.path().join("a").join(name));
        fs::create_dir_all(&none).unwrap();
        fs::write(&good, "").unwrap();
        let error = first_of(&[none, good.clone()], false).unwrap_err().to_string();
        assert!(error.contains("expected a regular file"), "{error}");
        // A file where a directory was expected: there is no such place.
        let (found, _) = first_of(&[good.join(NAME), good.clone()], false).unwrap();
        assert_eq!(found.map(|found| found.path), Some(good));
    }
}
