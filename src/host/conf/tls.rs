//! How a connection is made over TLS.

use std::path::PathBuf;

/// How a connection is made over TLS.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tls {
    /// `tls_ca`: a file of CA certificates; none: the system's.
    pub ca: Option<PathBuf>,
    /// `tls_cert` and `tls_key`: who we are.
    pub identity: Option<Identity>,
    /// `tls_server_name`: the name that the certificate of the other end has to be for; none: the host's.
    pub server_name: Option<String>,
}

/// A certificate, and the key of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `tls_cert`: the certificate, and behind it those of intermediate CAs.
    pub cert: PathBuf,
    /// `tls_key`: its private key.
    pub key: PathBuf,
}
