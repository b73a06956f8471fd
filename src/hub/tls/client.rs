//! Whom the hub's own connections trust.

use std::path::Path;
use std::sync::Arc;

use rustls_native_certs::load_native_certs;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::tls::{certificates, provider};

/// A client that trusts the authorities in `ca`, or else the system's. They are read now: new ones count from the next
/// connection on.
///
/// # Errors
/// What is wrong with the file.
pub fn config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let found = match ca {
        Some(file) => certificates(file)?,
        None => load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    // A bundle may have one that webpki does not take; the others count.
    if roots.add_parsable_certificates(found).0 == 0 {
        let place =
            ca.map_or("the system: install ca-certificates, or set tls_ca".into(), Path::to_string_lossy);
        return Err(format!("no authority for certificates in {place}"));
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
