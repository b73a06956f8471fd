//! Secrets, and the places where a password is to be had. [`crate::conf::obtain`] opens them.
//!
//! `pass` is the password itself, or names the place: `@file:PATH` is any file, `@credential:NAME` one of those
//! that systemd hands to a service (systemd.exec(5), `LoadCredential=`). Every other text is the password, also
//! with an `@` in front; a password that begins with one of these two words goes into a file itself.

use std::fmt;
use std::path::Path;

use zeroize::Zeroize as _;

use crate::conf::reading::Expected;
use crate::conf::values;
use psistats_core::limits;

/// A text that no message, log or debug output shows, and whose memory is overwritten when it is no longer needed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

const FILE: &str = "@file:";
const CREDENTIAL: &str = "@credential:";

/// What `pass` says.
#[derive(Debug, PartialEq, Eq)]
pub enum Password<'a> {
    /// The password.
    Itself(Secret),
    /// `@file:PATH`, which is absolute.
    File(&'a Path),
    /// `@credential:NAME`: the name of a file, without a directory.
    Credential(&'a str),
}

/// Reads what is, or names, a password.
///
/// # Errors
/// What was expected.
pub fn password(text: &str) -> Result<Password<'_>, Expected> {
    if let Some(path) = text.strip_prefix(FILE) {
        // Not relative to wherever a reload takes place.
        if path.starts_with('/') && !values::has_controls(path) {
            Ok(Password::File(Path::new(path)))
        } else {
            Err("the absolute path of a file behind @file:".into())
        }
    } else if let Some(name) = text.strip_prefix(CREDENTIAL) {
        if matches!(name, "" | "." | "..") || name.contains('/') || values::has_controls(name) {
            Err("the name of a credential behind @credential:".into())
        } else {
            Ok(Password::Credential(name))
        }
    } else {
        Ok(Password::Itself(secret(text)?))
    }
}

/// Reads a password of at most 255 bytes.
pub(super) fn secret(text: &str) -> Result<Secret, Expected> {
    values::text(&(0..=limits::SHORTSTR))(text).map(Secret::new)
}

/// Whether the text names a place instead of being the password.
pub fn is_elsewhere(text: &str) -> bool {
    text.starts_with(FILE) || text.starts_with(CREDENTIAL)
}

/// Whether the text looks like the misspelt name of a place: `@word:rest`.
pub fn is_doubtful(text: &str) -> bool {
    let word = text.strip_prefix('@').and_then(|rest| rest.split_once(':')).map(|(word, _)| word);
    !is_elsewhere(text) && word.is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_absolute_path_or_the_name_of_a_credential() {
        assert_eq!(password("@file:/a b"), Ok(Password::File(Path::new("/a b"))));
        assert_eq!(password("@credential:broker"), Ok(Password::Credential("broker")));
        for path in ["", "broker", "../broker"] {
            assert!(password(&format!("@file:{path}")).unwrap_err().contains("absolute path"), "{path}");
        }
        for name in ["", ".", "..", "../passwd", "/etc/passwd"] {
            let expected = password(&format!("@credential:{name}")).unwrap_err();
            assert!(expected.contains("the name of a credential"), "{name}: {expected}");
        }
    }

    #[test]
    fn any_other_text_is_the_password_and_only_a_likely_slip_is_doubted() {
        for (text, doubtful) in
            [("p", false), ("@", false), ("@@file:x", false), ("@p1:x", false), ("@credentials:x", true)]
        {
            assert_eq!(password(text), Ok(Password::Itself(Secret::new(text.into()))));
            assert_eq!(is_doubtful(text), doubtful, "{text}");
        }
        assert!(!is_doubtful("@file:x"));
    }
}
