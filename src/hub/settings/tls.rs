//! Of `[hub]`: where the hub listens with TLS, and with which files.

use std::path::PathBuf;

use super::addresses::addresses_or_none;
use super::{Hub, NAME};
use psistats_host::conf::Reading;
use psistats_host::conf::values::path;

/// The files. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `tls_cert`: the hub's certificate, and behind it those of intermediate authorities.
    pub cert: PathBuf,
    /// `tls_key`: its private key.
    pub key: PathBuf,
    /// `tls_client_ca`: the authorities of the certificates of boards; None: these have none.
    pub client_ca: Option<PathBuf>,
}

/// Reads the keys.
pub(super) fn read(r: &mut Reading<'_>, hub: &mut Hub) {
    let [mut cert, mut key, mut client_ca] = [None, None, None];
    r.set(NAME, "https", &mut hub.https, addresses_or_none);
    r.set(NAME, "amqps", &mut hub.amqps, addresses_or_none);
    r.set(NAME, "tls_cert", &mut cert, |text| path(text).map(Some));
    r.set(NAME, "tls_key", &mut key, |text| path(text).map(Some));
    r.set(NAME, "tls_client_ca", &mut client_ca, |text| path(text).map(Some));
    for name in ["https", "amqps", "tls_cert", "tls_key", "tls_client_ca"] {
        let is_missing = match name {
            "https" => hub.https.is_some() && cert.is_none(),
            "amqps" => hub.amqps.is_some() && cert.is_none(),
            "tls_cert" | "tls_client_ca" => key.is_none(),
            _ => cert.is_none(),
        };
        if let Some(entry) = r.entry(NAME, name).filter(|_| is_missing) {
            r.error(entry.line, format_args!("[{NAME}] {name}: expected tls_cert and tls_key, too"));
        }
    }
    if let Some(entry) = r.entry(NAME, "tls_client_ca").filter(|_| hub.amqps.is_none()) {
        r.error(
            entry.line,
            format_args!("[{NAME}] tls_client_ca: expected amqps, where boards show certificates"),
        );
    }
    hub.tls = cert.zip(key).map(|(cert, key)| Tls { cert, key, client_ca });
}
