//! In place of TLS, in a program without it: refuses what asks for it.

use std::path::PathBuf;

use crate::settings::server::{NAME, OfUrl, Server};
use psistats_host::conf::Reading;
use psistats_host::conf::values::{boolean, only};

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {}

/// What is expected instead of TLS.
const WITHOUT: &str =
    "none, since psistats-tiny has no TLS: the package psistats has, and takes the same configuration";

/// Refuses `tls=yes`.
pub(super) fn is_wanted(r: &mut Reading<'_>) -> bool {
    r.set(NAME, "tls", &mut (), |text| only(!boolean(text)?, WITHOUT));
    false
}

/// Refuses amqps.
pub(super) fn read(r: &mut Reading<'_>, url: Option<&OfUrl>, _: &mut Server) {
    let (Some(url), Some(entry)) = (url, r.entry(NAME, "url")) else { return };
    if url.tls {
        r.wrong(NAME, entry, WITHOUT);
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
