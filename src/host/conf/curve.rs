//! The keys of CURVE in `[chasar]`: `curve_server_key`, `curve_key` and `curve_clients`.
//!
//! Public keys are 40 characters of Z85. A secret one is never in the configuration itself, which more people read than
//! it is meant for.

use std::collections::BTreeSet;
use std::path::Path;

use psistats_core::zmtp::{PublicKey, SecretKey};

use crate::conf::chasar::NAME;
use crate::conf::find::contents;
use crate::conf::ini::{Entry, trim};
use crate::conf::obtain::{Unread, obtain};
use crate::conf::secret::is_elsewhere;
use crate::conf::{Expected, Reading, Severity};

/// The keys. Without any, messages go in clear.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Keys {
    /// `curve_server_key`: the master node's, to a client node.
    pub server: Option<PublicKey>,
    /// `curve_key`: one's own.
    pub own: Option<SecretKey>,
    /// `curve_clients`: whom a master node takes; none: everyone who knows its public key.
    pub clients: Option<BTreeSet<PublicKey>>,
}

impl Keys {
    /// Whether a client node has the key of its master node, and so encrypts.
    pub const fn has_server(&self) -> bool {
        self.server.is_some()
    }
}

/// Whose keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A client node's, which speaks to one master node.
    ClientNode,
    /// A master node's.
    MasterNode,
}

/// How far they are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It connects by them.
    Required,
    /// It reports what is wrong with them, but is given no credential, which the service alone has.
    Checked,
    /// It can do without: no file is opened.
    None,
}

/// Bytes of the file of clients: some ten thousand keys.
const CLIENTS: usize = 1024 * 1024;

/// Reads the keys of that role.
pub fn read(r: &mut Reading<'_>, keys: &mut Keys, role: Role, need: Need) {
    r.set(NAME, "curve_server_key", &mut keys.server, |text| public_key(text).map(Some));
    let own = r.entry(NAME, "curve_key");
    let clients = r.entry(NAME, "curve_clients");
    if need == Need::None {
        return;
    }
    if let Some(entry) = own {
        keys.own = own_key(r, entry, need);
    }
    match (role, own, clients) {
        (Role::ClientNode, Some(own), _) if r.entry(NAME, "curve_server_key").is_none() => r.error(
            own.line,
            format_args!(
                "[{NAME}] curve_key: expected curve_server_key, too: messages would go to the master node in clear"
            ),
        ),
        (Role::MasterNode, own, Some(entry)) => {
            if own.is_none() {
                let text = "expected curve_key, too: without it everyone may connect, in clear";
                r.error(entry.line, format_args!("[{NAME}] curve_clients: {text}"));
            }
            match clients_in(Path::new(trim(&entry.value))) {
                Ok(clients) => keys.clients = Some(clients),
                Err(expected) => r.wrong(NAME, entry, &expected),
            }
        }
        _ => {}
    }
}

fn public_key(text: &str) -> Result<PublicKey, Expected> {
    text.parse().map_err(|expected| format!("{expected}, as psistats-hub curve keygen prints it").into())
}

/// The secret key in the file or credential that `entry` names. None where there is none, which is told.
fn own_key(r: &mut Reading<'_>, entry: &Entry, need: Need) -> Option<SecretKey> {
    let text = trim(&entry.value);
    if !is_elsewhere(text) {
        r.wrong(
            NAME,
            entry,
            "@file:PATH or @credential:NAME: the file that psistats-hub curve keygen --to has made",
        );
        return None;
    }
    match obtain(text) {
        Ok(obtained) => {
            if let Some(file) = obtained.exposed.map(|file| file.display().to_string()) {
                let text = format_args!("everyone on this machine can read this key: chmod 600 {file}");
                r.warn(entry.line, text);
            }
            let key = obtained.secret.reveal().parse();
            key.inspect_err(|expected| r.wrong(NAME, entry, &format!("{expected}, in the file"))).ok()
        }
        Err(Unread::Elsewhere(_)) if need == Need::Checked => {
            let text = "a credential is for the service alone to read: not checked here";
            r.tell(Severity::Note, entry.line, format_args!("[{NAME}] curve_key: {text}"));
            None
        }
        Err(expected) => {
            r.wrong(NAME, entry, &expected.to_string());
            None
        }
    }
}

/// The keys in a file, one a line; what follows one after a blank is the operator's.
fn clients_in(path: &Path) -> Result<BTreeSet<PublicKey>, Expected> {
    let expected = |found: &str| format!("a file with a public key a line; {}: {found}", path.display());
    if !path.is_absolute() {
        return Err("the absolute path of a file with a public key a line".into());
    }
    let found = contents(path, CLIENTS + 1).map_err(|error| expected(&error.to_string()))?;
    let (bytes, _) = found.ok_or_else(|| expected("that is no regular file"))?;
    if bytes.len() > CLIENTS {
        return Err(expected("that is longer than 1 MiB").into());
    }
    let mut clients = BTreeSet::new();
    for (line, number) in String::from_utf8_lossy(&bytes).lines().zip(1_usize..) {
        match line.split_whitespace().next() {
            // Keys have a # in them, but none is that alone.
            None | Some("#") => {}
            Some(word) => {
                let key = word.parse().map_err(|_| expected(&format!("line {number} has none")))?;
                clients.insert(key);
            }
        }
    }
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::conf::ini;

    const KEY: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

    /// The keys of a section, and what is told of them.
    fn read_text(text: &str, role: Role, need: Need) -> (Keys, Vec<(Severity, String)>) {
        let ini =
            ini::parse_sections(format!("[chasar]\n{text}").as_bytes(), Path::new("f"), &|_| true).unwrap();
        let (mut reading, mut keys) = (Reading::new(&ini, Path::new("f")), Keys::default());
        read(&mut reading, &mut keys, role, need);
        let told = reading.finish().unwrap_or_else(|problems| problems.0);
        (keys, told.into_iter().map(|problem| (problem.severity, problem.text)).collect())
    }

    #[test]
    fn a_client_node_with_a_key_of_its_own_needs_its_master_nodes_as_nothing_may_go_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        fs::write(&file, "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n").unwrap();
        let own = format!("curve_key=@file:{}\n", file.display());
        let (_, told) = read_text(&own, Role::ClientNode, Need::Required);
        assert!(
            told.iter().any(|(severity, text)| *severity == Severity::Error && text.contains("in clear")),
            "{told:?}"
        );
        let (keys, _) = read_text(&format!("{own}curve_server_key={KEY}"), Role::ClientNode, Need::Required);
        // The pair of the manual page zmq_curve(7).
        assert_eq!((keys.own.unwrap().public(), keys.server), (KEY.parse().unwrap(), KEY.parse().ok()));
        let (keys, told) = read_text(&own, Role::MasterNode, Need::Required);
        assert!(
            keys.own.is_some() && told.iter().all(|(severity, _)| *severity != Severity::Error),
            "{told:?}"
        );
    }

    #[test]
    fn what_is_not_needed_is_not_opened_and_a_credential_is_checked_by_the_service_alone() {
        for (text, need, severity) in [
            ("curve_key=@file:/nowhere/key", Need::None, None),
            ("curve_key=@file:/nowhere/key", Need::Checked, Some(Severity::Error)),
            ("curve_key=@credential:key", Need::Checked, Some(Severity::Note)),
            ("curve_key=@credential:key", Need::Required, Some(Severity::Error)),
        ] {
            let (keys, told) = read_text(text, Role::MasterNode, need);
            assert_eq!(
                (keys, told.first().map(|(severity, _)| *severity)),
                (Keys::default(), severity),
                "{text}"
            );
        }
    }
}
