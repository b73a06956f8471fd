//! `/proc/sys/kernel/random/boot_id`: a new one at each start of the machine.

/// The id: 36 characters in the form of RFC 9562 §4 (`8-4-4-4-12` hexadecimal digits).
pub fn parse(text: &[u8]) -> Option<&str> {
    let id = text.trim_ascii();
    let formed = id.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    if id.len() == 36 && formed { core::str::from_utf8(id).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_has_the_form_of_a_uuid() {
        let id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        assert_eq!(parse(std::format!("{id}\n").as_bytes()), Some(id));
        for not in [
            "",
            "f81d4fae",
            &id[1..],
            "f81d4fae-7dec-11d0-a765-00a0c91e6bfg",
            "f81d4fae7dec-11d0-a765-00a0c91e6bf6-",
        ] {
            assert_eq!(parse(not.as_bytes()), None, "{not}");
        }
    }
}
