//! What the package says to people of the configuration, compared with what the program makes of it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use psistats_hub::settings::{self, Addresses, Needs, Settings};
use support::project::path;

fn debian(name: &str) -> String {
    fs::read_to_string(path("boards/debian/hub").join(name)).unwrap()
}

/// What the program makes of a configuration, and its warnings; with where client nodes connect.
fn settings(configuration: &str) -> (Settings, Option<Addresses>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("psistats-hub.conf");
    fs::write(&file, configuration).unwrap();
    let (mut settings, warnings) =
        settings::load(Some(&file), Needs::Password).unwrap_or_else(|e| panic!("{configuration}: {e}"));
    let clients = settings.hub.chasar.addresses(&settings.chasar).unwrap();
    settings.hub.chasar = Settings::default().hub.chasar;
    (settings, clients, warnings.iter().map(ToString::to_string).collect())
}

/// Section, key and value of a default.
type Default = (String, String, String);

/// The keys of psistats-hub.conf(5), and their defaults; those without one have an empty value.
fn of_the_page() -> Vec<Default> {
    let page = debian("psistats-hub.conf.5").replace("\\ ", " ").replace("\\-", "-");
    let (mut section, mut keys) = (None, Vec::new());
    for (before, line) in page.lines().zip(page.lines().skip(1)) {
        if let Some(heading) = line.strip_prefix(".SH ") {
            section = heading.strip_prefix('[').and_then(|name| name.strip_suffix(']')).map(str::to_owned);
        }
        let (".TP", Some(section), Some(item)) =
            (before, &section, line.split_once(' ').map(|(_, item)| item))
        else {
            continue;
        };
        let (name, default) = item.split_once(" (").unwrap_or((item, ")"));
        keys.push((
            section.clone(),
            name.trim_end().to_owned(),
            default.strip_suffix(')').unwrap().to_owned(),
        ));
    }
    keys
}

/// Whether a line of psistats-hub.conf is a key, as a comment.
fn is_key(line: &str) -> bool {
    line.strip_prefix('#').and_then(|line| line.split_once('=')).is_some_and(|(key, _)| !key.contains(' '))
}

/// The keys of psistats-hub.conf as it is installed, every one a comment.
fn of_the_installed() -> Vec<Default> {
    let (mut section, mut keys) = (String::new(), Vec::new());
    for line in debian("psistats-hub.conf").lines() {
        if let Some(name) = line.trim_start_matches('#').strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_key(line)) {
            keys.push((section.clone(), key[1..].to_owned(), value.to_owned()));
        }
    }
    keys
}

#[test]
fn the_manual_page_and_the_installed_configuration_have_the_same_keys_and_the_defaults_of_the_program() {
    let (page, installed) = (of_the_page(), of_the_installed());
    let names = |keys: &[Default]| {
        let mut names: Vec<_> = keys.iter().map(|(section, key, _)| format!("[{section}] {key}")).collect();
        names.sort();
        names
    };
    assert_eq!(names(&page), names(&installed));
    for (section, key, value) in page.iter().filter(|(.., value)| !value.is_empty()) {
        let installed = installed.iter().find(|(of, name, _)| (of, name) == (section, key)).unwrap();
        assert_eq!(value, &installed.2, "[{section}] {key}");
        // There are none of these without their url.
        let url = match section.as_str() {
            "rabbitmq" => "[rabbitmq]\nurl=amqp://hub@localhost\n",
            "mqtt" => "[mqtt]\nurl=mqtt://localhost\n",
            _ => "",
        };
        let head = if url.is_empty() { format!("[{section}]\n") } else { url.to_owned() };
        assert_eq!(settings(&format!("{head}{key}={value}\n")), settings(url), "[{section}] {key}");
    }
    // As it is installed, it says nothing; with all of its keys it has the defaults, and the examples.
    let text = debian("psistats-hub.conf");
    assert_eq!(settings(&text), settings(""));
    // But for those that name files, which are not there.
    let text = text.replace("@credential:", "").replace("#curve_", "# curve_");
    let is_said = |line: &str| is_key(line) || line.starts_with("#[");
    let keys = text.lines().map(|line| if is_said(line) { &line[1..] } else { line });
    let (with_all, _, warnings) = settings(&keys.collect::<Vec<_>>().join("\n"));
    assert_eq!((with_all.hub.user.as_deref(), warnings), (Some("boards"), vec![]));
}

#[test]
fn the_manual_page_has_every_key_that_the_program_asks_for() {
    let mut keys = of_the_page();
    // Of [chasar], those that are the client node's are in psistats.conf(5).
    for key in
        ["master", "enabled", "interval", "interface", "processes", "send_high_water", "curve_server_key"]
    {
        keys.push(("chasar".into(), key.into(), String::new()));
    }
    let mut asked = BTreeSet::new();
    let sources = [
        ("hub", "src/hub/settings.rs"),
        ("hub", "src/hub/settings/tls.rs"),
        ("hub", "src/hub/settings/peers.rs"),
        ("rabbitmq", "src/hub/settings/rabbitmq.rs"),
        ("mqtt", "src/hub/mqtt/settings.rs"),
        ("chasar", "src/host/conf/chasar.rs"),
        ("chasar", "src/host/conf/curve.rs"),
    ];
    for (section, source) in sources {
        let source = fs::read_to_string(path(source)).unwrap();
        // r.set(NAME, "key", ...) and r.entry(NAME, "key").
        for call in source.split("NAME,").skip(1) {
            let Some(key) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
            else {
                continue;
            };
            asked.insert((section.to_owned(), key.to_owned()));
        }
    }
    let documented = keys.into_iter().map(|(section, key, _)| (section, key)).collect();
    assert_eq!(asked, documented);
}

/// The examples of psistats-hub.conf(5).
pub fn examples() -> Vec<String> {
    let page = debian("psistats-hub.conf.5");
    page.split(".nf\n").skip(1).map(|rest| rest.split(".fi\n").next().unwrap().replace("\\-", "-")).collect()
}

#[test]
fn the_examples_of_the_manual_page_are_ones_that_the_program_accepts_without_a_warning() {
    let configurations = examples().into_iter().filter(|example| example.starts_with("[hub]\n"));
    let mut tried = 0;
    for example in configurations {
        let (_, _, warnings) = settings(&example.replace("@credential:", ""));
        assert_eq!(warnings, [""; 0], "{example}");
        tried += 1;
    }
    assert_eq!(tried, 7);
}

#[test]
#[ignore = "needs man: tests/run"]
fn the_manual_page_has_every_command_option_and_signal_that_help_has() {
    let text = |command: &mut Command| String::from_utf8(command.output().unwrap().stdout).unwrap();
    let page = text(
        Command::new("man")
            .args(["--nh", "--nj", "-l"])
            .arg(path("boards/debian/hub/psistats-hub.1"))
            .env("MANWIDTH", "200")
            .env("LC_ALL", "C.UTF-8"),
    );
    let help = text(Command::new(env!("CARGO_BIN_EXE_psistats-hub")).arg("--help"));
    // What is described: the first column.
    let described: Vec<_> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '))?.split("  ").next())
        .flat_map(|words| words.split([' ', ',']))
        // Not FILE, and not the exit codes.
        .filter(|word| word.starts_with("SIG") || word.contains(|c: char| c.is_ascii_lowercase() || c == '-'))
        .collect();
    assert!(described.len() > 7, "{described:?}");
    for word in described {
        assert!(page.contains(word), "{word} is not in psistats-hub(1)");
    }
}
