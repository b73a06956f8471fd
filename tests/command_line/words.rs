//! Commands, options, help, and output to closed or full streams.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::place::{Answer, PSISTATS, Place};

fn psistats(args: &[&str]) -> Answer {
    Answer::of(Command::new(PSISTATS).args(args).stdin(Stdio::null()))
}

#[test]
fn the_version_is_one_line() {
    let version = format!("psistats {}\n", env!("CARGO_PKG_VERSION"));
    psistats(&["--version"]).says(0, &version);
    psistats(&["-V"]).says(0, &version);
    psistats(&["version"]).says(0, &version);
    psistats(&["chasar", "version"]).says(0, &version);
}

#[test]
fn the_help_lists_every_command_option_configuration_file_signal_and_exit_code() {
    let help = psistats(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""));
    let words = "start start-local stop restart status check-config sensors --start-console --config --root --stdout --once \
        --help --version ./psistats.conf ~/.psistats/psistats.conf /etc/psistats.conf SIGTERM SIGINT SIGHUP \
        SIGUSR1 Exit";
    for word in words.split_whitespace() {
        assert!(help.stdout.contains(word), "{word}");
    }
    assert!(help.stdout.lines().all(|line| line.len() <= 80));
    help.says(0, &psistats(&["-h"]).stdout);
    help.says(0, &psistats(&["start", "--stdout", "--help"]).stdout);
    help.says(0, &psistats(&["help"]).stdout);
    psistats(&["chasar", "help"]).says(0, &psistats(&["chasar", "--help"]).stdout);
}

#[test]
fn a_wrong_command_line_fails_with_what_was_expected() {
    for (args, words) in [
        (
            &[][..],
            &[
                "expected a command",
                "Usage: psistats start|start-local|stop|restart|status|check-config|sensors",
            ][..],
        ),
        (&["run"], &["expected a command, got run\nUsage"]),
        (&["strat"], &["expected a command, got strat, did you mean start?\nUsage"]),
        (&["daemon"], &["expected a command, got daemon\nUsage"]),
        (&["chassar"], &["expected a command, got chassar, did you mean chasar?"]),
        (&["--sensor"], &["unknown option --sensor, did you mean --sensors?\nUsage"]),
        (&["start", "--confg", "x"], &["unknown option --confg, did you mean --config?"]),
        (&["start", "--once"], &["--once need start-local", "Usage"]),
        (&["start", "stop"], &["expected one command, got two", "Usage"]),
        (&["check-config", "my.conf"], &["expected no more than one command, got my.conf", "Usage"]),
        (&["--nonsense"], &["--nonsense", "Usage"]),
        (&["-x"], &["-x", "Usage"]),
        (&["start", "--config"], &["--config", "Usage"]),
        (&["--start=now"], &["--start", "now", "Usage"]),
        (&["start", "--stdout"], &["--stdout and --once need start-local", "Usage"]),
        (&["@daemon"], &["expected a command, got @daemon", "Usage"]),
    ] {
        psistats(args).complains(2, words);
    }
}

#[test]
fn options_may_come_before_or_after_the_command_with_a_blank_or_an_equals_sign() {
    let place = Place::new();
    let config = place.config();
    let config = config.to_str().unwrap();
    let equals = format!("--config={config}");
    for args in [
        &["status", "--config", config][..],
        &["--config", config, "status"],
        &["status", &equals],
        &[&equals, "--status"],
        &["--root", "/", "--status", &equals],
    ] {
        psistats(args).says(3, "psistats is not running\n");
    }
}

#[test]
fn the_commands_of_the_original_that_look_like_options_work() {
    let place = Place::new();
    let first = place.run("--start").started();
    place.run("--status").runs(first);
    assert_eq!(place.run("--restart").code, Some(0));
    let second = place.processes()[0];
    place.run("--stop").says(0, &format!("psistats stopped, pid {second}\n"));
    place.run("--check-config").says(0, &format!("{}: ok\n", place.config().display()));
    let root = ["--root", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")];
    let sensors = psistats(&[&["--sensors"], &root[..]].concat());
    sensors.says(0, &psistats(&[&["sensors"], &root[..]].concat()).stdout);
}

#[test]
fn once_prints_one_report_with_every_enabled_figure_including_rates_and_exits() {
    let place = Place::new();
    // With timers of an hour, only the first report can be due.
    place.configure(
        "primary_timer=3600\n[load]\nenabled=yes\n[diskio]\nenabled=yes\n[net]\nenabled=yes\n[os]\nenabled=yes\n[cpu]\npercpu=yes",
    );
    let answer = Answer::of(place.psistats("start-local").arg("--once"));
    assert_eq!((answer.code, answer.stdout.lines().count()), (Some(0), 1), "{answer:?}");
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    for key in "hostname cpu mem uptime ipaddr load diskio net os percpu".split(' ') {
        assert!(report.get(key).is_some(), "{key}: {report}");
    }
    assert!(report["cpu"].is_number() && report["percpu"][0].is_number(), "{report}");
}

#[test]
fn fault_6_12_a_fifo_as_the_time_zone_is_reported_and_does_not_block_the_start() {
    let place = Place::new();
    let fifo = place.path("zone");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for (zone, told) in [(fifo.to_str().unwrap(), true), ("CET-1CEST,M3.5.0,M10.5.0/3", false), ("", false)] {
        let answer = Answer::of(place.psistats("start-local").arg("--once").env("TZ", zone));
        assert_eq!((answer.code, answer.stdout.lines().count()), (Some(0), 1), "{answer:?}");
        assert_eq!(answer.stderr.contains(&format!("TZ={zone}: expected a file")), told, "{answer:?}");
    }
}

#[test]
fn a_root_that_is_not_a_directory_is_an_error() {
    let place = Place::new();
    for command in ["start", "start-local", "restart", "sensors"] {
        Answer::of(place.psistats(command).args(["--root", "/nowhere"]))
            .complains(1, &["--root: expected a directory, got /nowhere"]);
    }
}

#[test]
fn check_config_prints_ok_or_each_problem_with_file_and_line() {
    let place = Place::with("no_such_key=1");
    let answer = place.run("check-config");
    answer.says(0, &format!("{}: ok, 1 warning\n", place.config().display()));
    let warning = format!("{}:8: warning: [app] no_such_key: unknown key\n", place.config().display());
    assert_eq!(answer.stderr, warning);

    let place = Place::with("[backlog]\nfile=spool");
    let megabytes = "a day with reports of 200 bytes, 231 MB at most";
    place.run("check-config").says(
        0,
        &format!(
            "{}: ok\nspool: nothing is written while the broker confirms; while it does not, 30 MB {megabytes}\n",
            place.config().display()
        ),
    );

    let place = Place::with("no_such_key=1\nprimary_timer=soon\nretry_timer=later");
    let answer = place.run("check-config");
    answer.complains(1, &[]);
    let lines: Vec<_> = answer.stderr.lines().collect();
    let at = |line| format!("{}:{line}:", place.config().display());
    assert!(lines[0].starts_with(&format!("{} [app] primary_timer: expected", at(9))), "{answer:?}");
    assert!(lines[1].starts_with(&format!("{} [app] retry_timer: expected", at(10))), "{answer:?}");
    assert!(lines[2].starts_with(&format!("{} warning: [app] no_such_key", at(8))), "{answer:?}");
    assert_eq!(lines[3..], ["2 errors, 1 warning"]);
}

#[test]
fn check_config_finds_the_file_in_the_working_directory() {
    let place = Place::new();
    let answer = Answer::of(Command::new(PSISTATS).arg("check-config").current_dir(place.directory.path()));
    answer.says(0, &format!("{}: ok\n", place.config().display()));
}

#[test]
fn a_closed_or_full_standard_output_causes_no_panic() {
    for redirection in [">&-", "> /dev/full", "| true"] {
        for command in ["--help", "--version"] {
            let script = format!("'{PSISTATS}' {command} {redirection}");
            let answer = Answer::of(Command::new("sh").args(["-c", &script]));
            assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{script}");
        }
    }
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut child = Command::new(PSISTATS).stderr(writer).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert!(said.contains("Usage"));
}
