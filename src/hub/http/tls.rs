//! TLS to a server, whose certificate is always checked: against the system's authorities, or against those of a file.

use std::io;
use std::path::PathBuf;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, Error};

use super::Failure;
use crate::tls::client::config;
use psistats_host::output::Reason;

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
        let connector = TlsConnector::from(config(self.file.as_deref()).map_err(Failure::Authorities)?);
        connector.connect(name, stream).await.map_err(|error| self.failure(host, &error))
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
