//! Gets the password that `pass` is, or that the file or credential has which it names.

use std::borrow::Cow;
use std::env;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::conf::Expected;
use crate::conf::find::{READABLE_BY_ALL, contents};
use crate::conf::secret::{Password, Secret, password};
use crate::conf::values;
use psistats_core::limits;

/// A password, and how well it is kept.
#[derive(Debug)]
pub struct Obtained {
    /// The password.
    pub secret: Secret,
    /// The file that it came from, where everyone can read that.
    pub exposed: Option<PathBuf>,
}

/// Why there is no password.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// A credential that this process is not given, and what was expected. Beside a service that has it, what
    /// systemd runs at a reload is told its directory and may not enter it (seen with systemd 252).
    Elsewhere(Expected),
    /// What was expected.
    Wrong(Expected),
}

impl<T: Into<Cow<'static, str>>> From<T> for Unread {
    fn from(expected: T) -> Self {
        Self::Wrong(expected.into())
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Elsewhere(expected) | Self::Wrong(expected)) = self;
        f.write_str(expected)
    }
}

/// The password that `text` is, or names. A credential is in the directory that systemd says.
///
/// # Errors
/// What was expected. It may show the file's name, and never what is in it.
pub fn obtain(text: &str) -> Result<Obtained, Unread> {
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    password(text).map_err(Unread::Wrong).and_then(|place| from_place(place, credentials.as_deref()))
}

/// The password itself; `credentials` is the value of `$CREDENTIALS_DIRECTORY`.
fn from_place(password: Password<'_>, credentials: Option<&Path>) -> Result<Obtained, Unread> {
    match password {
        Password::Itself(secret) => Ok(Obtained { secret, exposed: None }),
        Password::File(path) => Ok(read_file(path)?),
        Password::Credential(name) => {
            let expected = "$CREDENTIALS_DIRECTORY in the environment; systemd sets it where the unit has LoadCredential=";
            let file = credentials.ok_or(Unread::Elsewhere(expected.into()))?.join(name);
            let hidden = fs::metadata(&file).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            read_file(&file).map_err(if hidden { Unread::Elsewhere } else { Unread::Wrong })
        }
    }
}

fn read_file(path: &Path) -> Result<Obtained, Expected> {
    let expected = |found: &str| Expected::from(format!("a password in {}; {found}", path.display()));
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::PermissionDenied if fs::metadata(path).is_err() => {
            expected("this user may not enter its directory")
        }
        ErrorKind::PermissionDenied => expected(
            "this user may not read it: `chown root:GROUP` it, with the group of the user that psistats runs \
             as (the package's: psistats), and `chmod 640` it",
        ),
        _ => expected(&error.to_string()),
    };
    let found = contents(path, limits::SHORTSTR + 1).map_err(unreadable)?;
    let (bytes, mode) = found.ok_or_else(|| expected("that is no regular file"))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let text = str::from_utf8(line).ok().and_then(|line| values::text(&(1..=limits::SHORTSTR))(line).ok());
    let text = text.ok_or_else(|| {
        expected("that is not one line of 1 to 255 bytes of UTF-8, with or without a newline at its end")
    })?;
    Ok(Obtained {
        secret: Secret::new(text),
        exposed: (mode & READABLE_BY_ALL != 0).then(|| path.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: &str, credentials: Option<&Path>) -> Result<Obtained, Unread> {
        from_place(password(text).unwrap(), credentials)
    }

    fn refusal(text: &str, credentials: Option<&Path>) -> String {
        read(text, credentials).unwrap_err().to_string()
    }

    #[test]
    fn a_file_gives_its_one_line_without_the_newline_at_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broker");
        let named = format!("@file:{}", file.display());
        let longest = "x".repeat(255);
        for (content, password) in [
            ("sesame", "sesame"),
            ("sesame\n", "sesame"),
            (" ses ame ;x", " ses ame ;x"),
            ("@file:/etc/passwd\n", "@file:/etc/passwd"),
            (&format!("{longest}\n"), &longest),
        ] {
            fs::write(&file, content).unwrap();
            assert_eq!(read(&named, None).unwrap().secret.reveal(), password);
            assert_eq!(read("@credential:broker", Some(dir.path())).unwrap().secret.reveal(), password);
        }
    }

    #[test]
    fn what_is_no_password_is_refused_with_the_file_and_without_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broker");
        let named = format!("@file:{}", file.display());
        assert!(refusal(&named, None).contains("No such file"), "{}", refusal(&named, None));
        let long = [b"sesame".as_slice(), &[b'x'; 250]].concat();
        for content in [b"".as_slice(), b"\n", b"sesame\n\n", b"sesame\r\n", b"sesame\xff", &long] {
            fs::write(&file, content).unwrap();
            let refusal = refusal(&named, None);
            assert!(refusal.contains(&*file.to_string_lossy()), "{refusal}");
            assert!(refusal.contains("255 bytes of UTF-8") && !refusal.contains("sesame"), "{refusal}");
        }
        assert!(refusal(&format!("@file:{}", dir.path().display()), None).contains("no regular file"));
    }

    #[test]
    fn a_credential_needs_the_directory_that_systemd_says() {
        assert!(refusal("@credential:broker", None).contains("$CREDENTIALS_DIRECTORY"));
    }

    #[test]
    fn a_file_that_everyone_can_read_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broker");
        fs::write(&file, "sesame").unwrap();
        for (mode, exposed) in [(0o644, Some(file.clone())), (0o640, None)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read("@credential:broker", Some(dir.path())).unwrap().exposed, exposed);
        }
    }
}
