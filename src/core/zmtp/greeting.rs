//! The greeting, each side's first octets: 64 of ZMTP 3 (RFC 37, "Greeting"), 14 and an identity of ZMTP 2.0
//! (RFC 15, "Framing").
//!
//! Both begin with a signature of 10 octets and a version. The rest depends on the peer's version, so that it
//! waits for that: libzmq 3.2 takes a greeting of ZMTP 3 that comes at once for messages, and disconnects.

use heapless::Vec;

use crate::bytes::Text;
use crate::zmtp::error::{Error, Violation};
use crate::zmtp::socket_type::SocketType;

/// Octets of ZMTP 3's, which is the longer one of ours.
const LENGTH: usize = 64;

/// Octets of ZMTP 2.0's without the identity: signature, version, socket type, a frame's flags and size.
const LENGTH_2: usize = 14;

/// `FF`, eight octets for anything, `7F`: no length and flags of a ZMTP 1.0 message (RFC 23, "Backwards
/// interoperability").
const SIGNATURE: [u8; 10] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F];

/// Where ZMTP 3 says whether the side is a server, behind the mechanism's name.
const AS_SERVER: usize = 32;

/// Version 3.1.
const VERSION: [u8; 2] = [3, 1];

/// ZMTP 2.0 has numbers for socket types (RFC 15; libzmq's `zmq.h` for the last two).
const SOCKET_TYPES: [&str; 11] =
    ["PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB"];

/// How a connection is secured. Both sides have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Not at all.
    Null,
    /// By keys.
    Curve {
        /// Whether this side is the server of the two.
        as_server: bool,
    },
}

/// What both sides speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// No commands: no READY, no PING, and subscriptions are messages.
    V2_0,
    /// Subscriptions are messages, and PING may be unknown.
    V3_0,
    /// All that is spoken here.
    V3_1,
}

/// Our greeting as far as it may be sent once `theirs` has come: the signature; the version after the peer's
/// signature; the rest after its version. What was sent before is its beginning.
pub fn ours(theirs: &[u8], socket: SocketType, mechanism: Mechanism) -> Vec<u8, LENGTH> {
    let mut greeting = Vec::new();
    // All of it fits.
    let mut put = |octets: &[u8]| drop(greeting.extend_from_slice(octets));
    put(&SIGNATURE);
    if theirs.len() >= SIGNATURE.len() {
        put(&VERSION[..1]);
    }
    match theirs.get(SIGNATURE.len()) {
        None => {}
        // An identity of no octets.
        Some(major) if *major < VERSION[0] => put(&[number(socket), 0, 0]),
        Some(_) => {
            put(&VERSION[1..]);
            put(match mechanism {
                Mechanism::Null => b"NULL\0",
                Mechanism::Curve { .. } => b"CURVE",
            });
            // The end of the mechanism's name, as-server and filler.
            let _ = greeting.resize(AS_SERVER, 0);
            let _ = greeting.push(u8::from(mechanism == Mechanism::Curve { as_server: true }));
            let _ = greeting.resize(LENGTH, 0);
        }
    }
    greeting
}

/// Octets of the peer's greeting that have to be there to go on, of which `bytes` came so far.
pub fn needs(bytes: &[u8]) -> usize {
    let at = |index: usize| bytes.get(index).copied();
    match at(SIGNATURE.len()) {
        Some(major) if major >= VERSION[0] => LENGTH,
        _ => LENGTH_2 + at(LENGTH_2 - 1).map_or(0, usize::from),
    }
}

/// Reads the peer's greeting, of which `bytes` came so far. Gives what it speaks, and the greeting's octets, once
/// all of it is there; what is wrong is told as soon as it can be seen.
///
/// libzmq fills the padding with anything, so that it is not looked at.
pub fn parse(
    bytes: &[u8],
    socket: SocketType,
    mechanism: Mechanism,
) -> Result<Option<(Version, usize)>, Error> {
    let at = |index: usize| bytes.get(index).copied();
    let is_zmtp_1 = match at(0) {
        Some(0xFF) => at(9).is_some_and(|flags| flags & 1 == 0) || at(10) == Some(0),
        // Length and flags of its first message, the identity.
        Some(1..) => at(1) == Some(0),
        _ => false,
    };
    if is_zmtp_1 {
        return Err(Error::Version);
    }
    if at(0).is_some_and(|octet| octet != 0xFF) && bytes.len() > 1 {
        return Err(Error::NotZmtp(Text::lossy(bytes.get(..bytes.len().min(16)).unwrap_or_default())));
    }
    let version = match (at(10), at(11)) {
        (Some(major), Some(number)) if major < VERSION[0] => {
            let theirs = SOCKET_TYPES.get(usize::from(number)).copied().unwrap_or("unknown");
            socket.talks_to(&Text::lossy(theirs.as_bytes()))?;
            if mechanism != Mechanism::Null {
                return Err(Error::NotCurve(Text::lossy(b"NULL")));
            }
            if let Some(flags) = at(12).filter(|flags| *flags != 0) {
                return Err(Violation::Flags(flags).into());
            }
            Version::V2_0
        }
        // A higher major version speaks ours to us (RFC 37, "Version negotiation").
        (Some(major), Some(minor)) => {
            check_mechanism(bytes.get(12..AS_SERVER), at(AS_SERVER), mechanism)?;
            if major > VERSION[0] || minor > 0 { Version::V3_1 } else { Version::V3_0 }
        }
        _ => return Ok(None),
    };
    let length = needs(bytes);
    Ok((bytes.len() >= length).then_some((version, length)))
}

/// Of the mechanism's name, once all of it is there, and of the octet behind it. libzmq says of no side that it is a
/// server, so that of two clients nothing is to be seen here.
fn check_mechanism(name: Option<&[u8]>, as_server: Option<u8>, ours: Mechanism) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let end = name.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
    match (ours, name.get(..end).unwrap_or_default()) {
        (Mechanism::Null, b"NULL") => Ok(()),
        (Mechanism::Null, name) => Err(Error::Mechanism(Text::lossy(name))),
        (Mechanism::Curve { as_server: true }, b"CURVE") if as_server == Some(1) => Err(Error::Roles),
        (Mechanism::Curve { .. }, b"CURVE") => Ok(()),
        (Mechanism::Curve { .. }, name) => Err(Error::NotCurve(Text::lossy(name))),
    }
}

/// Of a socket type in ZMTP 2.0.
fn number(socket: SocketType) -> u8 {
    match socket {
        SocketType::Pub => 1,
        SocketType::Sub => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without encryption.
    fn parse(bytes: &[u8], socket: SocketType) -> Result<Option<(Version, usize)>, Error> {
        super::parse(bytes, socket, Mechanism::Null)
    }

    /// The same.
    fn ours(theirs: &[u8], socket: SocketType) -> Vec<u8, LENGTH> {
        super::ours(theirs, socket, Mechanism::Null)
    }

    /// A greeting of ours to a peer of that major version.
    fn to(major: u8, socket: SocketType) -> Vec<u8, LENGTH> {
        ours(&[&SIGNATURE[..], &[major]].concat(), socket)
    }

    #[test]
    fn it_goes_out_in_steps_and_its_end_depends_on_the_peers_version() {
        let (pub_3, sub_2) = (to(3, SocketType::Pub), to(1, SocketType::Sub));
        assert_eq!(pub_3[..20], *b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL\0\0\0\0");
        assert_eq!(pub_3.len(), 64);
        assert_eq!(sub_2, *b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x02\0\0");
        for theirs in 0..64 {
            let so_far = ours(&pub_3[..theirs], SocketType::Pub);
            assert_eq!(
                so_far.len(),
                if theirs < 10 {
                    10
                } else if theirs == 10 {
                    11
                } else {
                    64
                }
            );
            assert_eq!(so_far, pub_3[..so_far.len()]);
        }
    }

    #[test]
    fn ours_is_read_back_whole_and_not_before() {
        for (mut greeting, expected) in
            [(to(3, SocketType::Sub), (Version::V3_1, 64)), (to(2, SocketType::Sub), (Version::V2_0, 14))]
        {
            // The version that this greeting is for.
            greeting[10] = if expected.1 == 64 { 3 } else { 1 };
            for length in 0..greeting.len() {
                assert_eq!(parse(&greeting[..length], SocketType::Pub), Ok(None), "{length}");
                assert!((length + 1..=64).contains(&needs(&greeting[..length])), "{length}");
            }
            assert_eq!(parse(&greeting, SocketType::Pub), Ok(Some(expected)));
        }
    }

    #[test]
    fn an_identity_belongs_to_the_greeting_of_zmtp_2() {
        let greeting = b"\xff\0\0\0\0\0\0\0\x04\x7f\x01\x0a\0\x03abc";
        assert_eq!(parse(&greeting[..16], SocketType::Pub), Ok(None));
        assert_eq!(needs(&greeting[..14]), 17);
        assert_eq!(parse(greeting, SocketType::Pub), Ok(Some((Version::V2_0, 17))));
        assert_eq!(
            parse(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x02\x01", SocketType::Pub),
            Err(Violation::Flags(1).into())
        );
        for (number, name) in [(1, "PUB"), (8, "PUSH"), (11, "unknown")] {
            let greeting = [&SIGNATURE[..], &[1, number]].concat();
            let theirs = Text::lossy(name.as_bytes());
            assert_eq!(
                parse(&greeting, SocketType::Pub),
                Err(Error::SocketType { theirs, expected: "SUB or XSUB" })
            );
        }
    }

    #[test]
    fn padding_as_server_and_filler_may_be_anything() {
        let mut greeting = to(3, SocketType::Sub);
        greeting[1..9].fill(0xA5);
        greeting[32..].fill(0x5A);
        assert_eq!(parse(&greeting, SocketType::Pub), Ok(Some((Version::V3_1, 64))));
    }

    #[test]
    fn what_is_no_zmtp_is_told_with_its_first_octets() {
        let Err(Error::NotZmtp(text)) = parse(b"HTTP/1.1 400 Bad Request\r\n", SocketType::Pub) else {
            panic!()
        };
        assert_eq!(text.as_str(), "HTTP/1.1 400 Bad");
        assert!(matches!(parse(b"HT", SocketType::Pub), Err(Error::NotZmtp(_))));
    }

    #[test]
    fn zmtp_1_is_refused_in_each_of_its_forms() {
        for greeting in [
            // An identity of no octets, one of three, one of 300 or more; and one that says its version.
            &b"\x01\0"[..],
            b"\x04\0abc",
            b"\xff\0\0\0\0\0\0\x01\x2d\0",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\0",
        ] {
            assert_eq!(parse(greeting, SocketType::Pub), Err(Error::Version), "{}", greeting.escape_ascii());
        }
    }

    #[test]
    fn other_mechanisms_are_refused_and_newer_versions_taken() {
        let mut greeting = to(3, SocketType::Sub);
        (greeting[10], greeting[11]) = (4, 0);
        assert_eq!(parse(&greeting, SocketType::Pub), Ok(Some((Version::V3_1, 64))));
        (greeting[10], greeting[11]) = (3, 0);
        assert_eq!(parse(&greeting, SocketType::Pub), Ok(Some((Version::V3_0, 64))));
        greeting[12..17].copy_from_slice(b"PLAIN");
        assert_eq!(parse(&greeting, SocketType::Pub), Err(Error::Mechanism(Text::lossy(b"PLAIN"))));
    }
    #[test]
    fn curve_is_never_left_for_anything_else() {
        let (server, client) = (Mechanism::Curve { as_server: true }, Mechanism::Curve { as_server: false });
        let of = |mechanism| super::ours(&to(3, SocketType::Sub), SocketType::Sub, mechanism);
        let read = |theirs: &[u8], ours| super::parse(theirs, SocketType::Pub, ours);
        assert_eq!(of(server)[12..33], *b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
        assert_eq!(of(client)[32], 0);
        assert_eq!(read(&of(client), server), Ok(Some((Version::V3_1, 64))));
        // libzmq says 0 of a server.
        assert_eq!(read(&of(client), client), Ok(Some((Version::V3_1, 64))));
        assert_eq!(read(&of(server), server), Err(Error::Roles));
        let null = Err(Error::NotCurve(Text::lossy(b"NULL")));
        assert_eq!(read(&to(3, SocketType::Sub), client), null);
        assert_eq!(
            read(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x02\0\0", client),
            null,
            "ZMTP 2.0 has no mechanisms"
        );
        assert_eq!(read(&of(client), Mechanism::Null), Err(Error::Mechanism(Text::lossy(b"CURVE"))));
    }
}
