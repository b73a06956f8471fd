//! Notifications to a service manager by sd_notify(3), and the credentials that it passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::proxy::{Direction, Proxy};
use support::refusing::Refusing;
use support::reports::read_past;
use support::service_manager::ServiceManager;

/// A short watchdog time, so that notifications come soon. Nothing kills the agent here if one is late.
const WATCHDOG_USEC: &str = "100000";

/// The agent, started as systemd starts it.
fn watched(manager: &ServiceManager, config: &Config) -> Agent {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.env("NOTIFY_SOCKET", &manager.socket).env("WATCHDOG_USEC", WATCHDOG_USEC);
    Agent::start_by(&mut command, config, &[])
}

fn without_status(messages: Vec<String>) -> Vec<String> {
    messages.into_iter().filter(|m| !m.starts_with("STATUS=") && m != "WATCHDOG=1").collect()
}

#[test]
fn readiness_and_watchdog_are_notified_without_a_broker_at_a_path_and_at_an_abstract_socket() {
    for manager in [ServiceManager::at_a_path(), ServiceManager::at_a_name()] {
        let nobody = Refusing::new();
        let mut agent = watched(&manager, &Config::new(nobody.port, "/"));
        manager.wait_for("READY=1");
        let status = manager.wait_for("STATUS=");
        assert!(
            status.starts_with("STATUS=sampled=1 confirmed=0 dropped=0 pending=1 (no connection"),
            "{status}"
        );
        // The status gives the reason as soon as it is known.
        let why = format!("(no connection: 127.0.0.1:{}: ", nobody.port);
        manager.wait_until("the reason", |status| status.starts_with("STATUS=") && status.contains(&why));
        let seen = manager.heard().len();
        manager.wait_for_after(seen, "WATCHDOG=1");
        assert!(agent.stop().success());
        manager.wait_for("STOPPING=1");
        assert_eq!(without_status(manager.heard()), ["READY=1", "STOPPING=1"]);
    }
}

#[test]
fn a_reload_is_notified_with_its_time_and_ends_in_ready_even_if_the_previous_settings_are_kept() {
    let manager = ServiceManager::at_a_name();
    let nobody = Refusing::new();
    let config = Config::new(nobody.port, "/");
    let agent = watched(&manager, &config);
    manager.wait_for("READY=1");
    let reloads =
        [(config.clone(), "was reloaded"), (config.text("[app\n"), "keeping the previous configuration")];
    for (config, said) in reloads {
        let seen = manager.heard().len();
        agent.reload(&config);
        let announced = manager.wait_for_after(seen, "RELOADING=1\nMONOTONIC_USEC=");
        let usec: u64 = announced.rsplit('=').next().unwrap().parse().unwrap();
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let now_s: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // CLOCK_BOOTTIME also counts while the machine is suspended, CLOCK_MONOTONIC does not.
        assert!(usec > 0 && usec as f64 / 1e6 <= now_s + 1.0, "{usec} us, up {now_s} s");
        manager.wait_for_after(seen, "READY=1");
        agent.wait_for_line(said, PATIENCE);
        let since = without_status(manager.heard().split_off(seen));
        assert_eq!(since, [announced, "READY=1".into()]);
    }
}

#[test]
fn watchdog_notifications_stop_while_sampling_is_stopped_and_resume_after_it() {
    let manager = ServiceManager::at_a_path();
    let nobody = Refusing::new();
    // No report is due for an hour, so the notifications do not depend on reports.
    let mut agent = watched(&manager, &Config::new(nobody.port, "/").set("app", "primary_timer", 3600));
    manager.wait_for("WATCHDOG=1");
    agent.signal(Signal::SIGSTOP);
    let pid = Id::Pid(Pid::from_raw(agent.pid() as i32));
    waitid(pid, WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT).unwrap();
    // The socket keeps the order: when this message has arrived, so have all that the agent sent before it was
    // suspended.
    let mark = |text: &str| {
        let to = std::os::unix::net::UnixDatagram::unbound().unwrap();
        to.send_to(text.as_bytes(), &manager.socket).unwrap();
        manager.wait_for(text);
        manager.heard().len()
    };
    let stopped = mark("stopped");
    std::thread::sleep(std::time::Duration::from_millis(500)); // five times the watchdog's patience
    assert_eq!(mark("still stopped"), stopped + 1, "{:?}", manager.heard());
    agent.signal(Signal::SIGCONT);
    manager.wait_for_after(stopped + 1, "WATCHDOG=1");
    assert!(agent.stop().success());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn watchdog_notifications_go_on_while_the_broker_is_silent_and_the_status_shows_the_connection() {
    let manager = ServiceManager::at_a_path();
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    let mut agent = watched(&manager, &Config::new(proxy.port, &vhost));
    read_past(&reading, 2);
    let ready = |seen: usize| {
        let told = || manager.heard().into_iter().skip(seen).any(|m| m.contains("(connected to "));
        let deadline = std::time::Instant::now() + PATIENCE;
        while !told() {
            assert!(std::time::Instant::now() < deadline, "{:?}", manager.heard());
            manager.wait_for_after(manager.heard().len(), "STATUS=");
        }
    };
    ready(0);
    proxy.stall(Direction::FromServer);
    proxy.stall(Direction::FromClient);
    for _ in 0..5 {
        manager.wait_for_after(manager.heard().len(), "WATCHDOG=1");
    }
    proxy.resume(Direction::FromClient);
    proxy.resume(Direction::FromServer);
    assert!(agent.stop().success());
    assert_eq!(without_status(manager.heard()), ["READY=1", "STOPPING=1"]);
}

#[test]
fn the_watchdog_of_another_process_is_ignored_and_without_a_socket_nothing_is_sent() {
    let nobody = Refusing::new();
    let manager = ServiceManager::at_a_path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.env("NOTIFY_SOCKET", &manager.socket).env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1");
    let mut agent = Agent::start_by(&mut command, &Config::new(nobody.port, "/"), &[]);
    manager.wait_for_after(4, "STATUS=");
    assert!(agent.stop().success());
    assert_eq!(manager.heard().iter().filter(|m| *m == "WATCHDOG=1").count(), 0);

    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.env("NOTIFY_SOCKET", "run/notify");
    let mut agent = Agent::start_by(&mut command, &Config::new(nobody.port, "/"), &[]);
    assert_eq!(agent.wait(PATIENCE).code(), Some(1));
    let line = agent.wait_for_line("NOTIFY_SOCKET", PATIENCE);
    assert!(line.contains("expected /PATH or @NAME"), "{line}");
}

#[test]
fn an_unreachable_service_manager_logs_one_line_and_costs_no_report() {
    let nobody = Refusing::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.env("NOTIFY_SOCKET", "@nobody-listens-here").env("WATCHDOG_USEC", WATCHDOG_USEC);
    let mut agent = Agent::start_by(&mut command, &Config::new(nobody.port, "/"), &["--stdout"]);
    agent.wait_for_lines_of(support::process::Stream::Stdout, 10, PATIENCE);
    assert!(agent.stop().success());
    let told = agent.lines().iter().filter(|line| line.contains("cannot notify the service manager")).count();
    assert_eq!(told, 1, "{:?}", agent.lines());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_credential_is_the_password_and_a_reload_without_it_keeps_the_previous_configuration() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let credentials = tempfile::tempdir().unwrap();
    let secret = credentials.path().join("broker");
    fs::write(&secret, "guest\n").unwrap();
    let config = Config::new(broker.port, &vhost).set("server", "pass", "@credential:broker");
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.env("CREDENTIALS_DIRECTORY", credentials.path());
    let mut agent = Agent::start_by(&mut command, &config, &[]);
    read_past(&reading, 2);
    fs::remove_file(&secret).unwrap();
    agent.reload(&config);
    let line = agent.wait_for_line("expected a password in", PATIENCE);
    assert!(line.contains("psistats.conf:") && line.contains("No such file"), "{line}");
    agent.wait_for_line("keeping the previous configuration", PATIENCE);
    read_past(&reading, 40);
    assert!(agent.stop().success());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_4_5_start_and_status_report_a_wrong_password_and_status_when_it_is_corrected() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("psistats.conf");
    let config = Config::new(broker.port, &vhost).set("app", "pidfile", dir.path().join("pid").display());
    let psistats = |command: &str| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_psistats")).arg(command).arg("--config").arg(&file).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    let _end = AtTheEnd(|| drop(psistats("stop")));
    fs::write(&file, config.clone().set("server", "pass", "wrong").to_string()).unwrap();
    let started = psistats("start");
    let why = format!("127.0.0.1:{}: ", broker.port);
    assert!(started.contains(&format!("; no connection yet: {why}")), "{started}");
    assert!(started.contains("check [server] user and pass"), "{started}");
    let status = psistats("status");
    assert!(status.contains(" s): ") && status.contains("check [server] user and pass"), "{status}");

    // The new password is tried at once, and the previous failure is still shown.
    fs::write(&file, config.to_string()).unwrap();
    let pid = started.split("pid ").nth(1).unwrap().split(';').next().unwrap();
    nix::sys::signal::kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGHUP).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    let status = loop {
        let status = psistats("status");
        if status.contains("connected to ") {
            break status;
        }
        assert!(std::time::Instant::now() < deadline, "{status}");
    };
    assert!(status.contains(&format!("connected to 127.0.0.1:{} (for ", broker.port)), "{status}");
    assert!(status.contains("last error (") && status.contains("check [server] user and pass"), "{status}");

    psistats("stop");
    let started = psistats("start");
    assert!(started.ends_with(&format!("; connected to 127.0.0.1:{}\n", broker.port)), "{started}");
}

/// Runs a function at the end of the test, whether it succeeds or not.
struct AtTheEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtTheEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
