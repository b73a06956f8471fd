//! The greeting: 64 octets, each side's first (RFC 37, "Greeting").

use super::error::Error;
use crate::bytes::Text;

/// Octets.
pub const LENGTH: usize = 64;

/// Version 3.1.
const VERSION: [u8; 2] = [3, 1];

/// `signature version mechanism as-server filler`, all at once: some peers wait for all of it.
pub fn ours() -> [u8; LENGTH] {
    let mut greeting = [0; LENGTH];
    for (octet, value) in greeting.iter_mut().zip([0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F]) {
        *octet = value;
    }
    for (octet, value) in greeting.iter_mut().skip(10).zip(VERSION.iter().chain(b"NULL")) {
        *octet = *value;
    }
    greeting
}

/// Reads the peer's greeting, of which `bytes` came so far. Gives its minor version once all of it is
/// there; what is wrong is told as soon as it can be seen.
///
/// libzmq fills the padding with anything, so that it is not looked at.
pub fn parse(bytes: &[u8]) -> Result<Option<u8>, Error> {
    let at = |index: usize| bytes.get(index).copied();
    if at(0).is_some_and(|octet| octet != 0xFF) || at(9).is_some_and(|octet| octet & 1 != 1) {
        return Err(Error::NotZmtp(Text::lossy(bytes.get(..bytes.len().min(16)).unwrap_or_default())));
    }
    if let Some(major) = at(10).filter(|major| *major < VERSION[0]) {
        return Err(Error::Version { major });
    }
    let (Some(minor), Some(mechanism)) = (at(11), bytes.get(12..32)) else { return Ok(None) };
    let end = mechanism.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    let mechanism = mechanism.get(..end).unwrap_or_default();
    if mechanism != b"NULL" {
        return Err(Error::Mechanism(Text::lossy(mechanism)));
    }
    match bytes.len() {
        LENGTH.. if at(10) == Some(VERSION[0]) => Ok(Some(minor)),
        // A higher major version speaks ours to us (RFC 37, "Version negotiation").
        LENGTH.. => Ok(Some(VERSION[1])),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_read_back_whole_and_not_before() {
        let greeting = ours();
        for length in 0..LENGTH {
            assert_eq!(parse(&greeting[..length]), Ok(None), "{length}");
        }
        assert_eq!(parse(&greeting), Ok(Some(1)));
    }

    #[test]
    fn padding_as_server_and_filler_may_be_anything() {
        let mut greeting = ours();
        greeting[1..9].fill(0xA5);
        greeting[32..].fill(0x5A);
        assert_eq!(parse(&greeting), Ok(Some(1)));
    }

    #[test]
    fn what_is_no_zmtp_is_told_with_its_first_octet() {
        let Err(Error::NotZmtp(text)) = parse(b"HTTP/1.1 400 Bad Request\r\n") else { panic!() };
        assert_eq!(text.as_str(), "HTTP/1.1 400 Bad");
        assert!(parse(b"H").is_err());
        assert!(parse(&[0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7E]).is_err(), "ZMTP 1");
    }

    #[test]
    fn older_versions_and_other_mechanisms_are_refused_and_newer_versions_taken() {
        let mut greeting = ours();
        greeting[10] = 1;
        assert_eq!(parse(&greeting[..11]), Err(Error::Version { major: 1 }));
        greeting[10] = 4;
        greeting[11] = 7;
        assert_eq!(parse(&greeting), Ok(Some(1)));
        greeting[12..17].copy_from_slice(b"PLAIN");
        assert_eq!(parse(&greeting), Err(Error::Mechanism(Text::lossy(b"PLAIN"))));
    }
}
