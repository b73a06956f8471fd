//! What the packages say to people, compared with what the program says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use psistats_host::figures::{Entry, FIGURES, SUMMARIES};

use crate::{root, text};

const PSISTATS: &str = env!("CARGO_BIN_EXE_psistats");

fn debian(name: &str) -> String {
    fs::read_to_string(root("boards/debian").join(name)).unwrap()
}

/// A manual page as a terminal shows it, without hyphenation.
fn manual(name: &str) -> String {
    let page = root("boards/debian").join(name);
    text(
        Command::new("man")
            .args(["--nh", "--nj", "-l"])
            .arg(page)
            .env("MANWIDTH", "200")
            .env("LC_ALL", "C.UTF-8"),
    )
}

#[test]
#[ignore = "needs man: tests/run"]
fn the_manual_pages_have_every_command_option_and_signal_that_help_has() {
    assert!(words_of_help_in("psistats.1", &["--help"]) > 20);
    assert!(words_of_help_in("chasar.1", &["chasar", "--help"]) > 5);
}

/// How many commands, options and signals the help has, each of which the manual page has too.
fn words_of_help_in(page_name: &str, help: &[&str]) -> usize {
    let page = manual(page_name);
    let help = text(Command::new(PSISTATS).args(help));
    // What is described: the first column.
    let described = help.lines().filter_map(|line| line.strip_prefix("  ")?.split("  ").next());
    let words: Vec<_> = described.flat_map(|words| words.split([' ', ','])).collect();
    let is_option = |word: &str| word.starts_with("--") || word.starts_with("SIG");
    let is_command = |word: &str| help.contains(&format!("\n  {word}  "));
    let mut named = 0;
    for word in words.into_iter().filter(|word| is_option(word) || is_command(word)) {
        assert!(page.contains(word), "{word} is not in {page_name}");
        named += 1;
    }
    named
}

#[test]
#[ignore = "needs man: tests/run"]
fn the_manual_page_of_the_configuration_has_the_keys_that_the_readme_has() {
    let page = manual("psistats.conf.5");
    let readme = fs::read_to_string(root("README.md")).unwrap();
    let rows = readme.lines().skip_while(|line| *line != "| section | key | default | |").skip(2);
    let mut keys = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let [_, section, names, ..] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        assert!(section.is_empty() || page.contains(&format!("[{section}]")), "[{section}]");
        for key in names.split(", ").map(|key| key.trim_end_matches("[]")) {
            assert!(page.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == key), "{key}");
            keys += 1;
        }
    }
    assert!(keys > 25, "{keys} keys");
}

/// The text that has a line `head`, the head of a table for users: the README, or that of the figures.
fn table(head: &str) -> Vec<String> {
    let texts = ["README.md", "src/host/figures/README.md"].map(|name| fs::read_to_string(root(name)));
    let text = texts.into_iter().flatten().find(|text| text.lines().any(|line| line == head));
    let text = text.unwrap_or_else(|| panic!("no README has the table {head}"));
    let rows = text.lines().skip_while(|line| *line != head).skip(2);
    rows.take_while(|row| row.starts_with('|')).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs man: tests/run"]
fn each_figure_has_its_row_in_the_readme_and_in_the_manual_page_with_its_default_interval() {
    let rows = table("| figure | interval | value |");
    let page = manual("psistats.conf.5");
    for (Entry { name, interval_s, .. }, summary) in FIGURES.iter().zip(SUMMARIES) {
        let row = format!("| `{name}` | {interval_s} |");
        assert!(rows.iter().any(|line| line.starts_with(&row)), "no row: {row} {summary} |");
        let heads = [format!("[{name}] ({interval_s})"), format!("[cpu], {name} (no)")];
        let [head, _] = &heads;
        assert!(heads.iter().any(|head| page.contains(head)), "no entry: {head} {summary}.");
    }
    assert_eq!(rows.len(), FIGURES.len());
}

#[test]
fn the_example_of_the_manual_page_and_the_installed_configuration_are_ones_that_psistats_accepts() {
    let page = debian("psistats.conf.5");
    let example = &page[page.find(".nf\n").unwrap() + 4..page.find(".fi\n").unwrap()];
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    let example = example.replace("/etc/psistats.password", password.to_str().unwrap());
    let file = directory.path().join("psistats.conf");
    for configuration in [example, debian("psistats.conf")] {
        fs::write(&file, configuration).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let output = Command::new(PSISTATS).args(["check-config", "--config"]).arg(&file).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(said, format!("{}: ok\n", file.display()));
    }
}

#[test]
fn the_installed_configuration_says_what_the_original_documents_but_for_its_log_file() {
    let python = "import configparser, json, sys
def read(file):
    parser = configparser.RawConfigParser()
    parser.read_file(open(file))
    return {section: dict(parser.items(section)) for section in parser.sections()}
documented, installed = map(read, sys.argv[1:])
logging = [section for section in documented if section.startswith(('logg', 'handler', 'formatter'))]
assert len(logging) == 6, logging
for section in logging: del documented[section]
assert documented == installed, (documented, installed)
";
    let files = ["tests/fixtures/config/documented.conf", "boards/debian/psistats.conf"].map(root);
    text(Command::new("/usr/bin/python3").args(["-c", python]).args(files));
}

#[test]
fn called_as_chasar_it_takes_the_commands_of_chasar_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let chasar = directory.path().join("chasar");
    std::os::unix::fs::symlink(PSISTATS, &chasar).unwrap();
    assert!(text(Command::new(&chasar).arg("--help")).contains("clientnode start"));
    for (words, expected) in [
        (&["start"][..], "expected clientnode start or masternode start"),
        (&[], "expected clientnode start or masternode start"),
        (&["clientnode", "start", "10.0.0.1", "0"], "expected a port from 1 to 65535, got 0"),
        (
            &["clientnode", "start", "5555"],
            "expected MASTER, a name or an address, before PORT, got \"5555\"",
        ),
        (&["clientnode", "start", "10.0.0.1:5555"], "before PORT, got \"10.0.0.1:5555\""),
        (&["clientnode", "start", "tcp://10.0.0.1"], "before PORT, got \"tcp://10.0.0.1\""),
        (&["clientnode", "start", ""], "before PORT, got \"\""),
        (&["clientnode", "start", "a", "1", "b"], "expected no more than MASTER and PORT, got b"),
    ] {
        let output = Command::new(&chasar).args(words).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn the_licence_in_the_package_is_that_of_the_source() {
    let words =
        |text: &str| text.split_whitespace().filter(|word| *word != ".").collect::<Vec<_>>().join(" ");
    let licence = fs::read_to_string(root("LICENSE")).unwrap();
    let (title, rest) = licence.split_once("\n\n").unwrap();
    let (holder, terms) = rest.split_once("\n\n").unwrap();
    assert_eq!(title, "MIT License");
    let copyright = words(&debian("copyright"));
    let holder = holder.strip_prefix("Copyright (c) ").unwrap();
    assert!(copyright.contains(&format!("Copyright: {holder}")), "{copyright}");
    assert!(copyright.contains(&words(terms)), "{copyright}");
}
