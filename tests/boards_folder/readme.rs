//! `README.md` and the other documents: what they show is what the program prints, what they link to is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::process::{Process, Stream};

use crate::{PSISTATS, root};

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// What stands in the first block of code in `language`.
fn block<'t>(text: &'t str, language: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn readme_and_contributing_are_short() {
    let lines = |name: &str| fs::read_to_string(root().join(name)).unwrap().lines().count();
    assert!(lines("README.md") <= 200);
    assert!(lines("CONTRIBUTING.md") < 120);
}

#[test]
fn the_output_in_the_readme_is_what_the_program_prints_for_that_board() {
    let readme = readme();
    let lines: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let shown: Vec<_> = (0..lines.len()).filter(|&n| lines[n].starts_with("$ psistats ")).collect();
    assert_eq!(shown.len(), 2);
    for n in shown {
        let words = lines[n].split(' ').skip(2);
        let output = Command::new(PSISTATS).args(words).current_dir(root()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let expected = lines[n + 1..].iter().take_while(|line| !line.contains("..."));
        for (printed, expected) in printed.lines().zip(expected) {
            assert_eq!(printed, *expected);
        }
    }
}

#[test]
fn check_config_accepts_the_figures_of_the_readme() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("psistats.conf");
    fs::write(&file, block(&readme(), "ini")).unwrap();
    let output = Command::new(PSISTATS).args(["check-config", "--config"]).arg(&file).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}: ok\n", file.display()));
}

#[test]
fn the_messages_in_the_readme_are_in_the_source() {
    let mut source = String::new();
    for file in files(&root().join("src"), "rs") {
        source += &fs::read_to_string(file).unwrap();
    }
    // A literal may go on in the next line.
    let source: Vec<_> = source.split_whitespace().filter(|word| *word != "\\").collect();
    let source = source.join(" ");
    let readme = readme();
    let rows = readme.lines().skip_while(|line| *line != "| message | action |").skip(2);
    let messages = rows.map_while(|row| row.strip_prefix("| `")?.split_once("` | "));
    let mut found = 0;
    for (message, _) in messages {
        let literal = message.replace("cpu_temp", "{figure}");
        assert!(source.contains(&literal), "{message}");
        found += 1;
    }
    assert!(found > 10, "{found}");
}

#[test]
#[ignore = "needs RabbitMQ and pika: tests/run"]
fn with_the_users_of_the_readme_its_consumer_reads_what_a_board_publishes() {
    let readme = readme();
    let broker = Broker::shared();
    let vhost = broker.vhost();
    for command in readme.lines().filter_map(|line| line.trim().strip_prefix("sudo rabbitmqctl ")) {
        let command = command.replace("-p /", &format!("-p {vhost}"));
        broker.ctl(&command.split(' ').map(|word| word.trim_matches('\'')).collect::<Vec<_>>());
    }
    let config =
        Config::new(broker.port, &vhost).set("server", "user", "boards").set("server", "pass", "SECRET");
    let agent = Agent::start(&config, &[]);
    agent.wait_for_line("connected to", PATIENCE);
    let place = format!("127.0.0.1:{}/{vhost}", broker.port);
    let script = block(&readme, "python").replace("broker.example.org", &place);
    let consumer = Process::start(Command::new("/usr/bin/python3").args(["-u", "-c", &script]));
    for report in consumer.wait_for_lines_of(Stream::Stdout, 3, PATIENCE) {
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert!(report["hostname"].is_string() && report["cpu"].is_number(), "{report}");
    }
    for user in ["boards", "viewer"] {
        broker.ctl(&["delete_user", user]);
    }
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let mut links = 0;
    for folder in ["boards", "src", "systemd", "tests"] {
        links += files(&root().join(folder), "md").iter().map(|file| links_of(file)).sum::<usize>();
    }
    for name in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        links += links_of(&root().join(name));
    }
    assert!(links > 40, "{links}");
}

/// How many relative links a document has, each of which leads to a file, and to a heading in it.
fn links_of(document: &Path) -> usize {
    let text = fs::read_to_string(document).unwrap();
    let mut links = 0;
    for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        if link.contains("://") {
            continue;
        }
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let target = if path.is_empty() { document.to_owned() } else { document.with_file_name(path) };
        assert!(target.exists(), "{}: {link}", document.display());
        let wanted = |line: &str| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            line.starts_with('#')
                && words.replace(' ', "-").replace(|c: char| "',:.?".contains(c), "") == heading
        };
        if !heading.is_empty() {
            assert!(
                fs::read_to_string(&target).unwrap().lines().any(wanted),
                "{}: {link}",
                document.display()
            );
        }
        links += 1;
    }
    links
}

/// The files with this extension below a folder, captured trees left out.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("fixtures") {
            found.extend(files(&entry, extension));
        } else if entry.extension().is_some_and(|other| other == extension) {
            found.push(entry);
        }
    }
    found
}
