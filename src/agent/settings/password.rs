//! The password of `[server]`, which stands there, or in the file or credential that `pass` names.

use crate::settings::needs::PasswordNeed;
use crate::settings::server;
use psistats_host::conf::ini::trim;
use psistats_host::conf::obtain::{Unread, obtain};
use psistats_host::conf::secret::{Secret, is_doubtful};
use psistats_host::conf::{Reading, Severity};

/// Puts the password that `pass` is or names into `secret`, and notes what is wrong with it, as far as it is needed.
pub(super) fn resolve(r: &mut Reading<'_>, need: PasswordNeed, secret: &mut Secret) {
    const NAME: &str = server::NAME;
    let Some(entry) = r.ini.entry(NAME, "pass") else { return };
    let text = trim(&entry.value);
    match obtain(text) {
        Ok(obtained) => {
            *secret = obtained.secret;
            if let Some(file) = obtained.exposed.map(|file| file.display().to_string()) {
                let text = format_args!("everyone on this machine can read this password: chmod 640 {file}");
                r.warn(entry.line, text);
            }
        }
        Err(Unread::Elsewhere(_)) if need == PasswordNeed::Checked => {
            let text = format_args!(
                "[{NAME}] pass: a credential is for the service alone to read: not checked here"
            );
            r.tell(Severity::Note, entry.line, text);
        }
        Err(expected) => {
            let severity = if need == PasswordNeed::None { Severity::Warning } else { Severity::Error };
            r.tell(severity, entry.line, format_args!("[{NAME}] pass: expected {expected}"));
        }
    }
    if is_doubtful(text) {
        let text = format_args!(
            "[{NAME}] pass: is taken as it stands; only @file:PATH and @credential:NAME name a file"
        );
        r.warn(entry.line, text);
    }
}
