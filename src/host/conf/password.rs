//! `pass`: the password itself, or the file that it stands in.
//!
//! `@file:PATH` is any file, `@credential:NAME` one of those that systemd hands to a service
//! (systemd.exec(5), `LoadCredential=`). Every other text is the password, also with an `@` in front;
//! a password that begins with one of these two words goes into a file itself.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::conf::find::contents;
use crate::conf::reading::Expected;
use crate::conf::settings::Secret;
use crate::conf::values;
use psistats_core::limits;

const FILE: &str = "@file:";
const CREDENTIAL: &str = "@credential:";

/// A password, and how well it is kept.
#[derive(Debug)]
pub(super) struct Password {
    pub secret: Secret,
    /// The file that it came from, where everyone can read that.
    pub exposed: Option<PathBuf>,
}

/// Why there is no password.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
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

/// Whether the text names a file instead of being the password.
pub(super) fn is_elsewhere(text: &str) -> bool {
    text.starts_with(FILE) || text.starts_with(CREDENTIAL)
}

/// Whether the text looks like a misspelt name of a file: `@word:rest`.
pub(super) fn is_doubtful(text: &str) -> bool {
    let word = text.strip_prefix('@').and_then(|rest| rest.split_once(':')).map(|(word, _)| word);
    !is_elsewhere(text) && word.is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// The password that `text` is or names; `credentials` is the value of `$CREDENTIALS_DIRECTORY`.
///
/// An error may show the file's name, and never what is in it.
pub(super) fn read(text: &str, credentials: Option<&Path>) -> Result<Password, Unread> {
    if let Some(path) = text.strip_prefix(FILE) {
        // Not relative to wherever a reload takes place.
        let path = values::path(path).ok().filter(|path| path.is_absolute());
        Ok(read_file(path.ok_or("the absolute path of a file behind @file:")?)?)
    } else if let Some(name) = text.strip_prefix(CREDENTIAL) {
        let is_name =
            !matches!(name, "" | "." | "..") && !name.contains(|c: char| c == '/' || c.is_control());
        let name = is_name.then_some(name).ok_or("the name of a credential behind @credential:")?;
        let expected =
            "$CREDENTIALS_DIRECTORY in the environment; systemd sets it where the unit has LoadCredential=";
        let file = credentials.ok_or(Unread::Elsewhere(expected.into()))?.join(name);
        let hidden = fs::metadata(&file).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        read_file(file).map_err(if hidden { Unread::Elsewhere } else { Unread::Wrong })
    } else {
        Ok(Password { secret: values::secret(text)?, exposed: None })
    }
}

fn read_file(path: PathBuf) -> Result<Password, Expected> {
    let expected = |found: &str| Expected::from(format!("a password in {}; {found}", path.display()));
    let unreadable = |error: io::Error| match error.kind() {
        ErrorKind::PermissionDenied if fs::metadata(&path).is_err() => {
            expected("this user may not enter its directory")
        }
        ErrorKind::PermissionDenied => expected(
            "this user may not read it: `chown root:GROUP` it, with the group of the user that psistats runs \
             as (the package's: psistats), and `chmod 640` it",
        ),
        _ => expected(&error.to_string()),
    };
    let found = contents(&path, limits::SHORTSTR + 1).map_err(unreadable)?;
    let (bytes, mode) = found.ok_or_else(|| expected("that is no regular file"))?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let text = str::from_utf8(line).ok().and_then(|line| values::text(&(1..=limits::SHORTSTR))(line).ok());
    let text = text.ok_or_else(|| {
        expected("that is not one line of 1 to 255 bytes of UTF-8, with or without a newline at its end")
    })?;
    Ok(Password { secret: Secret::new(text), exposed: (mode & 0o004 != 0).then_some(path) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

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
    fn a_credential_is_a_name_in_the_directory_that_systemd_says() {
        let dir = tempfile::tempdir().unwrap();
        assert!(refusal("@credential:broker", None).contains("$CREDENTIALS_DIRECTORY"));
        for name in ["", ".", "..", "../passwd", "/etc/passwd"] {
            let refusal = refusal(&format!("@credential:{name}"), Some(dir.path()));
            assert!(refusal.contains("the name of a credential"), "{name}: {refusal}");
        }
        for path in ["", "broker", "../broker"] {
            assert!(refusal(&format!("@file:{path}"), None).contains("absolute path"), "{path}");
        }
    }

    #[test]
    fn any_other_text_is_the_password_and_only_a_likely_slip_is_doubted() {
        for (text, doubtful) in
            [("p", false), ("@", false), ("@@file:x", false), ("@p1:x", false), ("@credentials:x", true)]
        {
            assert_eq!(read(text, None).unwrap().secret.reveal(), text);
            assert_eq!(is_doubtful(text), doubtful, "{text}");
        }
        assert!(!is_doubtful("@file:x"));
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
