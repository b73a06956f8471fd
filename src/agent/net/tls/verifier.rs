//! Whether a broker's certificate is to be trusted.

use std::error::Error as StdError;
use std::fmt;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, anchor_from_trusted_cert};

use psistats_host::conf::find::regular;
use psistats_host::output::Reason;

/// Where systems keep the CAs that they trust: Debian and most others, Fedora, Alpine and BSDs.
const BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Trusts what the CAs of a file have issued. The file is read when there is a certificate to judge, and of it only
/// what concerns that: a system's 145 CAs would take 156 KB as long as the connection lasts.
#[derive(Debug)]
pub struct Verifier {
    /// None: the system's.
    ca: Option<PathBuf>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// Trusts the CAs of the file `ca`, or the system's.
    pub fn new(ca: Option<PathBuf>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { ca, algorithms }
    }

    fn bundle(&self) -> &Path {
        let existing = || BUNDLES.into_iter().map(Path::new).find(|file| file.exists());
        self.ca.as_deref().or_else(existing).unwrap_or(Path::new(BUNDLES[0]))
    }

    /// Those CAs of the file that may have issued one of the certificates.
    fn roots(&self, chain: &[&CertificateDer<'_>]) -> Result<RootCertStore, Error> {
        let file = match regular(self.bundle()) {
            Ok(Some((file, _))) => file,
            Ok(None) => return Err(self.unreadable("that is no regular file")),
            Err(error) => return Err(self.unreadable(Reason(&error))),
        };
        let mut is_empty = true;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
            let certificate = certificate.map_err(|_| self.unreadable("what is in it is no PEM"))?;
            is_empty = false;
            // What cannot be a CA cannot have issued anything.
            let Ok(anchor) = anchor_from_trusted_cert(&certificate) else { continue };
            if chain.iter().any(|issued| is_issuer(anchor.subject.as_ref(), issued)) {
                roots.roots.push(anchor.to_owned());
            }
        }
        if is_empty {
            return Err(self.unreadable("there is no certificate in it"));
        }
        Ok(roots)
    }

    fn unreadable(&self, why: impl fmt::Display) -> Error {
        let advice = match &self.ca {
            Some(_) => "check [server] tls_ca",
            None => "install the package ca-certificates, or set [server] tls_ca to the file of your own CA",
        };
        Untrusted(format!("the CAs cannot be read from {}: {why}; {advice}", self.bundle().display())).into()
    }

    /// What there is to do about a certificate of which no CA is known.
    fn unknown_issuer(&self, end_entity: &CertificateDer<'_>, intermediates: usize) -> Error {
        let bundle = self.bundle().display();
        let issues_itself = EndEntityCert::try_from(end_entity).is_ok_and(|c| c.issuer() == c.subject());
        let text = match (issues_itself, intermediates) {
            (true, _) => format!(
                "the broker's certificate is issued by itself, and not in {bundle}: set [server] tls_ca to a file that \
                 has it, or to that of the CA which should have issued it"
            ),
            (false, 0) => format!(
                "the CA that has issued the broker's certificate is not in {bundle}: set [server] tls_ca to the file \
                 of this CA; where it is an intermediate one, have the broker send its certificate, too \
                 (ssl_options.certfile, behind the broker's own)"
            ),
            (false, _) => format!(
                "no CA of the chain that the broker sends is in {bundle}: set [server] tls_ca to the file of its CA"
            ),
        };
        Untrusted(text).into()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
        let roots = self.roots(&chain)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &roots,
            intermediates,
            now,
            self.algorithms.all,
        )
        .map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                self.unknown_issuer(end_entity, intermediates.len())
            }
            error => error,
        })?;
        verify_server_name(&certificate, server_name).map_err(|_| other_name(end_entity, server_name))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What there is to do about a certificate that is not for this name.
fn other_name(end_entity: &CertificateDer<'_>, expected: &ServerName<'_>) -> Error {
    let certificate = EndEntityCert::try_from(end_entity);
    let names: Vec<&str> = certificate.iter().flat_map(|certificate| certificate.valid_dns_names()).collect();
    let names = match names.as_slice() {
        [] => "it has no DNS name as subjectAltName".to_owned(),
        names => format!("its names are {}", names.join(", ")),
    };
    let expected = expected.to_str();
    Untrusted(format!(
        "the broker's certificate is not for {expected} ({names}): connect to a name that it is for, set [server] \
         tls_server_name to one, or have {expected} added to it as subjectAltName"
    ))
    .into()
}

/// Whether a CA of this name has issued the certificate, by what the certificate says.
fn is_issuer(subject: &[u8], issued: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(issued).is_ok_and(|certificate| certificate.issuer() == subject)
}

/// Why a certificate is not trusted, where rustls has no error of its own for that.
#[derive(Debug)]
pub struct Untrusted(String);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Untrusted {}

impl From<Untrusted> for Error {
    fn from(untrusted: Untrusted) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(untrusted))))
    }
}
