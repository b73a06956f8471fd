//! start, stop, restart and status, and the foreground.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Answer, PSISTATS, Place, kill_hard, lives, status_line, wait_until};

#[test]
fn a_service_starts_reports_its_status_and_stops() {
    let place = Place::new();
    place.run("status").says(3, "psistats is not running\n");

    let pid = place.start();
    assert_eq!(fs::read_to_string(place.pidfile()).unwrap(), format!("{pid}\n"));
    assert_eq!(place.pidfile().metadata().unwrap().mode() & 0o777, 0o644);
    place.run("status").runs(pid);

    place.run("stop").says(0, &format!("psistats stopped, pid {pid}\n"));
    wait_until("the stopped process is gone", || !lives(pid));
    assert!(!place.pidfile().exists());
    place.run("status").says(3, "psistats is not running\n");
}

#[test]
fn fault_4_5_start_reports_the_first_attempt_to_connect_and_status_the_last_error_to_any_user() {
    let place = Place::new();
    let answer = place.run("start");
    let pid = answer.started();
    let why = "127.0.0.1:1: ";
    let told = format!("psistats started, pid {pid}; no connection yet: {why}");
    assert!(answer.stdout.starts_with(&told) && answer.stdout.contains("efused"), "{answer:?}");

    let lines = |answer: &Answer| answer.stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    for answer in [place.run("status"), Answer::of(&mut place.psistats_without_rights("status"))] {
        answer.runs(pid);
        let [_, connection, counters] = &lines(&answer)[..] else { panic!("{answer:?}") };
        let (state, reason) = connection.split_once(" s): ").unwrap();
        assert!(state.starts_with("no connection (for ") && reason.starts_with(why), "{answer:?}");
        assert!(counters.starts_with("sampled=") && counters.contains(" confirmed=0 "), "{answer:?}");
    }
    // A service that cannot answer is still reported as running.
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    let answer = place.run("status");
    answer.runs(pid);
    assert_eq!(lines(&answer).len(), 1, "{answer:?}");
    kill(Pid::from_raw(pid), Signal::SIGCONT).unwrap();

    assert!(place.socket().exists());
    place.run("stop").says(0, &format!("psistats stopped, pid {pid}\n"));
    assert!(!place.socket().exists());
}

#[test]
fn fault_6_12_a_start_with_too_few_descriptors_fails_with_advice() {
    let place = Place::new();
    for (command, limit) in [("start", 5), ("start-local", 4)] {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--nofile={limit}")).args([PSISTATS, command, "--config"]).arg(place.config());
        let answer = Answer::of(&mut prlimit);
        assert_eq!((answer.code, answer.stdout.as_str()), (Some(1), ""), "{answer:?}");
        let last = answer.stderr.lines().last().unwrap();
        assert!(last.contains("too many open files: raise the limit (ulimit -n"), "{answer:?}");
        assert_eq!(place.run("status").code, Some(3));
    }
}

#[test]
fn a_client_that_asks_for_the_status_without_reading_it_blocks_nobody() {
    let place = Place::new();
    let pid = place.start();
    let askers: Vec<_> = (0..20).map(|_| UnixStream::connect(place.socket()).unwrap()).collect();
    let answer = place.run("status");
    answer.runs(pid);
    assert!(answer.stdout.contains("\nsampled="), "{answer:?}");
    place.run("stop").says(0, &format!("psistats stopped, pid {pid}\n"));
    drop(askers);
}

#[test]
fn the_socket_of_a_killed_service_is_replaced_and_a_file_in_its_place_is_left_alone() {
    let place = Place::new();
    kill_hard(place.start());
    assert!(place.socket().exists());
    kill_hard(place.start());
    assert_eq!(place.run("stop").code, Some(0));
    assert!(!place.socket().exists());
    fs::write(place.socket(), "mine").unwrap();
    let pid = place.start();
    place.run("status").says(0, &format!("psistats is running, pid {pid}\n"));
    place.run("stop").says(0, &format!("psistats stopped, pid {pid}\n"));
    assert_eq!(fs::read_to_string(place.socket()).unwrap(), "mine");
}

#[test]
fn stopping_a_stopped_service_succeeds() {
    let answer = Place::new().run("stop");
    assert_eq!(answer.code, Some(0));
    assert!(answer.stdout.starts_with("psistats is not running"), "{answer:?}");
}

#[test]
fn restart_replaces_a_running_service_and_starts_a_stopped_one() {
    let place = Place::new();
    let answer = place.run("restart");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let first = place.processes()[0];

    let answer = place.run("restart");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    let second = place.processes()[0];
    let told = format!("psistats stopped, pid {first}\npsistats started, pid {second}; no connection");
    assert!(answer.stdout.starts_with(&told), "{answer:?}");
    assert_ne!(first, second);
    place.run("status").runs(second);
}

#[test]
fn a_second_start_prints_the_running_pid_and_changes_nothing() {
    let place = Place::new();
    let pid = place.start();
    let answer = place.run("start");
    assert_eq!(
        answer.stderr,
        format!("psistats is already running, pid {pid} ({})\n", place.pidfile().display())
    );
    answer.says(0, "");
    assert_eq!(place.processes(), [pid]);
}

#[test]
fn of_two_simultaneous_starts_exactly_one_wins() {
    for round in 0..10 {
        let place = Place::new();
        if round % 2 == 1 {
            fs::write(place.pidfile(), "99999999\n").unwrap();
        }
        let starts = [place.psistats("start"), place.psistats("start")]
            .map(|mut it| it.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let answers = starts.map(|child| Answer::from(child.wait_with_output().unwrap()));
        let (winners, losers): (Vec<_>, Vec<_>) = answers.iter().partition(|it| !it.stdout.is_empty());
        assert_eq!((winners.len(), losers.len()), (1, 1), "{answers:?}");
        let pid = winners[0].started();
        assert!(
            losers[0].stderr.starts_with(&format!("psistats is already running, pid {pid} (")),
            "{answers:?}"
        );
        wait_until("the loser is gone", || place.processes() == [pid]);
        place.run("stop").says(0, &format!("psistats stopped, pid {pid}\n"));
    }
}

#[test]
fn a_start_waits_up_to_pidfile_timeout_for_the_lock() {
    let place = Place::new();
    place.configure(&format!("pidfile={}\npidfile_timeout=60", place.pidfile().display()));
    let first = place.start();
    let second = place.psistats("start").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the second service waits", || place.processes().len() == 3);
    // A start without pidfile_timeout would have given up by now.
    thread::sleep(Duration::from_secs(1));
    place.run("stop").says(0, &format!("psistats stopped, pid {first}\n"));
    let second = Answer::from(second.wait_with_output().unwrap()).started();
    place.run("status").runs(second);
}

#[test]
fn start_local_runs_in_the_foreground_without_a_pidfile_until_a_signal() {
    for (command, signal) in [("start-local", Signal::SIGTERM), ("--start-console", Signal::SIGINT)] {
        let place = Place::new();
        let mut child = Guarded(place.psistats(command).stderr(Stdio::null()).spawn().unwrap());
        let pid = i32::try_from(child.0.id()).unwrap();
        wait_until("the program awaits signals", || awaits(pid, signal));
        assert!(!place.pidfile().exists());
        place.run("status").says(3, "psistats is not running\n");
        kill(Pid::from_raw(pid), signal).unwrap();
        assert_eq!(child.0.wait().unwrap().code(), Some(0));
    }
}

struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether the process blocks or catches `signal`, so that it is not killed by it.
fn awaits(pid: i32, signal: Signal) -> bool {
    ["SigBlk", "SigCgt"].into_iter().any(|key| {
        let mask = u64::from_str_radix(&status_line(pid, key), 16).unwrap();
        mask >> (signal as u32 - 1) & 1 == 1
    })
}
