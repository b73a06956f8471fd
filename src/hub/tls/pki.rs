//! A private authority in the hub's data folder: it signs the hub's certificate, and those of boards.
//!
//! ```text
//! DATA/pki/ca.pem     ca.key       the authority; the key is for whoever made it
//! DATA/pki/hub.pem    hub.key      the hub
//! DATA/pki/boards/NAME.pem    NAME.key
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::DnsName;

use crate::clock::unix_ms;
use crate::tls::certificates;

/// How long certificates are valid.
const YEARS_OF_AUTHORITY: u64 = 20;
const YEARS: u64 = 10;
const YEAR: Duration = Duration::from_secs(31_557_600);

/// The authority's folder.
#[derive(Debug)]
pub struct Pki {
    data: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, in PEM.
    pub cert: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl Pki {
    /// That of a data folder.
    pub const fn of(data: PathBuf) -> Self {
        Self { data }
    }

    fn folder(&self) -> PathBuf {
        self.data.join("pki")
    }

    /// The authority.
    pub fn ca(&self) -> Pair {
        pair(&self.folder(), "ca")
    }

    /// Makes the authority, unless there is one, and a certificate for the hub, which boards call by these names or
    /// addresses.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn init(&self, names: &[String]) -> Result<Pair, String> {
        let ca = self.ca();
        if !ca.key.exists() {
            let key = KeyPair::generate().map_err(failed)?;
            let cert = authority(&key).self_signed(&key).map_err(failed)?;
            self.write(&ca.key, &key.serialize_pem(), false)?;
            self.write(&ca.cert, &cert.pem(), true)?;
        }
        self.sign(pair(&self.folder(), "hub"), names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// As what boards call the hub: the first host name of its certificate. None where it has none.
    pub fn hub_name(&self) -> Option<String> {
        let found = certificates(&pair(&self.folder(), "hub").cert).ok()?;
        let certificate = webpki::EndEntityCert::try_from(found.first()?).ok()?;
        certificate.valid_dns_names().next().map(str::to_owned)
    }

    /// Makes a certificate for the board of that host name: another one, where there is one.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn board(&self, name: &str) -> Result<Pair, String> {
        if DnsName::try_from(name).is_err() {
            return Err(format!(
                "expected the host name of a board, as hostname prints it there, got {name:?}"
            ));
        }
        let pair = pair(&self.folder().join("boards"), name);
        self.sign(pair, &[name.to_owned()], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, pair: Pair, names: &[String], purpose: ExtendedKeyUsagePurpose) -> Result<Pair, String> {
        let file = self.ca().key;
        let text = fs::read_to_string(&file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("there is no {}: psistats-hub pki init makes it", file.display())
            }
            _ => format!("{}: {error}", file.display()),
        })?;
        let ca = KeyPair::from_pem(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::new(names).map_err(failed)?;
        begin(&mut params, names.first().map_or("", |name| name), YEARS);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &Issuer::new(authority(&ca), ca)).map_err(failed)?;
        self.write(&pair.key, &key.serialize_pem(), true)?;
        self.write(&pair.cert, &cert.pem(), true)?;
        Ok(pair)
    }

    /// A whole file in place of another, for its owner alone: for the service's user, where root makes it for the
    /// service.
    fn write(&self, file: &Path, text: &str, is_for_service: bool) -> Result<(), String> {
        let write = || {
            let folder = file.parent().unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let owner = fs::metadata(&self.data)?;
            let own = |file: &fs::File| {
                let is_ours = file.metadata()?.uid() == owner.uid();
                if is_ours { Ok(()) } else { fchown(file, Some(owner.uid()), Some(owner.gid())) }
            };
            own(&fs::File::open(self.folder())?)?;
            own(&fs::File::open(folder)?)?;
            let new = file.with_extension("new");
            // One that was left behind.
            let _ = fs::remove_file(&new);
            let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            if is_for_service {
                own(&opened)?;
            }
            opened.write_all(text.as_bytes())?;
            opened.sync_all()?;
            fs::rename(&new, file)
        };
        write().map_err(|error| format!("{}: {error}", file.display()))
    }
}

fn pair(folder: &Path, name: &str) -> Pair {
    Pair { cert: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
}

fn failed(error: rcgen::Error) -> String {
    format!("cannot make a certificate: {error}")
}

/// The same each time, since what it signs names it; and another name for another key, by which they are told apart.
fn authority(key: &KeyPair) -> CertificateParams {
    let mut params = CertificateParams::default();
    // The first octet of a point is always the same.
    let digits: String =
        key.public_key_raw().iter().skip(1).take(4).map(|octet| format!("{octet:02x}")).collect();
    begin(&mut params, &format!("psistats-hub {digits}"), YEARS_OF_AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn begin(params: &mut CertificateParams, name: &str, years: u64) {
    params.distinguished_name.push(DnType::CommonName, name);
    let now = Duration::from_millis(unix_ms().unsigned_abs());
    params.not_after = date_time_ymd(1970, 1, 1) + now + YEAR * u32::try_from(years).unwrap_or(1);
    // A board without a clock is at the time of its system's build after its start, which is later than that.
    params.not_before = date_time_ymd(2000, 1, 1);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_for_their_owner_alone_and_the_authority_stays() {
        let data = tempfile::tempdir().unwrap();
        let pki = Pki::of(data.path().to_owned());
        assert!(pki.board("pi-4").unwrap_err().contains("pki init makes it"));
        let hub = pki.init(&["hub.example".into(), "192.0.2.1".into()]).unwrap();
        let ca = fs::read_to_string(pki.ca().key).unwrap();
        pki.init(&["hub.example".into()]).unwrap();
        assert_eq!(fs::read_to_string(pki.ca().key).unwrap(), ca);
        let board = pki.board("pi-4").unwrap();
        for file in [&pki.ca().key, &hub.key, &board.key, &board.cert] {
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
        for wrong in ["", "..", "a/b", "a b", "büro", "-"] {
            assert!(pki.board(wrong).is_err(), "{wrong}");
        }
    }
}
