//! What a client node may send: one JSON object (RFC 8259), and nothing else.

use std::fmt;

use serde::de::IgnoredAny;

/// Why something is not passed on.
#[derive(Debug)]
pub enum Invalid {
    /// A message has other frames than a topic and a body.
    Frames,
    /// The body is not JSON.
    Json(serde_json::Error),
    /// It is JSON, but no object.
    NoObject,
    /// It is not UTF-8.
    Text(std::str::Utf8Error),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames => f.write_str("expected two frames, status and a JSON object"),
            Self::Json(error) => write!(f, "expected a JSON object: {error}"),
            Self::NoObject => f.write_str("expected a JSON object, got another kind of JSON"),
            Self::Text(error) => write!(f, "expected a JSON object in UTF-8: {error}"),
        }
    }
}

/// Checks a message's body. Its numbers and texts are not kept: any size and depth of them costs time only,
/// and no more of that than in proportion to the body.
///
/// # Errors
/// What is wrong with it.
pub fn check(body: &[u8]) -> Result<(), Invalid> {
    let text = std::str::from_utf8(body).map_err(Invalid::Text)?;
    let IgnoredAny = serde_json::from_str(text).map_err(Invalid::Json)?;
    let begin = text.trim_start_matches([' ', '\t', '\n', '\r']);
    if begin.starts_with('{') { Ok(()) } else { Err(Invalid::NoObject) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_is_taken_whatever_is_in_it() {
        for good in ["{}", " {\"a\": [1, null, {\"b\": \"\\u00e9\"}]}\n", "{\"a\":1e999,\"a\":2}"] {
            assert!(check(good.as_bytes()).is_ok(), "{good}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_the_reason_says_why() {
        let deep = "[".repeat(100_000);
        for (bad, why) in [
            (&b""[..], "EOF"),
            (b"{", "EOF"),
            (b"[]", "another kind"),
            (b"1", "another kind"),
            (b"{} {}", "trailing"),
            (b"{\"a\":NaN}", "expected value"),
            (b"{'a':1}", "key must be a string"),
            (b"{\"a\":\"\xff\"}", "UTF-8"),
            (b"{\"a\":\"\x01\"}", "control character"),
            (deep.as_bytes(), "EOF"),
        ] {
            let why_not = check(bad).map(|()| String::new()).unwrap_or_else(|invalid| invalid.to_string());
            assert!(why_not.contains(why), "{:?}: {why_not}", bad.get(..20).unwrap_or(bad).escape_ascii());
        }
    }
}
