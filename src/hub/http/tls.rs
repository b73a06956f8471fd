//! TLS to a server, whose certificate is always checked: against the system's authorities, or against those of a file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Failure;
use psistats_host::output::Reason;

/// The system's authorities are some 140, which are read once.
static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();

/// Whom a server's certificate has to be signed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// `tls_ca`: a file of certificates in PEM; None: the system's.
    file: Option<PathBuf>,
}

impl From<PathBuf> for Trust {
    fn from(file: PathBuf) -> Self {
        Self { file: Some(file) }
    }
}

impl Trust {
    /// Does the handshake over a connection to the server of that name.
    ///
    /// # Errors
    /// The certificate is not to be trusted, or the server speaks no TLS.
    pub(super) async fn wrap(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| Failure::Untrusted(format!("{host}: no certificate has such a name")))?;
        let connector = TlsConnector::from(self.config()?);
        connector.connect(name, stream).await.map_err(|error| self.failure(host, &error))
    }

    fn config(&self) -> Result<Arc<ClientConfig>, Failure> {
        let Some(file) = &self.file else {
            if let Some(config) = SYSTEM.get() {
                return Ok(config.clone());
            }
            let config = config_of(load_native_certs(), Path::new("the system"))?;
            return Ok(SYSTEM.get_or_init(|| config).clone());
        };
        // Read again for each connection: it may have been renewed.
        config_of(load_certs_from_paths(Some(file), None), file)
    }

    /// What happened in a handshake, and what to do.
    fn failure(&self, host: &str, error: &io::Error) -> Failure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let Some(Error::InvalidCertificate(why)) = inner else {
            return Failure::Untrusted(format!(
                "TLS: {}: is it https:// that is spoken there?",
                Reason(error)
            ));
        };
        let advice = match why {
            CertificateError::UnknownIssuer => match &self.file {
                Some(file) => format!("it is not signed by an authority in {}", file.display()),
                None => "its authority is not one of this system's: name its file in tls_ca".to_owned(),
            },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("it is not for {host}: the URL has to have a name that it is for")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired, or the clock here is wrong".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet, or the clock here is wrong".to_owned()
            }
            // A certificate that openssl req -x509 makes is an authority's, unless it is told otherwise.
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "it is an authority's own: sign one for the server with it".to_owned()
            }
            why => why.to_string(),
        };
        Failure::Untrusted(format!("the certificate of {host} is not trusted: {advice}"))
    }
}

fn config_of(found: CertificateResult, place: &Path) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        let text = format!("no authority for certificates in {}{why}", place.display());
        return Err(Failure::Authorities(text));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Failure::Authorities(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
