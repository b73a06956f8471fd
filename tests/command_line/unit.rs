//! How the commands find the service that systemd runs: by its socket in /run/psistats, or by the unit's
//! processes. Each test has both in a mount namespace of its own.

use std::fs;
use std::process::Command;

use crate::place::{Answer, PSISTATS, Place};

/// Runs a shell script where /run and /sys/fs/cgroup are empty. In it `psistats` is the program, and prints its
/// exit code where that is not 0.
fn in_a_machine(script: &str) -> String {
    let place = Place::new();
    // unit.conf has the default pidfile, as the unit's configuration does. The other configuration has a
    // pidfile of its own.
    place.configure("");
    fs::rename(place.config(), place.path("unit.conf")).unwrap();
    place.configure("pidfile=/run/other.pid");
    let script = format!(
        "set -e
        mount -t tmpfs none /run && mount -t tmpfs none /sys/fs/cgroup
        [ /var/run -ef /run ] || mount --bind /run /var/run
        psistats() {{ '{PSISTATS}' \"$@\" 2>&1 || echo \"exit $?\"; }}
        cd '{}'
        {script}",
        place.directory.path().display()
    );
    let answer = Answer::of(Command::new("unshare").args(["--mount", "sh", "-c", &script]));
    assert_eq!(answer.code, Some(0), "{answer:?}");
    answer.stdout
}

#[test]
#[ignore = "needs root: tests/run"]
fn fault_4_2_status_shows_the_systemd_unit_and_start_stop_and_restart_refer_to_systemctl() {
    let said = in_a_machine(&format!(
        "mkdir /run/psistats
        NOTIFY_SOCKET=@nobody RUNTIME_DIRECTORY=/run/psistats '{PSISTATS}' start-local --config unit.conf 2>/run/log & pid=$!
        until grep -q 'ext attempt' /run/log; do sleep 0.01; done
        for command in status start stop restart; do psistats $command --config unit.conf; done | sed s/$pid/PID/
        psistats status
        psistats start | cut -d, -f1
        psistats stop | cut -d, -f1
        echo stopped
        kill -STOP $pid
        psistats status --config unit.conf | sed s/$pid/PID/
        kill -KILL $pid
        wait $pid || true
        psistats status --config unit.conf"
    ));
    let runs = "psistats is already running as a systemd service, pid PID: use `sudo systemctl";
    let expected = [
        "psistats is running, pid PID (psistats.service)",
        "no connection (for ",
        "sampled=",
        &format!("{runs} restart psistats`"),
        &format!("{runs} stop psistats`"),
        "exit 1",
        &format!("{runs} restart psistats`"),
        "exit 1",
        // The instance with a pidfile of its own.
        "psistats is not running",
        "exit 3",
        "psistats started",
        "psistats stopped",
        // The unit's process is suspended, and then killed.
        "stopped",
        "psistats is running, pid PID (psistats.service)",
        "psistats is not running",
        "exit 3",
    ];
    let lines: Vec<&str> = said.lines().collect();
    let as_expected = lines.iter().zip(&expected).all(|(line, start)| line.starts_with(start));
    assert!(as_expected && lines.len() == expected.len(), "{said}");
}

#[test]
#[ignore = "needs root: tests/run"]
fn a_unit_without_a_socket_is_found_by_its_processes_if_systemd_runs_and_they_are_visible() {
    let said = in_a_machine(
        "unit=/sys/fs/cgroup/system.slice/psistats.service
        mkdir -p $unit && echo 4711 >$unit/cgroup.procs
        psistats status --config unit.conf
        mkdir -p /run/systemd/system
        psistats status --config unit.conf
        psistats start --config unit.conf
        psistats status
        echo 0 >$unit/cgroup.procs
        psistats status --config unit.conf",
    );
    let expected = [
        "psistats is not running\nexit 3",
        "psistats is running, pid 4711 (psistats.service)",
        "psistats is already running as a systemd service, pid 4711: use `sudo systemctl restart psistats`",
        "psistats is not running\nexit 3",
        "psistats is not running\nexit 3\n",
    ];
    assert_eq!(said, expected.join("\n"));
}
