//! Where what is published.
//!
//! ```text
//! PREFIX/$state                                 the hub: online, or offline by its last will
//! PREFIX/BOARD/$state                           a board: online or offline
//! PREFIX/BOARD/SERIES                           what a series says
//! DISCOVERY/device/ID/config                    what Home Assistant is told of a board
//! ```
//!
//! Boards name themselves and their series. A name is one level of a topic, in which every octet but letters, digits and
//! `-._~` is percent-encoded (RFC 3986 §2.1), so that no two become one, no wildcard is among them (MQTT 3.1.1 §4.7.1),
//! and none is `$state`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// A name as one level of a topic.
pub fn level(name: &str) -> String {
    let mut level = String::with_capacity(name.len());
    for octet in name.bytes() {
        match octet {
            b'-' | b'.' | b'_' | b'~' => level.push(char::from(octet)),
            _ if octet.is_ascii_alphanumeric() => level.push(char::from(octet)),
            // Writing to a string cannot fail.
            _ => drop(write!(level, "%{octet:02X}")),
        }
    }
    level
}

/// Where the hub says whether it is there.
pub fn of_hub(prefix: &str) -> String {
    format!("{prefix}/$state")
}

/// Where it is said whether a board is heard.
pub fn of_board(prefix: &str, board: &str) -> String {
    format!("{prefix}/{}/$state", level(board))
}

/// Where it is said what a series says.
pub fn of_series(prefix: &str, board: &str, path: &str) -> String {
    format!("{prefix}/{}/{}", level(board), level(path))
}

/// The name of a board's device, by which Home Assistant knows it: letters, digits, `-` and `_` alone. A host name that
/// has others gets a hash, so that no two become one.
pub fn device(prefix: &str, board: &str) -> String {
    format!("{}_{}", id(prefix), id(board))
}

/// Where Home Assistant is told of a board.
pub fn of_discovery(discovery: &str, prefix: &str, board: &str) -> String {
    format!("{discovery}/device/{}/config", device(prefix, board))
}

fn id(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.chars().all(is_plain) {
        return name.to_owned();
    }
    // Neither has an underscore, so that it ends with that of the hash alone.
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("{plain}_{}", hash(name.as_bytes(), 4))
}

/// The first `octets` of the hash, in hexadecimal digits.
pub fn hash(bytes: &[u8], octets: usize) -> String {
    let mut text = String::new();
    for octet in Sha256::digest(bytes).iter().take(octets) {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_from_outside_is_a_wildcard_a_level_of_its_own_or_another_name() {
        assert_eq!(of_series("psistats", "pi-4.local", "cpu_temp"), "psistats/pi-4.local/cpu_temp");
        assert_eq!(of_series("p", "+", "disk./.percent"), "p/%2B/disk.%2F.percent");
        let names =
            ["a", "A", "a/b", "a%2Fb", "#", "+", "$state", "a\0", "", "büro", "b_ro", "a b", "a_b", "a.b"];
        let topics: HashSet<_> = names.iter().map(|name| of_board("p", name)).collect();
        let devices: HashSet<_> = names.iter().map(|name| device("p", name)).collect();
        assert_eq!((topics.len(), devices.len()), (names.len(), names.len()));
        for (topic, device) in topics.iter().zip(&devices) {
            assert!(!topic.contains(['+', '#', '\0']) && topic.split('/').count() == 3, "{topic}");
            assert!(device.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{device}");
        }
        assert_eq!(device("psistats", "pi-4"), "psistats_pi-4");
    }
}
