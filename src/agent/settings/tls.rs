//! How `[server]` wants TLS.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::settings::server::{NAME, OfUrl, Server};
use psistats_host::conf::find::READABLE_BY_ALL;
use psistats_host::conf::hosts::host;
use psistats_host::conf::ini::Entry;
use psistats_host::conf::tls::Identity;
pub use psistats_host::conf::tls::Tls;
use psistats_host::conf::url::parameters;
use psistats_host::conf::values::{boolean, path};
use psistats_host::conf::{Expected, Reading, shown};
use psistats_host::output::Reason;

const VERIFIED: &str = "verify_peer: the broker's certificate is always verified; for one of your own CA set tls_ca to the file of this CA";

/// What the keys and a URL say.
#[derive(Default)]
struct Wanted {
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    server_name: Option<String>,
    external: bool,
}

/// Whether the keys, without a URL, want TLS.
pub(super) fn is_wanted(r: &mut Reading<'_>) -> bool {
    let mut tls = false;
    r.set(NAME, "tls", &mut tls, boolean);
    tls
}

/// Reads what [`is_wanted`] has not, and notes what is wrong with it. `url` is the one of the section.
pub(super) fn read(r: &mut Reading<'_>, url: Option<&OfUrl>, server: &mut Server) {
    let mut wanted = Wanted::default();
    let with_keys = keys(r, &mut wanted);
    let mut tls = is_wanted(r);
    if let Some(url) = url {
        if let Some(key) = r.entry(NAME, "tls").filter(|_| tls != url.tls) {
            let (scheme, line) = (if url.tls { "amqps" } else { "amqp" }, url.line);
            r.error(
                key.line,
                format_args!("[{NAME}] tls: url on line {line} says {scheme}: leave tls out, or change url"),
            );
        }
        tls = url.tls;
        from_url(r, url, &mut wanted);
    }
    if !tls && let Some(entry) = with_keys {
        let key = &entry.key;
        r.warn(
            entry.line,
            format_args!("[{NAME}] {key}: has no effect without tls=yes, or a url with amqps"),
        );
    }
    let Wanted { ca, cert, key, server_name, external } = wanted;
    let line = url.map(|url| url.line).or(r.section_line(NAME)).unwrap_or_default();
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some(Identity { cert, key }),
        (None, None) => None,
        _ => {
            r.error(line, format_args!("[{NAME}]: expected both tls_cert and tls_key, or neither"));
            None
        }
    };
    if external && (!tls || identity.is_none()) {
        let text =
            "auth_mechanism: EXTERNAL logs in by a certificate: expected tls=yes, tls_cert and tls_key";
        r.error(line, format_args!("[{NAME}] {text}"));
    }
    server.external = external;
    server.tls = tls.then_some(Tls { ca, identity, server_name });
}

/// Reads the keys. The first one that needs TLS.
fn keys<'a>(r: &mut Reading<'a>, wanted: &mut Wanted) -> Option<&'a Entry> {
    r.set(NAME, "tls_ca", &mut wanted.ca, |text| path(text).map(Some));
    r.set(NAME, "tls_cert", &mut wanted.cert, |text| path(text).map(Some));
    r.set(NAME, "tls_key", &mut wanted.key, |text| path(text).map(Some));
    r.set(NAME, "tls_server_name", &mut wanted.server_name, |text| server_name(text).map(Some));
    r.set(NAME, "auth_mechanism", &mut wanted.external, external);
    r.set(NAME, "insecure_skip_verify", &mut (), not_skipped);
    r.set(NAME, "verify", &mut (), verified);
    ["tls_ca", "tls_cert", "tls_key", "tls_server_name"].into_iter().find_map(|key| r.entry(NAME, key))
}

/// Reads the parameters of a URL, as RabbitMQ's clients call them: they count before keys.
fn from_url(r: &mut Reading<'_>, url: &OfUrl, wanted: &mut Wanted) {
    let given = parameters(&url.query).unwrap_or_else(|expected| {
        r.error(url.line, format_args!("[{NAME}] url: expected {expected}"));
        Vec::new()
    });
    for (name, value) in &given {
        let read = match name.as_str() {
            "auth_mechanism" => external(value).map(|external| wanted.external = external),
            "verify" => verified(value),
            "insecure_skip_verify" => not_skipped(value),
            "cacertfile" if url.tls => path(value).map(|path| wanted.ca = Some(path)),
            "certfile" if url.tls => path(value).map(|path| wanted.cert = Some(path)),
            "keyfile" if url.tls => path(value).map(|path| wanted.key = Some(path)),
            "server_name_indication" if url.tls => {
                server_name(value).map(|name| wanted.server_name = Some(name))
            }
            name => {
                r.warn(url.line, format_args!("[{NAME}] url: {} has no effect", shown(name)));
                Ok(())
            }
        };
        if let Err(expected) = read {
            r.error(url.line, format_args!("[{NAME}] url: {}: expected {expected}", shown(name)));
        }
    }
}

fn external(text: &str) -> Result<bool, Expected> {
    match text.to_ascii_uppercase().as_str() {
        "PLAIN" => Ok(false),
        "EXTERNAL" => Ok(true),
        _ => Err("PLAIN or EXTERNAL".into()),
    }
}

fn verified(text: &str) -> Result<(), Expected> {
    if text == "verify_peer" { Ok(()) } else { Err(VERIFIED.into()) }
}

fn not_skipped(text: &str) -> Result<(), Expected> {
    if boolean(text)? { Err(VERIFIED.into()) } else { Ok(()) }
}

/// A name or an address, without a port. "disable" is how RabbitMQ's clients leave the name out, and its check.
fn server_name(text: &str) -> Result<String, Expected> {
    let host = host(text, 0).ok().filter(|host| host.port == 0 && text != "disable");
    host.map(|host| host.name).ok_or("the name or the address that is in the broker's certificate".into())
}

/// The files that it names.
pub(super) fn files(Tls { ca, identity, .. }: &mut Tls) -> impl Iterator<Item = &mut PathBuf> {
    let identity = identity.iter_mut().flat_map(|Identity { cert, key }| [cert, key]);
    ca.iter_mut().chain(identity)
}

/// What an operator should know of the files, which are opened at each connection only.
pub(super) fn warnings(tls: &Tls) -> Vec<String> {
    let Tls { ca, identity, .. } = tls;
    let (cert, key) = identity.as_ref().map(|Identity { cert, key }| (cert, key)).unzip();
    let files = [("tls_ca", ca.as_ref()), ("tls_cert", cert), ("tls_key", key)];
    let with_files = files.into_iter().filter_map(|(name, file)| Some((name, file?)));
    with_files.filter_map(|(name, file)| warning(name, file)).collect()
}

fn warning(name: &str, file: &Path) -> Option<String> {
    let shown = file.display();
    match fs::metadata(file) {
        Ok(found) if name == "tls_key" && found.permissions().mode() & READABLE_BY_ALL != 0 => {
            Some(format!("[{NAME}] {name}: everyone on this machine can read this key: chmod 640 {shown}"))
        }
        Ok(_) => None,
        Err(error) => Some(format!(
            "[{NAME}] {name}: {shown} cannot be opened: {}; it is tried again at each connection",
            Reason(&error),
        )),
    }
}
