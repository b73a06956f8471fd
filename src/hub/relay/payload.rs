//! What a client node may send: one JSON object (RFC 8259), and nothing else.

use std::fmt;

use psistats_core::json;

/// Why a message is dropped.
#[derive(Debug)]
pub enum Invalid {
    /// It has other frames than a topic and a body.
    Frames,
    /// Its body is no JSON object: the error is at this octet.
    Json(usize),
    /// Its body is not UTF-8.
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

/// Checks a message's body, in time proportional to its length. Objects and arrays may nest [`json::DEPTH`] levels
/// deep: JSON parsers of subscribers have such limits, too, and some crash there.
///
/// # Errors
/// Why it is to be dropped.
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
