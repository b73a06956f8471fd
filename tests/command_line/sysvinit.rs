//! systemd/psistats.init, run by Debian's sh, with the exit codes of LSB ("Init Script Actions").

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{Answer, PSISTATS, Place, kill_hard, lives, wait_until};

/// The script, installed in a directory of the test.
struct Script {
    place: Place,
    daemon: String,
}

impl Script {
    fn new() -> Self {
        let place = Place::new();
        let daemon = PSISTATS.to_owned();
        Self { place, daemon }
    }

    fn run(&self, action: &str) -> Answer {
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/psistats.init");
        let mut text = fs::read_to_string(original).unwrap();
        let config = self.place.config();
        let config = config.to_str().unwrap();
        for (key, from, to) in
            [("DAEMON", "/usr/bin/psistats", &*self.daemon), ("CONFIG", "/etc/psistats.conf", config)]
        {
            let line = format!("\n{key}={from}\n");
            assert!(text.contains(&line), "{text}");
            text = text.replace(&line, &format!("\n{key}={to}\n"));
        }
        let script = self.place.path("init");
        fs::write(&script, text).unwrap();
        // As at boot: in an unrelated directory and without an environment.
        let mut sh = Command::new("/bin/sh");
        Answer::of(sh.arg(script).arg(action).env_clear().current_dir("/tmp").stdin(Stdio::null()))
    }
}

#[test]
fn the_sysvinit_script_starts_once_reports_the_status_and_stops_with_lsb_exit_codes() {
    let script = Script::new();
    assert_eq!(script.run("status").code, Some(3));
    let pid = script.run("start").started();
    assert_eq!(script.run("start").code, Some(0));
    assert_eq!(script.place.processes(), [pid]);
    script.run("status").runs(pid);

    assert_eq!(script.run("restart").code, Some(0));
    let next = script.place.processes()[0];
    assert!(next != pid && !lives(pid), "{pid} and {next}");
    assert_eq!(script.run("try-restart").code, Some(0));
    assert!(!lives(next));

    assert_eq!(script.run("stop").code, Some(0));
    wait_until("it is gone", || script.place.processes().is_empty());
    assert_eq!(script.run("stop").code, Some(0));
    assert_eq!(script.run("try-restart").code, Some(0));
    assert_eq!(script.place.processes(), [0; 0]);
    script.run("status").says(3, "psistats is not running\n");
}

#[test]
fn the_sysvinit_script_reports_a_crash_and_starts_again_after_it() {
    let script = Script::new();
    kill_hard(script.run("start").started());
    assert_eq!(script.run("status").code, Some(1));
    let pid = script.run("start").started();
    script.run("status").runs(pid);
}

#[test]
fn the_sysvinit_script_reloads_a_running_service_and_refuses_a_wrong_configuration() {
    let script = Script::new();
    let log = script.place.path("log");
    let configure = |more: &str| {
        let logging = format!(
            "[logging]\nkeys=root\n[logger_root]\nlevel=INFO\nhandlers=f\n[handler_f]\nclass=FileHandler\nargs=({:?},)",
            log.display()
        );
        script.place.configure(&format!("pidfile={}\n{more}\n{logging}", script.place.pidfile().display()));
    };
    configure("");
    assert_eq!(script.run("reload").code, Some(7), "nothing runs");
    assert_eq!(script.run("force-reload").code, Some(0));
    let pid = script.place.processes()[0];
    let reloads = || fs::read_to_string(&log).unwrap().matches("was reloaded").count();
    for (times, action) in [(1, "reload"), (2, "force-reload")] {
        assert_eq!(script.run(action).code, Some(0));
        wait_until("it was read again", || reloads() == times);
    }
    configure("primary_timer=soon");
    let answer = script.run("reload");
    assert!(answer.stderr.contains("primary_timer: expected seconds"), "{answer:?}");
    assert_eq!(answer.code, Some(1));
    assert_eq!((reloads(), script.place.processes()), (2, vec![pid]));
}

#[test]
fn the_sysvinit_script_of_a_removed_program_accepts_stop_and_refuses_other_actions() {
    let mut script = Script::new();
    script.daemon = script.place.path("removed").to_str().unwrap().to_owned();
    for (action, code) in [("stop", 0), ("status", 4), ("start", 5), ("restart", 5)] {
        assert_eq!(script.run(action).code, Some(code), "{action}");
    }
    script.daemon = PSISTATS.to_owned();
    script.run("dance").complains(2, &["Usage:", "force-reload"]);
}
