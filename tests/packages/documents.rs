//! What the packages say to people, compared with what the program says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
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
fn the_keys_of_the_manual_page_are_those_of_the_program_and_so_are_their_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("psistats.conf");
    let documented = documented_keys();
    for Key { section, name, default } in &documented {
        let value = default.as_deref().unwrap_or("1");
        fs::write(&file, format!("[{section}]\n{name}={value}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let said = check_config(&file);
        assert!(!said.contains("unknown"), "{said}");
        // A [value:NAME] lacks its file.
        if default.is_some() && section != "value:NAME" {
            assert_eq!(
                settings(&format!("[{section}]\n{name}={value}\n")),
                settings(""),
                "[{section}] {name}"
            );
        }
    }
    assert!(documented.len() > 70, "{} keys", documented.len());
}

fn settings(configuration: &str) -> psistats::settings::Settings {
    psistats::settings::parse(configuration.as_bytes(), Path::new("c")).unwrap().0
}

struct Key {
    section: String,
    name: String,
    /// None where the manual page has none.
    default: Option<String>,
}

/// The keys that psistats.conf(5) describes.
fn documented_keys() -> Vec<Key> {
    let page = debian("psistats.conf.5").replace("\\ ", " ").replace("\\-", "-");
    let mut sections: Vec<String> = Vec::new();
    let mut keys = Vec::new();
    for (before, line) in page.lines().zip(page.lines().skip(1)) {
        if let Some(heading) = line.strip_prefix(".SH ") {
            let names = heading.trim_matches('"').split(", ");
            sections = names
                .filter_map(|name| name.strip_prefix('[')?.strip_suffix(']'))
                .map(str::to_owned)
                .collect();
        }
        let Some(item) = line.strip_prefix(".BR ").or(line.strip_prefix(".B ")).filter(|_| before == ".TP")
        else {
            continue;
        };
        let (name, default) = match item.split_once(" (") {
            Some((name, default)) => (name.trim_end(), default.strip_suffix(')').map(str::to_owned)),
            None => (item, None),
        };
        // `[load] (1)` is the interval of that figure, `[cpu], percpu (no)` a key.
        let figure = name.strip_prefix('[').and_then(|name| name.split_once(']'));
        let (of, name) = match figure {
            Some((figure, "")) => (vec![figure.to_owned()], "interval"),
            Some((figure, key)) => (vec![figure.to_owned()], key.trim_start_matches([' ', ','])),
            None if name == "ipv6" => (vec!["ipaddr".to_owned()], name),
            None => (sections.clone(), name),
        };
        let key = |section| Key { section, name: name.to_owned(), default: default.clone() };
        keys.extend(of.into_iter().filter(|section| section != "tags").map(key));
    }
    keys
}

#[test]
#[ignore = "needs man: tests/run"]
fn the_manual_page_has_every_key_that_the_program_asks_for() {
    let page = manual("psistats.conf.5");
    let files =
        fs::read_dir(root("src/host/conf")).unwrap().chain(fs::read_dir(root("src/agent/settings")).unwrap());
    let mut asked = 0;
    for file in files {
        let source = fs::read_to_string(file.unwrap().path()).unwrap();
        // r.set(SECTION, "key", ...): SECTION is a constant but in the sections of logging, which Python documents.
        for call in source.split(".set(").skip(1) {
            let [section, key, ..] = call.split(',').map(str::trim).collect::<Vec<_>>()[..] else { continue };
            let Some(key) = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')) else { continue };
            if section == "NAME" || section.contains("::") {
                assert!(page.contains(key), "{key}");
                asked += 1;
            }
        }
    }
    assert!(asked > 30, "{asked} keys");
}

#[test]
#[ignore = "needs man: tests/run"]
fn the_table_of_figures_and_the_manual_page_have_every_further_figure_and_its_default_interval() {
    let table = fs::read_to_string(root("src/host/figures/README.md")).unwrap();
    let rows =
        table.lines().filter_map(|row| row.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    let told: Vec<_> = rows
        .filter_map(|(name, rest)| Some((name, rest.rsplit_once("| ")?.1)))
        .filter(|(_, interval)| interval.parse::<u32>().is_ok())
        .collect();
    let page = manual("psistats.conf.5");
    for (Entry { name, interval_s, .. }, summary) in FIGURES.iter().zip(SUMMARIES) {
        let interval = interval_s.to_string();
        assert!(told.contains(&(*name, &interval)), "no row: | `{name}` | {summary} | ... | {interval} |");
        let heads = [format!("[{name}] ({interval})"), format!("[cpu], {name} (no)")];
        assert!(heads.iter().any(|head| page.contains(head)), "no entry: {} {summary}", heads[0]);
    }
    assert_eq!(told.len(), FIGURES.len());
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
        assert_eq!(check_config(&file), format!("{}: ok\n", file.display()));
    }
}

/// What the program says about a configuration.
fn check_config(file: &Path) -> String {
    let output = Command::new(PSISTATS).args(["check-config", "--config"]).arg(file).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
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
