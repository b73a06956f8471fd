//! Who the hub is to those who connect with TLS, and who they are by their certificates.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use log::{error, info, warn};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{AlertDescription, Error, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::settings::Tls;
use crate::tls::{certificates, provider};
use psistats_host::conf::find::READABLE_BY_ALL;

/// How often it is looked whether a file was changed.
const LOOK: Duration = Duration::from_secs(5);

/// From the connection to the end of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Certificate and key, which are taken over when their files change.
pub struct Server {
    files: Tls,
    config: RefCell<Arc<ServerConfig>>,
    stamps: Cell<u64>,
}

impl Server {
    /// Reads the files, and goes on doing so when they change, as a task of the current [`tokio::task::LocalSet`]. Where
    /// clients are to have certificates, they may come without one as well: they log in otherwise.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn start(files: Tls) -> io::Result<Rc<Self>> {
        let (stamps, config) = (stamps(&files), config(&files).map_err(io::Error::other)?);
        let server = Rc::new(Self { files, config: RefCell::new(config), stamps: Cell::new(stamps) });
        spawn_local({
            let server = server.clone();
            async move { server.watch().await }
        });
        Ok(server)
    }

    /// Takes over what is in the files now. After an error it is what it was.
    pub fn reload(&self) {
        self.stamps.set(stamps(&self.files));
        match config(&self.files) {
            Ok(config) => {
                self.config.replace(config);
                info!("{}: certificate and key were read again", self.files.cert.display());
            }
            Err(why) => error!("{why}; keeping the previous certificate"),
        }
    }

    /// Takes over files that change, without end.
    async fn watch(&self) {
        loop {
            time::sleep(LOOK).await;
            if stamps(&self.files) != self.stamps.get() {
                self.reload();
            }
        }
    }

    /// Does the handshake. New connections have the present files.
    ///
    /// # Errors
    /// Why it failed, for the log.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let acceptor = TlsAcceptor::from(self.config.borrow().clone());
        match time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(accepted) => accepted.map_err(|error| reason(&error)),
            Err(_) => Err("the TLS handshake timed out".into()),
        }
    }
}

/// What went wrong, and what to do at the client.
fn reason(error: &io::Error) -> String {
    use AlertDescription::{BadCertificate, CertificateUnknown, UnknownCA};
    let doubt =
        "the client does not trust this certificate: set tls_ca there, and host to a name that it is for";
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidMessage(_)) => {
            "the client does not speak TLS: set tls=yes there, or the port of amqp".into()
        }
        Some(Error::AlertReceived(UnknownCA | BadCertificate | CertificateUnknown)) => doubt.into(),
        Some(Error::InvalidCertificate(why)) => {
            format!(
                "the client's certificate is not taken: {why:?}; it has to be of an authority in tls_client_ca"
            )
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the client ended the connection during the TLS handshake".into()
        }
        _ => format!("TLS: {error}"),
    }
}

/// The names of the certificate that a client has shown, and whose key it has: the DNS names of its subjectAltName.
pub fn names(stream: &TlsStream<TcpStream>) -> Option<Vec<String>> {
    let (_, connection) = stream.get_ref();
    let certificate = webpki::EndEntityCert::try_from(connection.peer_certificates()?.first()?).ok()?;
    Some(certificate.valid_dns_names().map(str::to_owned).collect())
}

fn config(files: &Tls) -> Result<Arc<ServerConfig>, String> {
    let chain = certificates(&files.cert)?;
    let path = files.key.display();
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("{path}: expected a private key in PEM: {error}"))?;
    if fs::metadata(&files.key).is_ok_and(|found| found.mode() & READABLE_BY_ALL != 0) {
        warn!("everyone on this machine can read this private key: chmod 640 {path}");
    }
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities(file)?, provider());
            let verifier = verifier.allow_unauthenticated().build();
            builder
                .with_client_cert_verifier(verifier.map_err(|error| format!("{}: {error}", file.display()))?)
        }
    };
    let config = builder.with_single_cert(chain, key);
    let config = config.map_err(|error| format!("{} and {path}: {error}", files.cert.display()))?;
    Ok(Arc::new(config))
}

fn authorities(file: &Path) -> Result<Arc<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(Arc::new(roots))
}

/// What tells the files as they are from what they were.
fn stamps(files: &Tls) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut stamps = DefaultHasher::new();
    for file in [Some(&files.cert), Some(&files.key), files.client_ca.as_ref()].into_iter().flatten() {
        let found = fs::metadata(file).map(|of| (of.ino(), of.size(), of.mtime(), of.mtime_nsec()));
        found.ok().hash(&mut stamps);
    }
    stamps.finish()
}
