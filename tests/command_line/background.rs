//! What the service inherits and what it detaches from, and which failures of a start the user sees.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use crate::place::{Answer, PSISTATS, Place, copy_program, lives, stat, status_line};

#[test]
fn the_service_leaves_its_session_its_terminal_and_its_working_directory() {
    let place = Place::new();
    let pid = Answer::of(place.psistats("start").current_dir(place.directory.path())).started();
    let fields = stat(pid).unwrap();
    let (group, session, terminal) = (&fields[2], &fields[3], &fields[4]);
    assert_eq!([group, session], [&pid.to_string(); 2]);
    assert_eq!(terminal, "0");
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    assert_eq!(status_line(pid, "Umask"), "0022");
    assert_eq!(status_line(pid, "Name"), "psistats");
}

#[test]
fn the_service_appends_to_stdout_path_and_stderr_path() {
    let place = Place::new();
    let [input, output, error] = ["in", "out", "err"].map(|name| place.path(name));
    fs::write(&input, "").unwrap();
    fs::write(&output, "before\n").unwrap();
    place.configure(&format!(
        "pidfile={}\nstdin_path={}\nstdout_path={}\nstderr_path={}",
        place.pidfile().display(),
        input.display(),
        output.display(),
        error.display()
    ));
    let pid = place.start();
    for (number, file) in [&input, &output, &error].into_iter().enumerate() {
        assert_eq!(&fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap(), file);
    }
    assert!(fs::read_to_string(output).unwrap().starts_with("before\n"));
    assert_eq!(error.metadata().unwrap().mode() & 0o777, 0o644);
}

#[test]
fn a_standard_stream_that_cannot_be_opened_is_reported_with_its_key_and_path() {
    for key in ["stdin_path", "stdout_path", "stderr_path"] {
        let place = Place::with(&format!("{key}=/nowhere/file"));
        place.run("start").complains(1, &[&format!("[app] {key}=/nowhere/file"), "no such file"]);
        assert!(!place.pidfile().exists());
    }
}

#[test]
fn a_start_closes_inherited_descriptors_so_that_a_pipe_it_writes_to_ends() {
    let place = Place::new();
    let script = format!("{{ '{PSISTATS}' start --config '{}' 3>&1 9>&1; }} | cat", place.config().display());
    // output() reads to the end of the stream, so it would wait as long as the service has the pipe open.
    let pid = Answer::of(Command::new("sh").args(["-c", &script])).started();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let number: i32 = entry.as_ref().unwrap().file_name().to_str().unwrap().parse().unwrap();
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_str().unwrap();
        assert!(!target.starts_with("pipe:"), "{number} -> {target}");
        if number <= 2 {
            assert_eq!(target, "/dev/null");
        }
    }
}

#[test]
fn a_start_works_with_all_standard_descriptors_closed() {
    let place = Place::new();
    let script = format!("exec '{PSISTATS}' start --config '{}' <&- >&- 2>&-", place.config().display());
    assert_eq!(Answer::of(Command::new("sh").args(["-c", &script])).code, Some(0));
    assert_eq!(place.run("status").code, Some(0));
}

#[test]
fn a_start_works_after_an_upgrade_has_removed_the_program() {
    let place = Place::new();
    let copy = place.path("psistats");
    copy_program(&copy);
    let script = format!(
        "exec 9< '{0}'; rm '{0}'; exec /proc/self/fd/9 start --config '{1}'",
        copy.display(),
        place.config().display()
    );
    let pid = Answer::of(Command::new("sh").args(["-c", &script])).started();
    place.run("status").runs(pid);
}

#[test]
fn a_wrong_configuration_prevents_a_start() {
    let place = Place::with("primary_timer=soon");
    let at = format!("{}:8:", place.config().display());
    place.run("start").complains(1, &[&at, "primary_timer", "soon"]);
    place.run("start-local").complains(1, &[&at]);
    assert!(!place.pidfile().exists());
    assert_eq!(place.run("status").code, Some(4));
}

#[test]
fn a_restart_with_a_wrong_configuration_leaves_the_service_running() {
    let place = Place::new();
    let pid = place.start();
    place.configure(&format!("pidfile={}\nprimary_timer=soon", place.pidfile().display()));
    place.run("restart").complains(1, &["primary_timer"]);
    assert!(lives(pid));
}

#[test]
fn a_start_with_a_missing_configuration_file_names_it() {
    let place = Place::new();
    fs::remove_file(place.config()).unwrap();
    place.run("start").complains(1, &[place.config().to_str().unwrap()]);
}
