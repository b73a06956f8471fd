//! Wrong configuration files, through the whole program (fault 36).

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;

use crate::place::{Place, answer, count};
use support::PATIENCE;
use support::process::{Process, Stream};

/// A configuration with short intervals, and nothing else.
const GOOD: &str = "[app]\nprimary_timer=0.02\n[cpu_temp]\nenabled=no\n";

/// Contents that are refused, each with the line that is named and words of the reason.
const WRONG: [(&[u8], usize, &[&str]); 4] = [
    (b"[app]\nprimary_timer=1\n[serv", 3, &["expected `[section]`", "no `]`"]),
    (b"[app]\nprimary_tim", 2, &["expected `key = value`"]),
    (b"[server]\nhost=127.0.0.1\nuser=b\xFFse\n", 3, &["UTF-8"]),
    (b"[app]\nprimary_timer=often\n", 2, &["primary_timer", "seconds from 0.001 to 604800", "often"]),
];

fn has_all(text: &str, place: &Place, line: usize, words: &[&str]) -> bool {
    text.contains(&format!("{}:{line}:", place.config().display())) && words.iter().all(|w| text.contains(w))
}

#[test]
fn fault_36_check_config_and_every_start_refuse_a_wrong_file_and_name_the_line() {
    for (content, line, words) in WRONG {
        let place = Place::new(content);
        for command in ["check-config", "start-local", "start", "restart"] {
            let (code, said, complaint) = answer(&mut place.psistats(command));
            assert_eq!((code, said.as_str()), (Some(1), ""), "{command}");
            assert!(has_all(&complaint, &place, line, words), "{command}: {words:?} in {complaint}");
        }
    }
}

#[test]
fn fault_36_a_reload_of_a_wrong_configuration_keeps_the_previous_one() {
    let place = Place::new(GOOD);
    let agent = Process::start(place.psistats("start-local").arg("--stdout"));
    let mut reports = 5;
    for (n, (content, line, words)) in WRONG.into_iter().enumerate() {
        agent.wait_for_lines_of(Stream::Stdout, reports, PATIENCE);
        place.configure(content);
        agent.signal(Signal::SIGHUP);
        while count(&agent.lines_of(Stream::Stderr), "keeping the previous configuration") <= n {
            reports += 1;
            agent.wait_for_lines_of(Stream::Stdout, reports, PATIENCE);
        }
        let said = agent.lines_of(Stream::Stderr).join("\n");
        assert!(has_all(&said, &place, line, words), "{words:?} in {said}");
        reports = agent.lines_of(Stream::Stdout).len() + 20;
    }
    let lines = agent.wait_for_lines_of(Stream::Stdout, reports, PATIENCE);
    assert_eq!(count(&lines, "cpu_temp"), 0);

    // Warnings are not logged as errors.
    place.configure("[app]\nprimary_timr=1\nprimary_timer=never\n");
    agent.signal(Signal::SIGHUP);
    let error = agent.wait_for_line("found \"never\"", PATIENCE);
    let warning = agent.wait_for_line("primary_timr", PATIENCE);
    assert!(error.contains("ERROR") && warning.contains("WARNING"), "{error}\n{warning}");

    place.configure(GOOD.replace("enabled=no", "enabled=yes"));
    agent.signal(Signal::SIGHUP);
    agent.wait_for_line("the configuration was reloaded", PATIENCE);
    agent.wait_for_line("\"cpu_temp\":", PATIENCE);
}

#[test]
fn fault_36_an_unknown_key_and_a_world_readable_password_are_warnings_with_file_and_line() {
    let place = Place::new("[server]\nuser=a\npass=secret\nprt=1\n[app]\nprimary_timer=0.02\n");
    fs::set_permissions(place.config(), Permissions::from_mode(0o644)).unwrap();
    let at = |line| format!("{}:{line}:", place.config().display());
    let warns = |said: &str| said.contains(&at(4)) && said.contains("prt") && said.contains(&at(3));

    let (code, said, complaint) = answer(&mut place.psistats("check-config"));
    assert_eq!((code, said), (Some(0), format!("{}: ok, 2 warnings\n", place.config().display())));
    assert!(warns(&complaint) && !complaint.contains("secret"), "{complaint}");

    let agent = Process::start(place.psistats("start-local").arg("--stdout"));
    agent.wait_for_lines_of(Stream::Stdout, 3, PATIENCE);
    let said = agent.lines_of(Stream::Stderr).join("\n");
    assert!(warns(&said) && !said.contains("secret"), "{said}");

    fs::set_permissions(place.config(), Permissions::from_mode(0o600)).unwrap();
    let (_, _, complaint) = answer(&mut place.psistats("check-config"));
    assert!(!complaint.contains(&at(3)), "{complaint}");
}

#[test]
fn in_the_journal_each_line_of_a_failure_has_a_priority() {
    let place = Place::new("[nonsense\n");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stream = nix::sys::stat::fstat(&writer).unwrap();
    let mut command = place.psistats("check-config");
    command.env("JOURNAL_STREAM", format!("{}:{}", stream.st_dev, stream.st_ino)).stderr(writer);
    assert!(!command.status().unwrap().success());
    drop(command);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert!(!said.is_empty() && said.lines().all(|line| line.starts_with("<3>")), "{said}");
}
