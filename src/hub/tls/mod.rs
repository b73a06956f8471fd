//! TLS of the hub's listeners and of its own connections: rustls, with ring's cryptography.
//!
//! | where | what |
//! |---|---|
//! | [`client`] | whom the hub trusts, where it connects |
//! | [`server`] | who the hub is, where others connect, and who they are |
//! | [`pki`] | an authority of one's own, and the certificates that it signs |

pub mod client;
pub mod pki;
pub mod server;

use std::path::Path;
use std::sync::Arc;

pub use server::Server;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// All suites of ring.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates of a PEM file. At least one.
///
/// # Errors
/// What was expected there.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let expected = |why: String| format!("{}: expected certificates in PEM: {why}", file.display());
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(expected("there is none".into())),
        Ok(found) => Ok(found),
        Err(error) => Err(expected(error.to_string())),
    }
}
