//! In place of TLS, in a program without it: refuses what asks for it.

use std::path::PathBuf;

use crate::settings::server::{NAME, OfUrl, Server};
use psistats_host::conf::Reading;
use psistats_host::conf::values::boolean;

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {}

/// Why a program without TLS does not start where it is wanted.
const WITHOUT: &str =
    "psistats-tiny has no TLS: install the package psistats, which takes the same configuration";

/// Refuses `tls=yes`.
pub(super) fn is_wanted(r: &mut Reading<'_>) -> bool {
    let mut tls = false;
    r.set(NAME, "tls", &mut tls, boolean);
    if tls {
        let line = r.entry(NAME, "tls").map_or(0, |entry| entry.line);
        r.error(line, format_args!("[{NAME}] tls: {WITHOUT}"));
    }
    tls
}

/// Refuses amqps.
pub(super) fn read(r: &mut Reading<'_>, url: Option<&OfUrl>, _: &mut Server) {
    let Some(url) = url else { return };
    if url.tls {
        r.error(url.line, format_args!("[{NAME}] url: {WITHOUT}"));
    } else if !url.query.is_empty() {
        r.warn(url.line, format_args!("[{NAME}] url: what follows the ? has no effect"));
    }
}

/// None.
pub(super) fn files(tls: &mut Tls) -> [&mut PathBuf; 0] {
    match *tls {}
}

/// None.
pub(super) fn warnings(tls: &Tls) -> Vec<String> {
    match *tls {}
}
