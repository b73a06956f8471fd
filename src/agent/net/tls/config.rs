//! What rustls is told, made anew for each connection, so that renewed certificates need no restart.

use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, KeyLog};

use crate::net::tls::fault::{self, Fault};
use crate::net::tls::keys::Secrets;
use crate::net::tls::verifier::Verifier;
use psistats_host::conf::find::contents;
use psistats_host::conf::tls::{Identity, Tls};
use psistats_host::output::Reason;

/// Most octets of a certificate's or key's file.
const LARGEST: usize = 64 * 1024;

/// What one connection is made with.
pub struct Config {
    pub(super) client: Arc<ClientConfig>,
    pub(super) secrets: Arc<Secrets>,
}

/// What rustls is told of `tls`. The board's own certificate and key are read now, CAs when the broker has sent its
/// certificate.
///
/// # Errors
/// What is wrong with the certificate or the key.
pub fn config(tls: &Tls) -> Result<Config, Fault> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Verifier::new(tls.ca.clone(), provider.signature_verification_algorithms));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| fault::of(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &tls.identity {
        Some(identity) => {
            let (certificates, key) = read(identity)?;
            let with_key = builder.with_client_auth_cert(certificates, key);
            with_key.map_err(|error| fault::of_identity(identity, &error))?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    // For the record layer.
    config.enable_secret_extraction = true;
    let secrets = Arc::new(Secrets::default());
    config.key_log = Arc::clone(&secrets) as Arc<dyn KeyLog>;
    Ok(Config { client: Arc::new(config), secrets })
}

fn read(
    Identity { cert, key }: &Identity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Fault> {
    let certificates =
        CertificateDer::pem_slice_iter(file("tls_cert", cert)?.as_ref()).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.ok().filter(|all| !all.is_empty());
    let certificates = certificates.ok_or_else(|| fault::no_pem("tls_cert", cert, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(file("tls_key", key)?.as_ref()).map_err(|error| match error {
        Error::NoItemsFound => fault::no_pem("tls_key", key, "private key that is not encrypted"),
        // The error may show a part of the key.
        _ => fault::no_pem("tls_key", key, "whole private key"),
    })?;
    Ok((certificates, key))
}

fn file(name: &str, path: &Path) -> Result<impl AsRef<[u8]>, Fault> {
    match contents(path, LARGEST) {
        Ok(Some((bytes, _))) => Ok(bytes),
        Ok(None) => Err(fault::unreadable(name, path, "that is no regular file")),
        Err(error) => Err(fault::unreadable(name, path, Reason(&error))),
    }
}
