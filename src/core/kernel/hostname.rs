//! `/proc/sys/kernel/hostname`

use crate::limits;

/// The host name: text of 1 to [`limits::HOSTNAME`] bytes.
pub fn parse(text: &[u8]) -> Option<&str> {
    let name = core::str::from_utf8(text).ok()?.trim();
    (1..=limits::HOSTNAME).contains(&name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_text_of_at_most_64_bytes() {
        assert_eq!(parse(b"raspberrypi\n"), Some("raspberrypi"));
        assert_eq!(parse("k\u{fc}che".as_bytes()), Some("k\u{fc}che"));
        assert_eq!(parse(&[b'a'; 64]).map(str::len), Some(64));
        for text in [&b""[..], b" \n", b"pi\xff\n", &[b'a'; 65]] {
            assert_eq!(parse(text), None);
        }
    }
}
