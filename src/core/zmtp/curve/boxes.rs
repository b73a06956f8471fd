//! Boxes of NaCl: 16 octets by which they are checked, and what is encrypted in them.

use crypto_box::Nonce;
use crypto_box::aead::consts::{U0, U16, U24};
use crypto_box::aead::{AeadCore, AeadInPlace, Tag};

/// Octets of a box before what is in it.
pub const TAG: usize = 16;

/// What encrypts: two keys of CURVE, or the one of a cookie.
pub trait Cipher: AeadInPlace + AeadCore<NonceSize = U24, TagSize = U16, CiphertextOverhead = U0> {}

impl<C: AeadInPlace + AeadCore<NonceSize = U24, TagSize = U16, CiphertextOverhead = U0>> Cipher for C {}

/// The nonce of a box that is one of many under its keys.
pub fn counted(name: &[u8; 16], count: u64) -> Nonce {
    let mut nonce = Nonce::default();
    nonce.split_at_mut(16).0.copy_from_slice(name);
    nonce.split_at_mut(16).1.copy_from_slice(&count.to_be_bytes());
    nonce
}

/// The nonce of a box under keys that serve for long.
pub fn random(name: &[u8; 8], random: &[u8; 16]) -> Nonce {
    let mut nonce = Nonce::default();
    nonce.split_at_mut(8).0.copy_from_slice(name);
    nonce.split_at_mut(8).1.copy_from_slice(random);
    nonce
}

/// Closes a box, where what is to be in it stands behind [`TAG`] octets.
pub fn close(cipher: &impl Cipher, nonce: &Nonce, sealed: &mut [u8]) {
    let Some((tag, body)) = sealed.split_first_chunk_mut::<TAG>() else { return };
    match cipher.encrypt_in_place_detached(nonce, &[], body) {
        Ok(made) => *tag = made.into(),
        // It is too long for the cipher, 256 GiB. Nothing leaves in clear.
        Err(_) => body.fill(0),
    }
}

/// Opens a box in its place: what is in it, or none where it was closed with other keys, or changed.
pub fn open<'b>(cipher: &impl Cipher, nonce: &Nonce, sealed: &'b mut [u8]) -> Option<&'b mut [u8]> {
    let (tag, body) = sealed.split_first_chunk_mut::<TAG>()?;
    cipher.decrypt_in_place_detached(nonce, &[], body, &Tag::<TagOf>::from(*tag)).ok()?;
    Some(body)
}

/// All ciphers here have its tag.
type TagOf = crypto_box::SalsaBox;
