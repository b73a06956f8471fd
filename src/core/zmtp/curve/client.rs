//! The client's half of the handshake.

use crypto_box::SalsaBox;
use zeroize::Zeroize as _;

use crate::bytes::Reader;
use crate::zmtp::curve::boxes::{TAG, close, counted, open, random};
use crate::zmtp::curve::keys::{KEY, PublicKey, SecretKey};
use crate::zmtp::curve::sealed::Sealed;
use crate::zmtp::curve::{COOKIE, Handshake, RANDOM, WELCOME, join, take};
use crate::zmtp::error::Error;

/// A client until WELCOME has come.
pub struct Client {
    own: SecretKey,
    server: PublicKey,
    transient: SecretKey,
    to_server: SalsaBox,
    vouch: [u8; 16],
}

impl Client {
    /// The transient key and the vouch's nonce are `octets`, which are wiped.
    pub fn new(own: SecretKey, server: PublicKey, octets: &mut [u8; RANDOM]) -> Self {
        let mut from = Reader::new(octets);
        let mut key: [u8; KEY] = from.array().unwrap_or_default();
        let vouch = from.array().unwrap_or_default();
        octets.zeroize();
        let transient = SecretKey::new(&mut key);
        let to_server = transient.shared_with(&server);
        Self { own, server, transient, to_server, vouch }
    }

    /// HELLO, the box of that count.
    pub fn hello(&self, count: u64) -> Handshake {
        let mut proof = [0; TAG + 64];
        close(&self.to_server, &counted(b"CurveZMQHELLO---", count), &mut proof);
        // Version 1.0; and filler, so that no server's answer is longer than what was asked.
        let (transient, count) = (self.transient.public(), count.to_be_bytes());
        join(&[b"\x05HELLO\x01\0", &[0; 72], transient.as_bytes(), &count, &proof])
    }

    /// Takes WELCOME. Gives INITIATE, the box of that count with `metadata`, and what encrypts from then on.
    pub fn initiate(
        self,
        body: &mut [u8],
        count: u64,
        metadata: &[u8],
    ) -> Result<(Handshake, SalsaBox), Error> {
        let mut rest = take_command(body)?;
        let nonce = random(b"WELCOME-", take(&mut rest)?);
        let mut answer = open(&self.to_server, &nonce, rest).ok_or(Error::Unopened(Sealed::Welcome))?;
        let server = PublicKey::from_bytes(*take(&mut answer)?);
        let cookie: &[u8; COOKIE] = take(&mut answer)?;

        let cipher = self.transient.shared_with(&server);
        let mut vouch = [0; TAG + 2 * KEY];
        put(&mut vouch, TAG, self.transient.public().as_bytes());
        put(&mut vouch, TAG + KEY, self.server.as_bytes());
        close(&self.own.shared_with(&server), &random(b"VOUCH---", &self.vouch), &mut vouch);
        let mut sealed = join(&[&[0; TAG], self.own.public().as_bytes(), &self.vouch, &vouch, metadata]);
        close(&cipher, &counted(b"CurveZMQINITIATE", count), &mut sealed);
        Ok((join(&[b"\x08INITIATE", cookie, &count.to_be_bytes(), &sealed]), cipher))
    }
}

/// What follows the name of WELCOME, which has one length.
fn take_command(body: &mut [u8]) -> Result<&mut [u8], Error> {
    super::command(body, b"\x07WELCOME", WELCOME..=WELCOME)
}

fn put(into: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = into.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}
