//! What a client node may send: one JSON object (RFC 8259), and nothing else.

use std::fmt;

use psistats_core::json;

/// Why something is not passed on.
#[derive(Debug)]
pub enum Invalid {
    /// A message has other frames than a topic and a body.
    Frames,
    /// The body is no JSON object, as found at this octet.
    Json(usize),
    /// It is not UTF-8.
    Text(std::str::Utf8Error),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frames => f.write_str("expected two frames, status and a JSON object"),
            Self::Json(at) => write!(f, "expected one JSON object, and found at octet {at} that it is none"),
            Self::Text(error) => write!(f, "expected a JSON object in UTF-8: {error}"),
        }
    }
}

/// Checks a message's body, in a time in proportion to its length. Objects and arrays may be [`json::DEPTH`]
/// within each other: subscribers' readers of JSON have limits, too, and some end their program there.
///
/// # Errors
/// What is wrong with it.
pub fn check(body: &[u8]) -> Result<(), Invalid> {
    let text = std::str::from_utf8(body).map_err(Invalid::Text)?;
    json::check_object(text).map_err(|error| Invalid::Json(error.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_json_object_in_utf8_or_the_reason_says_where_not() {
        assert!(check(b" {\"a\": [1, null]}\n").is_ok());
        for (bad, why) in
            [(&b"[1]"[..], "one JSON object, and found at octet 1"), (b"{\"a\":\"\xff\"}", "UTF-8: invalid")]
        {
            let why_not = check(bad).unwrap_err().to_string();
            assert!(why_not.contains(why), "{}: {why_not}", bad.escape_ascii());
        }
    }
}
