//! What each command reads of a file, and what cannot stop it.

use std::fs;
use std::path::PathBuf;

use psistats::settings::{Loaded, Needs, Settings, load};
use psistats_host::conf::{Problems, Severity};
use tempfile::TempDir;

const ALL: [(&str, Needs); 6] = [
    ("publish", Needs::PUBLISH),
    ("check", Needs::CHECK),
    ("print", Needs::PRINT),
    ("status", Needs::STATUS),
    ("stop", Needs::STOP),
    ("client node", Needs::CLIENT_NODE),
];
const EVERY_SECTION: [&str; 3] = ["publish", "check", "print"];

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

    fn by(&self, needs: Needs) -> Result<Loaded, Problems> {
        load(Some(&self.file), needs)
    }

    /// Who refuses it.
    fn refused_by(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|(_, needs)| self.by(*needs).is_err()).map(|(name, _)| name).collect()
    }
}

#[test]
fn what_is_wrong_elsewhere_stops_nobody_who_does_not_need_it() {
    for (text, names) in [
        ("[queue]\ntype=magic\n", &EVERY_SECTION[..]),
        ("[queue]\nno sign\n  [further]\n=\n", &EVERY_SECTION),
        ("[app]\npidfile=\n", &[&EVERY_SECTION[..], &["status", "stop"]].concat()),
        ("[chasar]\nport=0\n", &[&EVERY_SECTION[..], &["client node"]].concat()),
        ("[logger_root]\nlevel=LOUD\n", &[&EVERY_SECTION[..], &["client node"]].concat()),
        // Where a section begins concerns all of them.
        ("[server\n", &ALL.map(|(name, _)| name)),
        ("[server]\nuser=\0\n", &ALL.map(|(name, _)| name)),
    ] {
        assert_eq!(Read::of(text).refused_by(), names, "{text}");
    }
}

#[test]
fn of_other_sections_nothing_is_warned_of_but_what_may_be_misspelt() {
    let text = "[serevr]\na=1\n[server]\nb=2\nb=3\n[chaser]\nport=1\n[chasar]\nmaster=m:1\nprot=1\n[DEFAULT]\nport=7\n";
    let loaded = Read::of(text).by(Needs::CLIENT_NODE).unwrap();
    assert_eq!(loaded.settings.chasar.master.port, 1);
    assert_eq!(loaded.settings.server, Settings::default().server);
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
    assert_eq!(credential.refused_by(), ["publish"]);
    let told = |read: &Read, needs| {
        let warnings = read.by(needs).unwrap().warnings;
        warnings.into_iter().map(|problem| (problem.severity, problem.text)).collect::<Vec<_>>()
    };
    let note = "[server] pass: a credential is for the service alone to read: not checked here".to_owned();
    assert_eq!(told(&credential, Needs::CHECK), [(Severity::Note, note)]);
    assert_eq!(told(&credential, Needs::PRINT)[0].0, Severity::Warning);
    for needs in [Needs::STATUS, Needs::STOP, Needs::CLIENT_NODE] {
        assert_eq!(told(&credential, needs), []);
    }
    // Nobody can have what is not there, and nobody else asks for it.
    for pass in ["@file:/nowhere/password", "@credential:"] {
        let read = Read::of(&format!("[server]\npass={pass}\n"));
        assert_eq!(read.refused_by(), ["publish", "check"], "{pass}");
    }
}

#[test]
fn without_a_file_the_settings_are_the_defaults_and_the_origin_says_where_they_came_from() {
    assert!(Loaded::default().origin().ends_with("built-in defaults"));
    let read = Read::of("[server]\nheartbeat=7\n");
    let loaded = read.by(Needs::PUBLISH).unwrap();
    assert_eq!(loaded.settings.server.heartbeat, 7);
    assert_eq!(loaded.origin(), format!("configuration: {}", read.file.display()));
}

#[test]
fn a_password_that_cannot_be_read_is_a_warning_where_no_broker_is_wanted() {
    let text = |enabled| {
        format!("[server]\nenabled={enabled}\npass=@file:/nonexistent/password\n[chasar]\nenabled=yes\n")
    };
    let read = |enabled| psistats::settings::parse(text(enabled).as_bytes(), "f".as_ref());
    assert!(read("yes").is_err());
    let (settings, warnings) = read("no").unwrap();
    assert!(!settings.server.enabled);
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().contains("[server] pass"), "{warnings:?}");
}
