//! What can be wrong with a TLS connection, and what to do about it.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InconsistentKeys, OtherError, PeerIncompatible};

use crate::net::attempts::ConnectionError;
use crate::net::tls::verifier::Untrusted;
use psistats_core::link::Retry;
use psistats_host::conf::tls::Identity;
use psistats_host::output::localtime::{Zone, unix_seconds};

/// Why there is no connection, or none any more.
#[derive(Debug)]
pub struct Fault {
    /// What is wrong, and what to do about it.
    pub text: String,
    /// How soon another attempt makes sense.
    pub retry: Retry,
}

impl From<Fault> for ConnectionError {
    fn from(Fault { text, retry }: Fault) -> Self {
        Self::Protocol { text, retry }
    }
}

fn soon(text: impl Into<String>) -> Fault {
    Fault { text: text.into(), retry: Retry::Soon }
}

fn slow(text: impl Into<String>) -> Fault {
    Fault { text: text.into(), retry: Retry::Slow }
}

/// An error of rustls.
pub fn of(error: &Error) -> Fault {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => self::alert(*alert),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => slow(OLD),
        Error::PeerIncompatible(_) => slow(NOTHING_IN_COMMON),
        Error::FailedToGetRandomBytes => soon("the kernel has no random numbers yet"),
        error => soon(format!("TLS failed: {error}")),
    }
}

const OLD: &str = "the broker has neither TLS 1.2 nor 1.3: enable them there (ssl_options.versions)";
const NOTHING_IN_COMMON: &str = "the broker and this program have no TLS version and cipher in common: expected TLS 1.2 or 1.3 with AES-GCM or \
     ChaCha20-Poly1305, and ECDHE";

fn of_certificate(error: &CertificateError) -> Fault {
    match error {
        // A board without a clock says 1970, or when it was last switched off, until the network has told.
        CertificateError::NotValidYetContext { time, not_before } => soon(format!(
            "the broker's certificate is valid from {} on, and the clock here says {}: it is tried again until the \
             clock is right (timedatectl)",
            minute(*not_before),
            day(*time),
        )),
        CertificateError::ExpiredContext { time, not_after } => slow(format!(
            "the broker's certificate, or that of its CA, has expired on {} (the clock here says {}): renew it",
            minute(*not_after),
            day(*time),
        )),
        CertificateError::BadSignature => slow(
            "the broker's certificate is not signed by the CA that it names, or the broker does not have its key: is \
             the CA in the file another one of the same name?",
        ),
        CertificateError::InvalidPurposeContext { .. } => slow(
            "the broker's certificate is not for servers: its extendedKeyUsage has to have serverAuth, or be missing",
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => slow(
            "the broker's certificate has a signature that is not taken: expected ECDSA P-256, P-384 or P-521, \
             Ed25519, or RSA of 2048 bits and more, with SHA-256 or better",
        ),
        CertificateError::BadEncoding => {
            slow("the broker's certificate cannot be read: it is no X.509, version 3")
        }
        CertificateError::Other(OtherError(error)) => match error.downcast_ref::<Untrusted>() {
            Some(untrusted) => slow(untrusted.to_string()),
            None => slow(by_path(error.downcast_ref())),
        },
        error => slow(format!("the broker's certificate is not trusted: {error}")),
    }
}

/// What rustls has no words for.
fn by_path(error: Option<&webpki::Error>) -> String {
    match error {
        Some(webpki::Error::EndEntityUsedAsCa) => {
            "the broker's certificate is issued by one that is no CA's (basicConstraints has no CA:TRUE): have a CA \
             issue it"
        }
        Some(webpki::Error::CaUsedAsEndEntity) => {
            "the broker's certificate is a CA's own (basicConstraints has CA:TRUE): have this CA issue another for the \
             broker, with CA:FALSE"
        }
        Some(error) => return format!("the broker's certificate is not trusted: {error}"),
        None => "the broker's certificate is not trusted",
    }
    .to_owned()
}

/// What the broker has told.
pub fn alert(alert: AlertDescription) -> Fault {
    match alert {
        AlertDescription::CertificateRequired => slow(
            "the broker wants a certificate of ours: set [server] tls_cert and tls_key, of a CA that the broker trusts",
        ),
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => slow(format!(
            "the broker does not accept our certificate (alert {}): check [server] tls_cert, and that the broker has \
             its CA (ssl_options.cacertfile)",
            named(alert),
        )),
        AlertDescription::ProtocolVersion => slow(OLD),
        AlertDescription::HandshakeFailure => slow(format!(
            "{NOTHING_IN_COMMON}; or the broker wants a certificate of ours: set [server] tls_cert and tls_key (alert \
             {})",
            named(alert),
        )),
        AlertDescription::UnrecognisedName => slow(
            "the broker does not know the name that we call it by: set [server] tls_server_name to one that it has",
        ),
        alert => soon(format!("the broker has ended TLS: alert {}", named(alert))),
    }
}

/// As RFC 8446 §6 numbers it, and rustls calls it.
fn named(alert: AlertDescription) -> String {
    format!("{} {}", u8::from(alert), alert.as_str().unwrap_or("unknown"))
}

/// The peer has broken the protocol; we have told it so.
pub fn violation(alert: AlertDescription) -> Fault {
    match alert {
        AlertDescription::BadRecordMac => {
            soon("what the broker sent was changed on the way (TLS: bad record MAC)")
        }
        alert => soon(format!("the broker broke TLS: {}", named(alert))),
    }
}

/// No more records may be sealed by a key of TLS 1.2.
pub fn used_up(limit: u64) -> Fault {
    soon(format!(
        "the TLS key is used up after {limit} records; TLS 1.3 on the broker changes keys without this"
    ))
}

/// A record could not be sealed.
pub fn unsealed() -> Fault {
    soon("TLS cannot seal another record")
}

/// The transport has ended within the handshake.
pub fn cut_off() -> Fault {
    soon("the connection ended within the TLS handshake")
}

/// No answer, or no further one.
pub fn silent(seconds: u64) -> Fault {
    soon(format!(
        "no answer to the TLS handshake within {seconds} s: is the broker overloaded, or a port without TLS?"
    ))
}

/// Data instead of a handshake.
pub fn too_early() -> Fault {
    soon("the broker sends data before the TLS handshake is over")
}

/// A peer that does not speak TLS, by its first octets.
pub fn not_tls(octets: &[u8]) -> Fault {
    match octets {
        [] => soon("the connection ended at the begin of TLS; is this the port of AMQP with TLS (5671)?"),
        [b'A', b'M', b'Q', b'P', ..] => slow(
            "this port speaks AMQP without TLS: set [server] port to that with TLS (5671), or tls=no where the way is \
             safe",
        ),
        [b'H', b'T', b'T', b'P', ..] => {
            slow("this port speaks HTTP; the port of AMQP with TLS is usually 5671")
        }
        _ => slow("this port does not speak TLS; the port of AMQP with TLS is usually 5671"),
    }
}

/// Certificates for which there is no room.
pub fn too_long(whose: &str) -> Fault {
    slow(format!("{whose} too long: expected at most 16 KB from the broker, and 8 KB from here"))
}

/// A host's name that cannot be in a certificate.
pub fn unnameable(name: &str) -> Fault {
    slow(format!(
        "no certificate can be for \"{name}\": set [server] tls_server_name to the name in the broker's certificate"
    ))
}

/// A file of the board's own identity.
pub fn unreadable(key: &str, path: &Path, why: impl Display) -> Fault {
    slow(format!("[server] {key}: {} cannot be read: {why}", path.display()))
}

/// A file that has not what it should have.
pub fn no_pem(key: &str, path: &Path, what: &str) -> Fault {
    slow(format!("[server] {key}: expected a {what} in PEM in {}", path.display()))
}

/// A certificate and a key that rustls does not take.
pub fn of_identity(Identity { cert, key }: &Identity, error: &Error) -> Fault {
    let (cert, key) = (cert.display(), key.display());
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => slow(format!(
            "[server] tls_key: {key} is not the key of the certificate in {cert}: were both renewed together?"
        )),
        error => slow(format!("[server] tls_cert, tls_key: {cert} and {key} cannot be used: {error}")),
    }
}

/// Universal time. Not to the minute where it goes on: another text would be another line in the log.
fn day(time: UnixTime) -> String {
    let at = utc(time);
    format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.month_day())
}

fn minute(time: UnixTime) -> String {
    let at = utc(time);
    format!("{} {:02}:{:02} UTC", day(time), at.hour(), at.minute())
}

fn utc(time: UnixTime) -> tz::DateTime {
    Zone::utc().at(unix_seconds(Duration::from_secs(time.as_secs())))
}
