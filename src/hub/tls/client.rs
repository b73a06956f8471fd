//! Whom the hub's own connections trust.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::tls::{certificates, provider};

/// The bundle of Debian's package ca-certificates, which most systems have in the same place.
pub const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A client that trusts the authorities in `ca`, or else in [`SYSTEM`]. The file is read now: a new one counts from the
/// next connection on.
///
/// # Errors
/// What is wrong with the file.
pub fn config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let file = ca.unwrap_or(Path::new(SYSTEM));
    let mut roots = RootCertStore::empty();
    // A bundle may have one that webpki does not take; the others count.
    let (taken, _) = roots.add_parsable_certificates(certificates(file)?);
    if taken == 0 {
        return Err(format!("{}: expected certificates of authorities: none can be used", file.display()));
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
