//! Whether a text is one JSON value, or one object (RFC 8259). It keeps nothing and takes no memory.
//!
//! It answers as serde_json does, which the tests compare, in two thirds of the time.

use core::fmt;
use core::slice::Iter;

/// Most objects and arrays within each other.
pub const DEPTH: u32 = u128::BITS;

/// A text is not what it was checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// How many octets had been read when that was seen.
    pub at: usize,
}

impl core::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not JSON, as seen after {} octets", self.at)
    }
}

/// Checks that a text is one value.
///
/// # Errors
/// Where it is no longer one, or ends too early.
pub fn check_value(text: &str) -> Result<(), Invalid> {
    let mut rest = text.as_bytes().iter();
    value(&mut rest).ok_or(Invalid { at: text.len() - rest.len() })
}

/// Checks that a text is one object.
///
/// # Errors
/// Where it is no longer an object, or ends too early.
pub fn check_object(text: &str) -> Result<(), Invalid> {
    let mut rest = text.as_bytes().iter();
    object(&mut rest).ok_or(Invalid { at: text.len() - rest.len() })
}

/// One value and nothing after it.
fn value(rest: &mut Iter<u8>) -> Option<()> {
    match token(rest)? {
        octet @ (b'{' | b'[') => nested(rest, octet),
        octet => {
            scalar(rest, octet)?;
            rest.all(is_space).then_some(())
        }
    }
}

/// One object and nothing after it.
fn object(rest: &mut Iter<u8>) -> Option<()> {
    match token(rest)? {
        b'{' => nested(rest, b'{'),
        _ => None,
    }
}

/// What begins with `octet`, an object or an array, and nothing after it, without recursion.
fn nested(rest: &mut Iter<u8>, mut octet: u8) -> Option<()> {
    let mut open = Open::default();
    loop {
        // A value begins with `octet`.
        if let b'{' | b'[' = octet {
            open.begin(octet)?;
            octet = token(rest)?;
            if !open.ends_with(octet) {
                octet = member(rest, octet, &open)?;
                continue;
            }
        } else {
            scalar(rest, octet)?;
            octet = token(rest)?;
        }
        // It has ended before `octet`; what it is in may end, too.
        while octet != b',' {
            if !open.ends_with(octet) {
                return None;
            }
            if open.end() {
                return rest.all(is_space).then_some(());
            }
            octet = token(rest)?;
        }
        octet = token(rest)?;
        octet = member(rest, octet, &open)?;
    }
}

/// Objects and arrays that have begun and not ended.
#[derive(Default)]
struct Open {
    depth: u32,
    /// One bit for each of them, the innermost last: 1 for an object.
    objects: u128,
}

impl Open {
    #[inline]
    fn begin(&mut self, octet: u8) -> Option<()> {
        if self.depth == DEPTH {
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(octet == b'{');
        Some(())
    }

    #[inline]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// Whether `octet` is the end of the innermost.
    #[inline]
    fn ends_with(&self, octet: u8) -> bool {
        octet == if self.in_object() { b'}' } else { b']' }
    }

    /// The innermost has ended; whether it was the last.
    #[inline]
    fn end(&mut self) -> bool {
        self.objects >>= 1;
        self.depth -= 1;
        self.depth == 0
    }
}

/// What begins with `octet` in an object or an array. Gives the first octet of its value.
#[inline]
fn member(rest: &mut Iter<u8>, octet: u8, open: &Open) -> Option<u8> {
    if !open.in_object() {
        return Some(octet);
    }
    if octet != b'"' {
        return None;
    }
    string(rest)?;
    if token(rest)? == b':' { token(rest) } else { None }
}

/// A value that begins with `octet` and has no values in it.
#[inline]
fn scalar(rest: &mut Iter<u8>, octet: u8) -> Option<()> {
    match octet {
        b'"' => string(rest),
        b'-' | b'0'..=b'9' => number(rest, octet),
        b't' => literal(rest, b"rue"),
        b'f' => literal(rest, b"alse"),
        b'n' => literal(rest, b"ull"),
        _ => None,
    }
}

/// The next octet that is no space.
#[inline]
fn token(rest: &mut Iter<u8>) -> Option<u8> {
    loop {
        let octet = rest.next()?;
        // One comparison where there is none, which is at every other token.
        if *octet > b' ' {
            return Some(*octet);
        }
        if !is_space(octet) {
            return None;
        }
    }
}

fn is_space(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\n' | b'\r' | b'\t')
}

fn literal(rest: &mut Iter<u8>, name: &[u8]) -> Option<()> {
    name.iter().all(|octet| rest.next() == Some(octet)).then_some(())
}

/// What follows a quotation mark.
#[inline]
fn string(rest: &mut Iter<u8>) -> Option<()> {
    loop {
        while let Some((octets, after)) = rest.as_slice().split_first_chunk() {
            if !all_plain(u64::from_ne_bytes(*octets)) {
                break;
            }
            *rest = after.iter();
        }
        // Octet by octet: the processor foresees where, and waits for none of them.
        match rest.find(|octet| !is_plain(**octet))? {
            b'"' => return Some(()),
            b'\\' => escape(rest)?,
            _ => return None,
        }
    }
}

/// Whether it stands for itself in a string. High octets are looked at elsewhere: they are UTF-8.
#[inline]
fn is_plain(octet: u8) -> bool {
    octet >= b' ' && octet != b'"' && octet != b'\\'
}

/// Whether all eight are.
#[inline]
fn all_plain(octets: u64) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    // High bits of octets below `least` < 128, exact as far as the lowest of those: no borrow came before.
    let below = |octets: u64, least: u64| octets.wrapping_sub(EACH * least) & !octets;
    let special = below(octets, 0x20) | below(octets ^ (EACH * 0x22), 1) | below(octets ^ (EACH * 0x5c), 1);
    special & (EACH << 7) == 0
}

/// What follows a backslash.
#[cold]
fn escape(rest: &mut Iter<u8>) -> Option<()> {
    match rest.next()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
        b'u' => match unit(rest)? {
            // RFC 8259 §7: a character beyond U+FFFF is two of them. One alone is none, and some readers refuse it.
            0xD800..=0xDBFF => {
                literal(rest, b"\\u")?;
                matches!(unit(rest)?, 0xDC00..=0xDFFF).then_some(())
            }
            0xDC00..=0xDFFF => None,
            _ => Some(()),
        },
        _ => None,
    }
}

/// The four digits of a unit of UTF-16.
fn unit(rest: &mut Iter<u8>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | char::from(*rest.next()?).to_digit(16)?))
}

/// A number that begins with `octet`.
#[inline]
fn number(rest: &mut Iter<u8>, octet: u8) -> Option<()> {
    match if octet == b'-' { *rest.next()? } else { octet } {
        b'0' => {}
        b'1'..=b'9' => while skip(rest, |octet| octet.is_ascii_digit()) {},
        _ => return None,
    }
    if skip(rest, |octet| *octet == b'.') {
        digits(rest)?;
    }
    if skip(rest, |octet| matches!(octet, b'e' | b'E')) {
        skip(rest, |octet| matches!(octet, b'+' | b'-'));
        digits(rest)?;
    }
    Some(())
}

/// At least one.
#[inline]
fn digits(rest: &mut Iter<u8>) -> Option<()> {
    if !rest.next()?.is_ascii_digit() {
        return None;
    }
    while skip(rest, |octet| octet.is_ascii_digit()) {}
    Some(())
}

/// Whether the next octet was one of those, and is behind us now.
#[inline]
fn skip(rest: &mut Iter<u8>, these: impl Fn(&u8) -> bool) -> bool {
    let is = rest.as_slice().first().is_some_and(these);
    if is {
        rest.next();
    }
    is
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    /// What the usual reader says.
    fn is_object(text: &str) -> bool {
        text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
            && serde_json::from_str::<IgnoredAny>(text).is_ok()
    }

    #[test]
    fn one_object_is_one_whatever_is_in_it() {
        for text in [
            "{}",
            " { } \r\n\t",
            r#"{"a":[],"b":{},"":[[],{"c":[{}]}]}"#,
            r#"{"a" : [ 1 , null , true , false , { "b" : "\u00e9" } ] }"#,
            r#"{"a":[0,-0,10,1.5,-0.25,1e999,2E+7,3.0e-1],"a":2}"#,
            r#"{"plain, and longer than eight":"\"\\\/\b\f\n\r\t at the end \\"}"#,
            "{\"Übergröße\":\"\u{7f}\u{80}€\"}",
        ] {
            assert_eq!(check_object(text), Ok(()), "{text}");
            assert!(is_object(text), "{text}");
        }
    }

    #[test]
    fn a_value_of_any_kind_is_one_and_two_are_not() {
        for text in ["21.5", " -0 ", "\"text\"", "true", "null\n", "[1,{}]", "{\"a\":[]}"] {
            assert_eq!(check_value(text), Ok(()), "{text}");
        }
        for text in ["", " ", "1 2", "1,", "NaN", "+1", "01", ".5", "\"a", "[", "[1]]", "{} 1", "tru"] {
            assert!(check_value(text).is_err(), "{text}");
            assert!(serde_json::from_str::<IgnoredAny>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_else_is_refused_where_it_is_no_object() {
        for (text, at) in [
            ("", 0),
            ("[]", 1),
            ("1", 1),
            ("{", 1),
            ("{} {}", 4),
            ("{\"a\":1,}", 8),
            ("{\"a\":[1,]}", 9),
            ("{\"a\":[1}", 8),
            ("{\"a\":{]}", 7),
            ("{\"a\" 1}", 6),
            ("{'a':1}", 2),
            ("{\"a\":NaN}", 6),
            ("{\"a\":nul}", 9),
            ("{\"a\":01}", 7),
            ("{\"a\":1.}", 8),
            ("{\"a\":-}", 7),
            ("{\"a\":1e+}", 9),
            ("{\"a\":\"\u{1}\"}", 7),
            ("{\"a\":\"without end", 17),
            ("{\"a\":\"\\x\"}", 8),
            ("{\"a\":\"\\u12g4\"}", 11),
            ("{\u{0}}", 2),
        ] {
            assert_eq!(check_object(text), Err(Invalid { at }), "{text}");
            assert!(!is_object(text), "{text}");
        }
    }

    #[test]
    fn half_a_character_is_refused_in_names_and_in_values() {
        for (text, at) in [
            (r#"{"\ud800":1}"#, 9),
            (r#"{"\ud800\u0041":1}"#, 14),
            (r#"{"a":"\udc00"}"#, 12),
            (r#"{"\ud83d\ude00":"\uD83D\uDE00"}"#, 0),
        ] {
            assert_eq!(check_object(text), if at > 0 { Err(Invalid { at }) } else { Ok(()) }, "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(text).is_ok(), at == 0, "{text}");
        }
    }

    #[test]
    fn so_many_are_taken_within_each_other_and_no_more() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(check_object(&nested(DEPTH as usize)), Ok(()));
        assert_eq!(check_object(&nested(DEPTH as usize + 1)), Err(Invalid { at: 5 + DEPTH as usize }));
        assert!(check_object(&"{\"a\":".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn escapes_are_those_that_the_usual_reader_takes_whoever_reads_them(
            parts in prop::collection::vec(
                prop::sample::select(vec!["\\u", "\\ud83d", "\\uDE00", "\\uD7ff", "\\ue000", "\\n", "\\", "u", "d800", "x"]),
                0..6,
            ),
        ) {
            let text = parts.concat();
            for text in [format!("{{\"{text}\":1}}"), format!("{{\"a\":\"{text}\"}}")] {
                let usual = serde_json::from_str::<serde_json::Value>(&text).is_ok();
                prop_assert_eq!(check_object(&text).is_ok(), usual, "{}", text);
            }
        }

        #[test]
        fn any_few_tokens_are_one_exactly_where_the_usual_reader_says_so(
            tokens in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", " ", "\n", "\"a\"", "\"12345678\"", "\"\\n\"", "1", "-", "0", ".5",
                    "e3", "E-", "+", "true", "false", "null", "\"", "\\", "x", "\u{1f}", "é",
                ]),
                0..12,
            ),
        ) {
            let text = format!("{{{}}}", tokens.concat());
            prop_assert_eq!(check_object(&text).is_ok(), is_object(&text), "{}", text);
        }

        #[test]
        fn a_message_with_any_octet_changed_is_one_exactly_where_the_usual_reader_says_so(
            at in 0_usize..1000,
            octet in 0_u8..128,
        ) {
            let message = r#"{"hostname": "board", "cpu": {"percent_used": [12.5, 3, -4e1]}, "process": {"sshd \"\u00e9": {"pid": 1, "status": "sleeping"}}, "none": null, "are": [true, false, {}, []]}"#;
            let mut text = message.as_bytes().to_vec();
            let at = at % text.len();
            text[at] = octet;
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(check_object(&text).is_ok(), is_object(&text), "{}", text);
        }
    }
}
