//! Keys of X25519, and how they are written: Z85 (RFC 32), 40 characters.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroize;

/// Octets of a key.
pub const KEY: usize = 32;

/// Characters of a key in Z85.
pub const TEXT: usize = 40;

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// No key: 40 characters of Z85 are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAKey;

impl core::error::Error for NotAKey {}

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a CURVE key in Z85, which has {TEXT} characters")
    }
}

/// Whom one talks to. It is no secret: [`fmt::Display`] shows it in Z85, as [`FromStr`] reads it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; KEY]);

impl PublicKey {
    /// As it is on the wire.
    pub const fn from_bytes(bytes: [u8; KEY]) -> Self {
        Self(bytes)
    }

    /// The same.
    pub const fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        decode(text).map(Self)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}

/// Who one is. Nothing shows it but [`SecretKey::reveal`], and its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey {
    key: crypto_box::SecretKey,
    public: PublicKey,
}

impl SecretKey {
    /// A key of 32 random octets, which are wiped.
    pub fn new(random: &mut [u8; KEY]) -> Self {
        let key = crypto_box::SecretKey::from_bytes(*random);
        random.zeroize();
        let public = PublicKey(key.public_key().to_bytes());
        Self { key, public }
    }

    /// What others know it by.
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Shows it in Z85, for the file that it is kept in.
    pub const fn reveal(&self) -> Revealed<'_> {
        Revealed(self)
    }

    /// What encrypts between it and `peer`.
    pub(super) fn shared_with(&self, peer: &PublicKey) -> crypto_box::SalsaBox {
        crypto_box::SalsaBox::new(&crypto_box::PublicKey::from_bytes(peer.0), &self.key)
    }
}

impl FromStr for SecretKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        decode(text).map(|mut bytes| Self::new(&mut bytes))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A secret key that is to be seen.
pub struct Revealed<'k>(&'k SecretKey);

impl fmt::Display for Revealed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.0.key.to_bytes();
        let written = encode(&bytes, f);
        bytes.zeroize();
        written
    }
}

/// RFC 32: each 4 octets are 5 digits to the base of 85, the first of them the highest.
fn encode(bytes: &[u8; KEY], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for group in bytes.as_chunks::<4>().0 {
        let number = group.iter().fold(0, |number: u32, octet| number << 8 | u32::from(*octet));
        for power in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1_u32] {
            let digit = ALPHABET.get((number / power % 85) as usize).copied().unwrap_or_default();
            fmt::Write::write_char(f, digit.into())?;
        }
    }
    Ok(())
}

fn decode(text: &str) -> Result<[u8; KEY], NotAKey> {
    if text.len() != TEXT {
        return Err(NotAKey);
    }
    let mut bytes = [0; KEY];
    for (group, octets) in text.as_bytes().as_chunks::<5>().0.iter().zip(bytes.as_chunks_mut::<4>().0) {
        let mut number = 0_u32;
        for character in group {
            let digit =
                ALPHABET.iter().zip(0..).find_map(|(known, digit)| (known == character).then_some(digit));
            let next = number.checked_mul(85).and_then(|high| high.checked_add(digit?));
            number = next.ok_or(NotAKey)?;
        }
        *octets = number.to_be_bytes();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example keys of libzmq's zmq_curve(7).
    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[test]
    fn the_keys_of_zmq_curve_7_are_a_pair_and_are_written_as_there() {
        let secret: SecretKey = SECRET.parse().unwrap();
        assert_eq!(secret.public().to_string(), PUBLIC);
        assert_eq!(secret.public(), PUBLIC.parse().unwrap());
        assert_eq!(secret.reveal().to_string(), SECRET);
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn the_test_case_of_czmq_is_written_as_there() {
        let key = PublicKey::from_bytes([
            0x8E, 0x0B, 0xDD, 0x69, 0x76, 0x28, 0xB9, 0x1D, 0x8F, 0x24, 0x55, 0x87, 0xEE, 0x95, 0xC5, 0xB0,
            0x4D, 0x48, 0x96, 0x3F, 0x79, 0x25, 0x98, 0x77, 0xB4, 0x9C, 0xD9, 0x06, 0x3A, 0xEA, 0xD3, 0xB7,
        ]);
        let text = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        assert_eq!((key.to_string().as_str(), text.parse()), (text, Ok(key)));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        // Too short, too long, a character of none, and five that are beyond 32 bits.
        for wrong in [
            "",
            &PUBLIC[1..],
            &format!("{PUBLIC}0"),
            &PUBLIC.replace('@', " "),
            &PUBLIC.replace("Yne@$", "#####"),
        ] {
            assert_eq!(wrong.parse::<PublicKey>(), Err(NotAKey), "{wrong}");
        }
        assert_eq!("ä".repeat(20).parse::<PublicKey>(), Err(NotAKey));
    }
}
