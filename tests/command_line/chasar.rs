//! `chasar`: which program it runs, and which settings take precedence.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::place::{Answer, PSISTATS, copy_program};

/// Makes a `psistats-hub` in `folder` that prints `name` and its arguments.
fn hub(folder: &Path, name: &str) {
    fs::create_dir_all(folder).unwrap();
    let program = folder.join("psistats-hub");
    fs::write(&program, format!("#!/bin/sh\necho {name} \"$@\"\n")).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn masternode_runs_the_psistats_hub_beside_it_or_else_the_one_in_path_with_the_same_arguments() {
    let place = TempDir::new().unwrap();
    let [bin, links, path] = ["bin", "links", "path"].map(|name| place.path().join(name));
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(&links).unwrap();
    copy_program(&bin.join("psistats"));
    symlink(bin.join("psistats"), links.join("chasar")).unwrap();
    let chasar = |words: &[&str]| {
        Answer::of(
            Command::new(links.join("chasar")).args(words).env("PATH", format!("{}:/bin", path.display())),
        )
    };
    chasar(&["masternode", "start"])
        .complains(1, &["beside this program or in PATH", "Debian package psistats-hub", "-p psistats-hub"]);
    hub(&path, "of-the-path");
    chasar(&["masternode", "start"]).says(0, "of-the-path masternode start\n");
    hub(&bin, "beside");
    chasar(&["--config", "a file", "masternode", "start", "10.0.0.1", "-1", "--config=b"])
        .says(0, "beside --config a file masternode start 10.0.0.1 -1 --config=b\n");
    chasar(&["masternode", "--help"]).says(0, "beside masternode --help\n");
}

/// The command of a client node with this configuration.
fn client_node(place: &TempDir, configuration: &str) -> Command {
    let file = place.path().join("f");
    fs::write(&file, configuration).unwrap();
    let mut command = Command::new(PSISTATS);
    command.args(["chasar", "--config"]).arg(&file).args(["clientnode", "start"]);
    command
}

#[test]
fn a_client_node_reads_master_and_logging_from_the_configuration_and_arguments_take_precedence() {
    let place = TempDir::new().unwrap();
    let file = "[chasar]\nmaster=127.0.0.2\nport=1\n[logging]\nkeys=root\n[logger_root]\nhandlers=h\n[handler_h]\n\
                class=StreamHandler\nargs=(sys.stdout,)\n";
    for (words, master) in
        [(&[][..], "127.0.0.2:1"), (&["127.0.0.3"], "127.0.0.3:1"), (&["127.0.0.3", "2"], "127.0.0.3:2")]
    {
        let mut node = client_node(&place, file).args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let line = lines.find_map(|line| line.ok().filter(|line| line.contains("ext attempt"))).unwrap();
        assert!(line.contains(&format!("{master}: ")), "{line}");
        node.kill().unwrap();
        node.wait().unwrap();
    }
}

#[test]
fn a_client_node_refuses_a_wrong_configuration_and_names_file_and_line() {
    Answer::of(&mut client_node(&TempDir::new().unwrap(), "[chasar]\nprocesses=1025\n"))
        .complains(1, &["f:2: [chasar] processes: expected processes from 0 to 1024, found \"1025\""]);
}

#[test]
fn a_client_node_without_memory_for_its_messages_fails_and_names_the_key() {
    let place = TempDir::new().unwrap();
    let node = client_node(&place, "[chasar]\nport=1\nsend_high_water=67108864\n");
    let mut limited = Command::new("prlimit");
    limited.arg("--as=50331648").arg(node.get_program()).args(node.get_args());
    Answer::of(&mut limited).complains(1, &["no memory for [chasar] send_high_water=67108864: lower it"]);
}
