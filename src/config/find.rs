//! Where psistats.conf is found.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::problem::{Problem, Problems};
use super::settings::Settings;
use super::{Parsed, ini, parsed};

/// The file's name in each place.
const NAME: &str = "psistats.conf";

/// Settings, and where they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What counts.
    pub settings: Settings,
    /// The file, absolute so that a daemon in another directory finds it again; none: built-in defaults.
    pub source: Option<PathBuf>,
    /// What the user should know and nothing stops at.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// One line that says where the settings came from.
    pub fn origin(&self) -> String {
        match &self.source {
            Some(path) => format!("configuration: {}", path.display()),
            None => format!(
                "no configuration file (./{NAME}, ~/.psistats/{NAME}, /etc/{NAME}): built-in defaults"
            ),
        }
    }
}

/// Reads `explicit` (`--config`), or else the first there is of `./psistats.conf`,
/// `~/.psistats/psistats.conf` and `/etc/psistats.conf`, or else the defaults.
///
/// A file that is there and cannot be read is an error, as is a missing `explicit`. To read a
/// configuration again, pass the [`Loaded::source`] of the first time.
pub fn load(explicit: Option<&Path>) -> Result<Loaded, Problems> {
    without_core_files();
    match explicit {
        Some(path) => load_one(path)
            .unwrap_or_else(|| Err(Problem::of(path, "no such file: expected a psistats.conf").into())),
        None => first_of(&candidates(std::env::var_os("HOME").map(PathBuf::from))),
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
    let home = home.filter(|home| home.is_absolute()).map(|home| home.join(".psistats").join(NAME));
    [Some(Path::new(".").join(NAME)), home, Some(Path::new("/etc").join(NAME))]
        .into_iter()
        .flatten()
        .collect()
}

fn first_of(candidates: &[PathBuf]) -> Result<Loaded, Problems> {
    let defaults = Loaded { settings: Settings::default(), source: None, warnings: Vec::new() };
    candidates.iter().find_map(|path| load_one(path)).unwrap_or(Ok(defaults))
}

/// None where there is no such file.
fn load_one(path: &Path) -> Option<Result<Loaded, Problems>> {
    match contents(path, ini::FILE_BYTES + 1) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(e) => Some(Err(unreadable(path, &e))),
        Ok(None) => Some(Err(Problem::of(path, "expected a regular file, found something else").into())),
        Ok(Some((bytes, mode))) => Some(loaded(path, &bytes, mode)),
    }
}

fn loaded(path: &Path, bytes: &[u8], mode: u32) -> Result<Loaded, Problems> {
    let Parsed { settings, mut warnings, password_line } = parsed(bytes, path)?;
    if let Some(line) = password_line.filter(|_| mode & 0o004 != 0) {
        let text = format!("everyone on this machine can read this password: chmod 640 {}", path.display());
        warnings.push(Problem::at(path, line, text));
    }
    let source = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(Loaded { settings, source: Some(source), warnings })
}

/// At most `most` bytes of a file, and its permissions. None where it is no regular file.
///
/// What a name stands for can change until it is opened: it is opened first, without waiting for the other end
/// of a pipe, and looked at then. Files that the kernel fills as it likes (`/proc/kmsg`) give an error
/// where they would have to be waited for.
pub(super) fn contents(path: &Path, most: usize) -> io::Result<Option<(Vec<u8>, u32)>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(Some((bytes, found.permissions().mode())))
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    Problem::of(path, format!("cannot be read: {error}")).into()
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
        assert_eq!(first_of(&places).unwrap().source, None);
        assert!(first_of(&places).unwrap().origin().ends_with("built-in defaults"));
        assert_eq!(first_of(&places).unwrap().settings, Settings::default());
        for (n, place) in places.iter().enumerate().rev() {
            fs::create_dir(place.parent().unwrap()).unwrap();
            fs::write(place, format!("[server]\nheartbeat={n}\n")).unwrap();
            let loaded = first_of(&places).unwrap();
            assert_eq!(loaded.source.as_ref(), Some(place));
            assert_eq!(usize::from(loaded.settings.server.heartbeat), n);
            assert!(loaded.origin().contains(&*place.to_string_lossy()));
        }
    }

    #[test]
    fn the_places_are_the_directory_the_home_and_etc() {
        let etc = PathBuf::from("/etc/psistats.conf");
        let here = PathBuf::from("./psistats.conf");
        assert_eq!(
            candidates(Some("/home/pi".into())),
            [here.clone(), "/home/pi/.psistats/psistats.conf".into(), etc.clone()]
        );
        assert_eq!(candidates(None), [here.clone(), etc.clone()]);
        assert_eq!(candidates(Some("".into())), [here, etc]);
    }

    #[test]
    fn a_place_that_cannot_be_read_is_an_error_and_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("good");
        fs::write(&good, "").unwrap();
        let error = first_of(&[dir.path().to_owned(), good.clone()]).unwrap_err().to_string();
        assert!(error.contains("expected a regular file"), "{error}");
        // A file where a directory was expected: there is no such place.
        assert_eq!(first_of(&[good.join(NAME), good.clone()]).unwrap().source, Some(good));
    }
}
