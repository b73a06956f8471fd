//! What each command reads of a file, and what cannot stop it.

use std::fs;
use std::path::PathBuf;

use psistats_host::conf::{Loaded, Problems, Reader, Severity, load};
use tempfile::TempDir;

const ALL: [Reader; 7] = [
    Reader::Publisher,
    Reader::Checker,
    Reader::Printer,
    Reader::Status,
    Reader::Stop,
    Reader::ClientNode,
    Reader::MasterNode,
];

struct Read {
    _directory: TempDir,
    file: PathBuf,
}

impl Read {
    fn of(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        fs::write(&file, text).unwrap();
        Self { _directory: directory, file }
    }

    fn by(&self, reader: Reader) -> Result<Loaded, Problems> {
        load(Some(&self.file), reader)
    }

    /// Who refuses it.
    fn refused_by(&self) -> Vec<Reader> {
        ALL.into_iter().filter(|reader| self.by(*reader).is_err()).collect()
    }
}

#[test]
fn what_is_wrong_elsewhere_stops_nobody_who_does_not_need_it() {
    let everything = [Reader::Publisher, Reader::Checker, Reader::Printer];
    for (text, readers) in [
        ("[queue]\ntype=magic\n", &everything[..]),
        ("[queue]\nno sign\n  [further]\n=\n", &everything),
        ("[app]\npidfile=\n", &[&everything[..], &[Reader::Status, Reader::Stop]].concat()),
        ("[chasar]\nport=0\n", &[&everything[..], &[Reader::ClientNode, Reader::MasterNode]].concat()),
        ("[logger_root]\nlevel=LOUD\n", &[&everything[..], &[Reader::ClientNode]].concat()),
        // Where a section begins concerns all of them.
        ("[server\n", &ALL),
        ("[server]\nuser=\0\n", &ALL),
    ] {
        assert_eq!(Read::of(text).refused_by(), readers, "{text}");
    }
}

#[test]
fn of_other_sections_nothing_is_warned_of_but_what_may_be_misspelt() {
    let text = "[serevr]\na=1\n[server]\nb=2\nb=3\n[chaser]\nport=1\n[chasar]\nmaster=m:1\nprot=1\n[DEFAULT]\nport=7\n";
    let loaded = Read::of(text).by(Reader::MasterNode).unwrap();
    assert_eq!(loaded.settings.chasar.master.port, 1);
    assert_eq!(loaded.settings.server, psistats_host::conf::Settings::default().server);
    let warned: Vec<_> = loaded.warnings.iter().map(|problem| problem.text.as_str()).collect();
    assert_eq!(
        warned,
        [
            "[chaser]: unknown section, did you mean [chasar]?",
            "[chasar] prot: unknown key, did you mean port?"
        ]
    );
}

#[test]
fn only_what_publishes_needs_a_password_and_check_config_notes_a_credential_that_the_service_has() {
    let credential = Read::of("[server]\npass=@credential:broker\n");
    assert_eq!(credential.refused_by(), [Reader::Publisher]);
    let told = |read: &Read, reader| {
        let warnings = read.by(reader).unwrap().warnings;
        warnings.into_iter().map(|problem| (problem.severity, problem.text)).collect::<Vec<_>>()
    };
    let note = "[server] pass: a credential is for the service alone to read: not checked here".to_owned();
    assert_eq!(told(&credential, Reader::Checker), [(Severity::Note, note)]);
    assert_eq!(told(&credential, Reader::Printer)[0].0, Severity::Warning);
    for reader in [Reader::Status, Reader::Stop, Reader::ClientNode, Reader::MasterNode] {
        assert_eq!(told(&credential, reader), []);
    }
    // Nobody can have what is not there, and nobody else asks for it.
    assert_eq!(
        Read::of("[server]\npass=@file:/nowhere/password\n").refused_by(),
        [Reader::Publisher, Reader::Checker]
    );
    assert_eq!(Read::of("[server]\npass=@credential:\n").refused_by(), [Reader::Publisher, Reader::Checker]);
}
