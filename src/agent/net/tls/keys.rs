//! The keys that follow the first ones (RFC 8446 §7.2): rustls could make them, and would allocate for each.

use std::sync::{Mutex, PoisonError};

use ring::hkdf::{HKDF_SHA256, HKDF_SHA384, KeyType, Prk};
use rustls::KeyLog;

/// Octets of the longest secret: those of SHA-384.
const LONGEST: usize = 48;

/// What the key of one direction came from.
pub struct Secret {
    octets: [u8; LONGEST],
    length: usize,
}

impl Secret {
    fn new(octets: &[u8]) -> Option<Self> {
        let mut secret = Self { octets: [0; LONGEST], length: octets.len() };
        secret.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(secret)
    }

    /// Becomes what the next key comes from, and fills in that key and its initialization vector. None where there is
    /// none.
    pub fn next(&mut self, key: &mut [u8], iv: &mut [u8; 12]) -> Option<()> {
        let mut next = [0; LONGEST];
        expand(&self.prk()?, "traffic upd", next.get_mut(..self.length)?)?;
        self.octets = next;
        let prk = self.prk()?;
        expand(&prk, "key", key)?;
        expand(&prk, "iv", iv)
    }

    fn prk(&self) -> Option<Prk> {
        let hash = if self.length == LONGEST { HKDF_SHA384 } else { HKDF_SHA256 };
        Some(Prk::new_less_safe(hash, self.octets.get(..self.length)?))
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label without a context (RFC 8446 §7.1).
fn expand(secret: &Prk, label: &str, to: &mut [u8]) -> Option<()> {
    const PREFIX: &str = "tls13 ";
    let length = u16::try_from(to.len()).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let info = [&length[..], &label_length, PREFIX.as_bytes(), label.as_bytes(), &[0]];
    secret.expand(&info, Length(to.len())).ok()?.fill(to).ok()
}

/// Hears the secrets of a connection from rustls, as a log of keys would. Empty with TLS 1.2.
#[derive(Default)]
pub struct Secrets {
    ours: Mutex<Option<Secret>>,
    theirs: Mutex<Option<Secret>>,
}

impl Secrets {
    /// Those of what we send, and of what the peer sends: once.
    pub fn take(&self) -> [Option<Secret>; 2] {
        [&self.ours, &self.theirs].map(|place| place.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        let place = match label {
            "CLIENT_TRAFFIC_SECRET_0" => &self.ours,
            "SERVER_TRAFFIC_SECRET_0" => &self.theirs,
            _ => return,
        };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Secret::new(secret);
    }

    fn will_log(&self, _label: &str) -> bool {
        true
    }
}

/// Shows nothing.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}
