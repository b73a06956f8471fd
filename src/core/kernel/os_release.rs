//! `/etc/os-release`: what the operating system calls itself, by os-release(5).

use heapless::String;

use crate::kernel::lines;

/// `PRETTY_NAME`, without quotes and escapes. None where it is missing, empty, or longer than `N` bytes.
pub fn pretty_name<const N: usize>(text: &[u8]) -> Option<String<N>> {
    // As in a shell, which may read this file too, the last assignment counts.
    let value = lines(text).filter_map(|line| line.strip_prefix(b"PRETTY_NAME=")).last()?;
    let value = core::str::from_utf8(value).ok()?.trim_end();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let (value, literal) = match quote {
        Some(quote) => (value.strip_prefix(quote)?.strip_suffix(quote)?, quote == '\''),
        None => (value, false),
    };
    let mut name = String::new();
    let mut chars = value.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = chars.next_if(|next| char == '\\' && !literal && "\\$\"'`".contains(*next));
        name.push(escaped.unwrap_or(char)).ok()?;
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Option<String<32>> {
        pretty_name(text.as_bytes())
    }

    #[test]
    fn quotes_and_escapes_are_a_shells() {
        for (line, expected) in [
            (r#"PRETTY_NAME="Debian GNU/Linux 7 (wheezy)""#, "Debian GNU/Linux 7 (wheezy)"),
            ("PRETTY_NAME='a \\$ b'", "a \\$ b"),
            ("PRETTY_NAME=Fedora", "Fedora"),
            (r#"PRETTY_NAME="\"a\" \$b \\ \x \`" "#, r#""a" $b \ \x `"#),
            ("NAME=x\nPRETTY_NAME=y\nPRETTY_NAME=\"\u{fc}\"\nID=z", "\u{fc}"),
        ] {
            assert_eq!(name(line).as_deref(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in [
            "",
            "NAME=x",
            "#PRETTY_NAME=x",
            "PRETTY_NAME=",
            "PRETTY_NAME=\"\"",
            "PRETTY_NAME=\"",
            "PRETTY_NAME=\"x",
            "PRETTY_NAME='x\"",
            "PRETTY_NAME=123456789012345678901234567890123",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
        assert_eq!(pretty_name::<32>(b"PRETTY_NAME=\xff"), None);
    }
}
