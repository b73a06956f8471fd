//! The server's half of the handshake.

use crypto_box::SalsaBox;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use zeroize::{Zeroize as _, Zeroizing};

use crate::bytes::Reader;
use crate::zmtp::command::LONGEST;
use crate::zmtp::curve::boxes::{TAG, close, counted, open, random};
use crate::zmtp::curve::keys::{KEY, PublicKey, SecretKey};
use crate::zmtp::curve::sealed::Sealed;
use crate::zmtp::curve::{COOKIE, Handshake, RANDOM, command, join, newer, take};
use crate::zmtp::error::{Error, Violation};

const HELLO: usize = 200;

/// INITIATE without metadata.
const INITIATE: usize = 9 + COOKIE + 8 + TAG + KEY + 16 + TAG + 2 * KEY;

/// A server until HELLO has come.
pub struct Server {
    own: SecretKey,
    octets: Zeroizing<[u8; RANDOM]>,
}

/// The same until INITIATE has: the keys in between are in the cookie alone.
pub struct Waiting {
    own: SecretKey,
    cookie: XSalsa20Poly1305,
}

/// A client that has proven who it is.
pub struct Met<'i> {
    /// What encrypts from now on.
    pub cipher: SalsaBox,
    /// Its own key.
    pub peer: PublicKey,
    /// The count of its box.
    pub count: u64,
    /// Its metadata.
    pub metadata: &'i [u8],
}

impl Server {
    /// Transient key, the cookie's key and both nonces are `octets`, which are wiped.
    pub fn new(own: SecretKey, octets: &mut [u8; RANDOM]) -> Self {
        let server = Self { own, octets: Zeroizing::new(*octets) };
        octets.zeroize();
        server
    }

    /// Takes HELLO. Gives WELCOME, and the count of HELLO's box.
    pub fn welcome(self, body: &mut [u8]) -> Result<(Handshake, Waiting, u64), Error> {
        let mut rest = command(body, b"\x05HELLO", HELLO..=HELLO)?;
        if take(&mut rest)? != b"\x01\0" {
            // CurveZMQ of another version.
            return Err(Violation::Command.into());
        }
        let _filler: &[u8; 72] = take(&mut rest)?;
        let client = PublicKey::from_bytes(*take(&mut rest)?);
        let count = newer(take(&mut rest)?, 0)?;
        let to_client = self.own.shared_with(&client);
        open(&to_client, &counted(b"CurveZMQHELLO---", count), rest).ok_or(Error::Unopened(Sealed::Hello))?;

        let mut from = Reader::new(self.octets.as_slice());
        let mut key: [u8; KEY] = from.array().unwrap_or_default();
        let mut of_cookie: [u8; KEY] = from.array().unwrap_or_default();
        let cookies_nonce: [u8; 16] = from.array().unwrap_or_default();
        let welcomes_nonce: [u8; 16] = from.array().unwrap_or_default();
        let cookie = XSalsa20Poly1305::new(&of_cookie.into());
        let mut kept: Handshake = join(&[&[0; TAG], client.as_bytes(), &key]);
        close(&cookie, &random(b"COOKIE--", &cookies_nonce), &mut kept);
        let transient = SecretKey::new(&mut key);
        of_cookie.zeroize();

        let mut sealed: Handshake = join(&[&[0; TAG], transient.public().as_bytes(), &cookies_nonce, &kept]);
        close(&to_client, &random(b"WELCOME-", &welcomes_nonce), &mut sealed);
        let welcome = join(&[b"\x07WELCOME", &welcomes_nonce, &sealed]);
        Ok((welcome, Waiting { own: self.own, cookie }, count))
    }
}

impl Waiting {
    /// Takes INITIATE, whose box has a higher count than `last`.
    pub fn meet(self, body: &mut [u8], last: u64) -> Result<Met<'_>, Error> {
        let mut rest = command(body, b"\x08INITIATE", INITIATE..=LONGEST)?;
        let nonce = random(b"COOKIE--", take(&mut rest)?);
        let kept: &mut [u8; COOKIE - 16] = take(&mut rest)?;
        let mut kept = open(&self.cookie, &nonce, kept).ok_or(Error::Unopened(Sealed::Cookie))?;
        let client = PublicKey::from_bytes(*take(&mut kept)?);
        let transient = SecretKey::new(take(&mut kept)?);

        let count = newer(take(&mut rest)?, last)?;
        let cipher = transient.shared_with(&client);
        let nonce = counted(b"CurveZMQINITIATE", count);
        let mut rest = open(&cipher, &nonce, rest).ok_or(Error::Unopened(Sealed::Initiate))?;
        let peer = PublicKey::from_bytes(*take(&mut rest)?);
        let nonce = random(b"VOUCH---", take(&mut rest)?);
        let vouch: &mut [u8; TAG + 2 * KEY] = take(&mut rest)?;
        let mut vouch =
            open(&transient.shared_with(&peer), &nonce, vouch).ok_or(Error::Unopened(Sealed::Vouch))?;
        // For this connection and for this server, and so not one that another server was given.
        let for_whom = (PublicKey::from_bytes(*take(&mut vouch)?), PublicKey::from_bytes(*take(&mut vouch)?));
        if for_whom != (client, self.own.public()) {
            return Err(Error::Unopened(Sealed::Vouch));
        }
        Ok(Met { cipher, peer, count, metadata: rest })
    }
}
