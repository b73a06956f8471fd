//! The record layer: sealed records, one direction of a connection each (RFC 8446 §5, RFC 5246 §6.2, RFC 7905).

use std::ops::Range;

use crate::net::tls::keys::Secret;
use heapless::Vec;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use rustls::{AlertDescription, ConnectionTrafficSecrets, ContentType, ProtocolVersion};

/// Octets of a record's header: type, version, length.
pub const HEADER: usize = 5;

/// Most octets that a record carries.
pub const PLAINTEXT: usize = 16_384;

/// Most octets of a record with its header. RFC 8446 allows 256 more than it carries; RFC 5246 allows more, which no
/// cipher here needs.
pub const LONGEST: usize = HEADER + PLAINTEXT + 256;

/// Octets by which a record is longer than what it carries, at most.
pub const OVERHEAD: usize = HEADER + EXPLICIT + TAG;

/// Octets of the tag that authenticates a record, in each of the ciphers.
const TAG: usize = 16;

/// Octets of the nonce that TLS 1.2 sends with AES-GCM (RFC 5288 §3).
const EXPLICIT: usize = 8;

/// What is authenticated beside a record's content: 5 octets in TLS 1.3, 13 in TLS 1.2.
type Additional = Vec<u8, 13>;

/// How records look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// TLS 1.3: the type is within.
    Tls13,
    /// TLS 1.2 with AES-GCM: a part of the nonce is sent.
    Tls12Gcm,
    /// TLS 1.2 with ChaCha20-Poly1305.
    Tls12ChaCha,
}

/// Seals the records of one direction, or opens them.
pub struct Cipher {
    key: LessSafeKey,
    iv: [u8; 12],
    /// Number of the next record.
    sequence: u64,
    form: Form,
}

impl Cipher {
    /// The cipher of these secrets, the first of which is the number of the next record. None where they are none of
    /// TLS 1.2 or 1.3.
    pub fn new(
        version: ProtocolVersion,
        (sequence, secrets): (u64, ConnectionTrafficSecrets),
    ) -> Option<Self> {
        let (algorithm, key, iv, tls12) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (&AES_128_GCM, key, iv, Form::Tls12Gcm),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (&AES_256_GCM, key, iv, Form::Tls12Gcm),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
                (&CHACHA20_POLY1305, key, iv, Form::Tls12ChaCha)
            }
            _ => return None,
        };
        let form = match version {
            ProtocolVersion::TLSv1_3 => Form::Tls13,
            ProtocolVersion::TLSv1_2 => tls12,
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key.as_ref()).ok()?);
        Some(Self { key, iv: *iv.as_ref().first_chunk()?, sequence, form })
    }

    /// Takes the key that follows, with which records are numbered anew (RFC 8446 §5.3). None where there is none.
    pub fn change(&mut self, secret: &mut Secret) -> Option<()> {
        let algorithm = self.key.algorithm();
        let mut key = [0; 32];
        let key = key.get_mut(..algorithm.key_len())?;
        secret.next(key, &mut self.iv)?;
        self.key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        self.sequence = 0;
        Some(())
    }

    /// Records that were sealed or opened by this key.
    pub fn records(&self) -> u64 {
        self.sequence
    }

    /// Seals `content` into the front of `to`, as one record. Its length; None, and the connection is of no use any
    /// more, where there is no room, or no number for it.
    pub fn seal(&mut self, kind: ContentType, content: &[u8], to: &mut [u8]) -> Option<usize> {
        let within = usize::from(self.form == Form::Tls13);
        let length = self.explicit() + content.len() + within + TAG;
        let (header, body) = to.get_mut(..HEADER + length)?.split_at_mut_checked(HEADER)?;
        let (sent, body) = body.split_at_mut_checked(self.explicit())?;
        let (inner, tag) = body.split_at_mut_checked(content.len() + within)?;
        let (text, type_within) = inner.split_at_mut_checked(content.len())?;

        let outer = if within > 0 { ContentType::ApplicationData } else { kind };
        let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
        header.copy_from_slice(&[outer.into(), 3, 3, high, low]);
        let nonce = self.nonce();
        sent.copy_from_slice(nonce.get(12 - self.explicit()..)?);
        text.copy_from_slice(content);
        type_within.fill(kind.into());

        let additional = self.additional(header, content.len())?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(additional), inner).ok()?;
        tag.copy_from_slice(sealed.as_ref());
        self.sequence = self.sequence.checked_add(1)?;
        Some(HEADER + length)
    }

    /// Opens a whole record in place: its type, and where its content is.
    ///
    /// # Errors
    /// What the peer is to be told: the connection is of no use any more.
    pub fn open(&mut self, record: &mut [u8]) -> Result<(ContentType, Range<usize>), AlertDescription> {
        let (header, body) = record.split_at_mut_checked(HEADER).ok_or(AlertDescription::DecodeError)?;
        let mut kind = header.first().copied().unwrap_or_default();
        if self.form == Form::Tls13 && kind != u8::from(ContentType::ApplicationData) {
            return Err(AlertDescription::UnexpectedMessage);
        }
        let too_short = AlertDescription::BadRecordMac;
        let (sent, sealed) = body.split_at_mut_checked(self.explicit()).ok_or(too_short)?;
        let length = sealed.len().checked_sub(TAG).ok_or(too_short)?;
        let mut nonce = self.nonce();
        // RFC 5288 §3: the peer chooses this part.
        nonce.iter_mut().skip(12 - sent.len()).zip(sent).for_each(|(ours, theirs)| *ours = *theirs);

        let additional = self.additional(header, length).ok_or(too_short)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let inner = self.key.open_in_place(nonce, Aad::from(additional), sealed).map_err(|_| too_short)?;
        self.sequence = self.sequence.checked_add(1).ok_or(AlertDescription::InternalError)?;
        let mut length = inner.len();
        if self.form == Form::Tls13 {
            // §5.4: the type stands behind the content, and any number of zeros behind the type.
            length =
                inner.iter().rposition(|octet| *octet != 0).ok_or(AlertDescription::UnexpectedMessage)?;
            kind = inner.get(length).copied().unwrap_or_default();
        }
        if length > PLAINTEXT {
            return Err(AlertDescription::RecordOverflow);
        }
        let start = HEADER + self.explicit();
        Ok((ContentType::from(kind), start..start + length))
    }

    /// Octets of the nonce that each record brings along.
    fn explicit(&self) -> usize {
        if self.form == Form::Tls12Gcm { EXPLICIT } else { 0 }
    }

    /// RFC 8446 §5.3, and RFC 7905 §2. With AES-GCM TLS 1.2 leaves it to the sender, as long as none comes twice.
    fn nonce(&self) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce
            .iter_mut()
            .skip(4)
            .zip(self.sequence.to_be_bytes())
            .for_each(|(octet, number)| *octet ^= number);
        nonce
    }

    /// RFC 8446 §5.2: the header. RFC 5246 §6.2.3.3: number, type, version, and the length of the content.
    fn additional(&self, header: &[u8], content: usize) -> Option<Additional> {
        let mut additional = Additional::new();
        if self.form == Form::Tls13 {
            additional.extend_from_slice(header).ok()?;
        } else {
            additional.extend_from_slice(&self.sequence.to_be_bytes()).ok()?;
            additional.extend_from_slice(header.get(..3)?).ok()?;
            additional.extend_from_slice(&u16::try_from(content).ok()?.to_be_bytes()).ok()?;
        }
        Some(additional)
    }
}

/// The length of the first record with its header, once all of it is there.
///
/// # Errors
/// What the peer is to be told where there cannot be one.
pub fn whole(octets: &[u8]) -> Result<Option<usize>, AlertDescription> {
    let Some([kind, major, _, high, low]) = octets.first_chunk::<HEADER>() else { return Ok(None) };
    if !(20..=23).contains(kind) || *major != 3 {
        return Err(AlertDescription::UnexpectedMessage);
    }
    let length = HEADER + usize::from(u16::from_be_bytes([*high, *low]));
    if length > LONGEST {
        return Err(AlertDescription::RecordOverflow);
    }
    Ok((octets.len() >= length).then_some(length))
}
