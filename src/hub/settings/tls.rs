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
    hub.tls = cert.zip(key).map(|(cert, key)| Tls { cert, key, client_ca });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use psistats_host::conf::ini;

    use super::*;

    fn load(keys: &str) -> Result<Hub, String> {
        let file = Path::new("f");
        let ini = ini::parse(format!("[hub]\n{keys}\n").as_bytes(), file).unwrap();
        let (mut reading, mut hub) = (Reading::new(&ini, file), Hub::default());
        read(&mut reading, &mut hub);
        reading.finish().map_err(|problems| problems.to_string()).map(|_| hub)
    }

    #[test]
    fn nothing_listens_with_tls_without_a_certificate_and_its_key() {
        let hub =
            load("amqps=*:5671\nhttps=127.0.0.1:443\ntls_cert=/c\ntls_key=/k\ntls_client_ca=/a").unwrap();
        assert_eq!((hub.amqps.map(|at| at.port), hub.https.map(|at| at.port)), (Some(5671), Some(443)));
        assert_eq!(hub.tls, Some(Tls { cert: "/c".into(), key: "/k".into(), client_ca: Some("/a".into()) }));
        for wrong in
            ["amqps=*:5671", "https=*:443", "tls_cert=/c", "tls_key=/k", "amqps=*:1\ntls_client_ca=/a"]
        {
            let problems = load(wrong).unwrap_err();
            assert!(problems.contains("expected tls_cert and tls_key, too"), "{wrong}: {problems}");
        }
    }
}
