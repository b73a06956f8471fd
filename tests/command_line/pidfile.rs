//! Which files are accepted as a pidfile, and how the others are reported.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::libc::{F_RDLCK, F_WRLCK, SEEK_SET, flock};
use nix::unistd::{geteuid, mkfifo};

use crate::place::{Answer, Place, kill_hard, lives};

#[test]
fn a_stale_pidfile_does_not_prevent_a_start_even_if_its_pid_is_in_use() {
    let place = Place::new();
    fs::write(place.pidfile(), format!("{}\n", std::process::id())).unwrap();
    let pid = place.start();
    assert_eq!(fs::read_to_string(place.pidfile()).unwrap(), format!("{pid}\n"));
}

#[test]
fn status_reports_a_killed_service_as_not_running_and_it_starts_again() {
    let place = Place::new();
    kill_hard(place.start());
    place
        .run("status")
        .says(1, &format!("psistats is not running, but {} exists\n", place.pidfile().display()));
    let pid = place.start();
    place.run("status").runs(pid);
}

#[test]
fn stop_removes_the_pidfile_of_a_killed_service() {
    let place = Place::new();
    kill_hard(place.start());
    let answer = place.run("stop");
    assert_eq!(answer.code, Some(0), "{answer:?}");
    assert!(answer.stdout.contains("removed the stale pidfile"), "{answer:?}");
    assert!(!place.pidfile().exists());
}

#[test]
fn a_pidfile_torn_by_a_power_cut_does_not_prevent_a_start() {
    for torn in ["", "\0\0\0\0\0"] {
        let place = Place::new();
        fs::write(place.pidfile(), torn).unwrap();
        place.start();
    }
}

#[test]
fn a_file_that_is_not_a_pidfile_is_named_and_left_unchanged() {
    for garbage in ["root:x:0:0:root:/root:/bin/bash\n", "-1\n", "12 13\n", &"7".repeat(100_000)] {
        let place = Place::new();
        fs::write(place.pidfile(), garbage).unwrap();
        place
            .run("start")
            .complains(1, &[place.pidfile().to_str().unwrap(), "not a pidfile", "[app] pidfile"]);
        assert_eq!(place.run("status").code, Some(1));
        let answer = place.run("stop");
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(answer.stdout.contains("not a pidfile"), "{answer:?}");
        assert_eq!(fs::read_to_string(place.pidfile()).unwrap(), garbage);
    }
}

#[test]
fn a_pidfile_locked_by_a_process_whose_pid_it_lacks_is_reported_and_no_process_is_signalled() {
    let place = Place::new();
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    for text in ["garbage\n", &format!("{}\n", bystander.id())] {
        fs::write(place.pidfile(), text).unwrap();
        let _lock = lock(&place.pidfile(), F_WRLCK);
        let told = format!("locked by process {}, but does not contain that PID", std::process::id());
        place.run("start").complains(1, &[&told, "[app] pidfile"]);
        let status = place.run("status");
        assert!(status.code == Some(4) && status.stdout.contains(&told), "{status:?}");
        place.run("stop").complains(1, &[&told]);
    }
    assert!(lives(bystander.id() as i32));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn fault_6_6_a_user_who_can_only_read_a_stale_pidfile_cannot_pass_for_the_service_by_locking_it() {
    let place = Place::new();
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    let number = format!("{}\n", bystander.id());
    let stale = format!("psistats is not running, but {} exists\n", place.pidfile().display());
    for round in 0..4 {
        fs::write(place.pidfile(), &number).unwrap();
        let file = File::open(place.pidfile()).unwrap();
        // The locks that need no more than read permission: flock(2), and a read lock.
        let _lock: Box<dyn std::any::Any> = match round {
            0 | 1 => Box::new(Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap()),
            _ => Box::new(lock(&place.pidfile(), F_RDLCK)),
        };
        place.run("status").says(1, &stale);
        if round % 2 == 0 {
            let answer = place.run("stop");
            assert!(answer.code == Some(0) && answer.stdout.contains("removed the stale"), "{answer:?}");
        } else {
            let pid = place.start();
            place.run("stop").says(0, &format!("psistats stopped, pid {pid}\n"));
        }
        assert!(!place.pidfile().exists());
    }
    assert!(lives(bystander.id() as i32));
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_symbolic_link_in_place_of_the_pidfile_is_not_followed() {
    let place = Place::new();
    let victim = place.path("victim");
    fs::write(&victim, "4711\n").unwrap();
    symlink(&victim, place.pidfile()).unwrap();
    place.run("start").complains(1, &["symbolic links are not followed", "[app] pidfile"]);
    assert_eq!(place.run("status").code, Some(4));
    assert_eq!(place.run("stop").code, Some(1));
    assert_eq!(fs::read_to_string(victim).unwrap(), "4711\n");
}

#[test]
fn a_fifo_or_a_directory_as_the_pidfile_is_refused_without_hanging() {
    let place = Place::new();
    mkfifo(&place.pidfile(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    place.run("start").complains(1, &["not a pidfile"]);
    assert_eq!(place.run("status").code, Some(4));
    fs::remove_file(place.pidfile()).unwrap();
    fs::create_dir(place.pidfile()).unwrap();
    place.run("start").complains(1, &["[app] pidfile"]);
    assert_eq!(place.run("status").code, Some(4));
}

#[test]
fn an_unwritable_pidfile_fails_with_advice() {
    let place = Place::new();
    let locked = place.path("locked");
    fs::create_dir(&locked).unwrap();
    place.configure(&format!("pidfile={}/psistats.pid", locked.display()));
    fs::set_permissions(&locked, Permissions::from_mode(0o555)).unwrap();
    Answer::of(&mut place.psistats_without_rights("start"))
        .complains(1, &["permission denied", "run as root, or set [app] pidfile"]);
    assert_eq!(place.processes(), [0; 0]);
}

#[test]
fn a_pidfile_in_a_missing_directory_fails_with_advice() {
    let place = Place::new();
    place.configure(&format!("pidfile={}/none/psistats.pid", place.directory.path().display()));
    place.run("start").complains(1, &["none/psistats.pid", "a directory that exists"]);
}

#[test]
fn stopping_the_service_of_another_user_says_to_run_as_root() {
    if !geteuid().is_root() {
        return; // There is nobody else here.
    }
    let place = Place::new();
    let pid = place.start();
    Answer::of(&mut place.psistats_without_rights("stop"))
        .complains(1, &[&format!("pid {pid}"), "run as root"]);
    assert!(lives(pid));
}

#[test]
fn a_relative_pidfile_is_relative_to_the_directory_in_which_psistats_was_started() {
    let place = Place::new();
    place.configure("pidfile=relative.pid");
    let answer = Answer::of(place.psistats("start").current_dir(place.directory.path()));
    let pid = answer.started();
    assert_eq!(fs::read_to_string(place.path("relative.pid")).unwrap(), format!("{pid}\n"));
    Answer::of(place.psistats("stop").current_dir(place.directory.path()))
        .says(0, &format!("psistats stopped, pid {pid}\n"));
}

/// Locks the file at `path`. Closing any descriptor of that file in this process releases the lock.
fn lock(path: &Path, kind: i32) -> File {
    let file = File::options().read(true).write(kind == F_WRLCK).open(path).unwrap();
    let whole = flock { l_type: kind as i16, l_whence: SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_SETLK(&whole)).unwrap();
    file
}
