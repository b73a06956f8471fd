//! A hub as a process, with rules that need no minutes, and boards that publish to it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::master::python;
use support::process::{Process, Stream};
use tempfile::TempDir;

/// Temperature at once, and loss as soon as the wall shows it.
const QUICK: &str = "[alerts]\ngrace=0\n[alert:temperature]\nfor=0\n[alert:lost]\nfor=0\n";

/// Of the certificates that a hub trusts, beside its configuration.
const TRUSTED: &str = "trusted";

pub struct Hub {
    pub process: Process,
    page: u16,
    amqp: u16,
    folder: TempDir,
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Hub {
    /// With these sections of receivers.
    pub fn start(receivers: &str) -> Self {
        let (page, amqp, folder) = (free_port(), free_port(), tempfile::tempdir().unwrap());
        let data = folder.path().join("data");
        let text = format!(
            "[hub]\nlisten=127.0.0.1:{page}\namqp=127.0.0.1:{amqp}\nchasar=no\nself=no\ndata={}\n{QUICK}{receivers}",
            data.display()
        );
        std::fs::write(folder.path().join("hub.conf"), text).unwrap();
        let process = run(folder.path().join("hub.conf"), &[]);
        process.wait_for_line("http://127.0.0.1", PATIENCE);
        Self { process, page, amqp, folder }
    }

    /// Runs a command with the same configuration.
    pub fn command(&self, words: &[&str]) -> Process {
        run(self.folder.path().join("hub.conf"), words)
    }

    /// Has it trust a certificate from now on, and no other.
    pub fn trust(&self, certificate: &Path) {
        std::fs::copy(certificate, self.folder.path().join(TRUSTED)).unwrap();
    }

    /// Ends it by that signal, and starts it again.
    pub fn restart(&mut self, signal: Signal) {
        self.process.signal(signal);
        self.process.wait(PATIENCE);
        self.process = run(self.folder.path().join("hub.conf"), &[]);
        self.process.wait_for_line("http://127.0.0.1", PATIENCE);
    }

    /// Boards that report by pika, one after the other: name and temperature.
    pub fn hear(&self, reports: &[(&str, f64)]) {
        let reports: Vec<_> =
            reports.iter().map(|(name, degrees)| format!("('{name}', {degrees})")).collect();
        let mut publisher = python(&format!(
            "import pika
p = pika.ConnectionParameters('127.0.0.1', {}, credentials=pika.PlainCredentials('guest', 'guest'))
c = pika.BlockingConnection(p).channel()
c.confirm_delivery()
for name, degrees in [{}]:
    c.basic_publish('', 'x', json.dumps({{'hostname': name, 'cpu_temp': degrees}}))
print('confirmed')",
            self.amqp,
            reports.join(", ")
        ));
        publisher.wait_for_line("confirmed", PATIENCE);
        publisher.wait(PATIENCE);
    }

    /// What the API lists, once that is so.
    pub fn wait_for_alerts(&self, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let list = |answer: &Value| answer["alerts"].as_array().unwrap().clone();
        list(&self.wait_for("/api/v1/alerts", |answer| is_so(&list(answer))))
    }

    /// Waits until the alerts that are kept on the disk have this text in them.
    pub fn wait_until_kept(&self, text: &str) {
        let (file, deadline) = (self.folder.path().join("data/alerts"), Instant::now() + PATIENCE);
        while !std::fs::read_to_string(&file).is_ok_and(|kept| kept.contains(text)) {
            assert!(Instant::now() < deadline, "{:?}", self.process.lines());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the API answers, whatever its status.
    pub fn get(&self, path: &str) -> Value {
        self.ask("GET", path)
    }

    /// The same to a request that does something.
    pub fn post(&self, path: &str) -> Value {
        self.ask("POST", path)
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.page);
        let output = Command::new("curl").args(["-sS", "--request", method, &url]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// What the API answers, once that is so.
    fn wait_for(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let url = format!("http://127.0.0.1:{}{path}", self.page);
            let output = Command::new("curl").args(["-sS", "--fail", &url]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            let answer = serde_json::from_slice(&output.stdout).unwrap();
            if is_so(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{answer} {:?}", self.process.lines());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn run(config: PathBuf, words: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
    command.env("SSL_CERT_FILE", config.with_file_name(TRUSTED));
    Process::start(command.arg("--config").arg(config).args(words))
}

#[test]
#[ignore = "needs python3-pika and curl: tests/run"]
fn a_webhook_gets_what_is_raised_and_what_is_over_with_a_restart_of_the_hub_in_between() {
    let receiver = crate::receivers::Receiver::start(&[]);
    let mut hub =
        Hub::start(&format!("[notify:hook]\ntype=webhook\nurl={}\ntoken=sesame\n", receiver.url("/a?b=c")));
    hub.hear(&[("pi", 84.0)]);
    let raised = receiver.message(0);
    assert_eq!((&raised["path"], &raised["authorization"]), (&"/a?b=c".into(), &"Bearer sesame".into()));
    let body = &raised["body"];
    for (key, value) in
        [("board", "pi"), ("alert", "temperature"), ("state", "raised"), ("series", "cpu_temp")]
    {
        assert_eq!(body[key], value, "{body}");
    }
    assert_eq!(body["text"], "pi: CPU is at 84 °C");
    let listed = hub.wait_for_alerts(|alerts| alerts.iter().any(|alert| alert["alert"] == "temperature"));
    assert!(listed.iter().any(|alert| alert["id"] == body["id"] && alert["acknowledged"].is_null()));

    let id = body["id"].as_str().unwrap();
    let url = format!("http://127.0.0.1:{}/api/v1/alerts/{id}/acknowledge", hub.page);
    let output = Command::new("curl").args(["-sS", "--fail", "--request", "POST", &url]).output().unwrap();
    let acknowledged: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(acknowledged["id"] == id && acknowledged["acknowledged"].is_f64(), "{output:?}");
    hub.restart(Signal::SIGTERM);
    hub.wait_for_alerts(|alerts| {
        let found = alerts.iter().find(|alert| alert["id"] == id);
        found.is_some_and(|alert| alert["acknowledged"] == acknowledged["acknowledged"])
    });
    hub.hear(&[("pi", 85.0), ("pi", 60.0)]);
    let over = &receiver.message(1)["body"];
    assert_eq!((&over["state"], &over["since"]), (&"cleared".into(), &body["since"]));
    assert_eq!(over["id"], id);
    assert!(over["text"].as_str().unwrap().starts_with("pi: CPU is at 84 °C: over after "), "{over}");
    assert!(!hub.process.lines().iter().any(|line| line.contains("sesame") || line.contains("b=c")));
}

#[test]
#[ignore = "needs curl: tests/run"]
fn an_agent_that_is_killed_is_told_as_lost_and_then_as_heard_again() {
    let receiver = crate::receivers::Receiver::start(&[]);
    let hub = Hub::start(&format!("[notify:hook]\ntype=webhook\nurl={}\n", receiver.url("/")));
    let start = || Agent::on_board("pi-lost", &Config::new(hub.amqp, "/"));
    let agent = start();
    hub.wait_for("/api/v1/hosts", |hosts| hosts["hosts"][0]["name"] == "pi-lost");
    drop(agent);
    let lost = &receiver.message(0)["body"];
    assert_eq!(
        (&lost["board"], &lost["alert"], &lost["state"]),
        (&"pi-lost".into(), &"lost".into(), &"raised".into())
    );
    let _agent = start();
    let heard = &receiver.message(1)["body"];
    assert_eq!((&heard["board"], &heard["state"]), (&"pi-lost".into(), &"cleared".into()));
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn rules_are_tried_on_the_history_that_a_hub_keeps() {
    let hub = Hub::start("");
    // Of each of 50 minutes of the last hour: a hot quarter of an hour, and then a reboot.
    let publisher = python(&format!(
        "import pika, time
p = pika.ConnectionParameters('127.0.0.1', {}, credentials=pika.PlainCredentials('guest', 'guest'))
c = pika.BlockingConnection(p).channel()
begin = time.time() // 60 * 60 - 3600
for n in range(50):
    body = {{'hostname': 'pi', 'ts': begin + n * 60 + 5, 'cpu_temp': 84 if 10 <= n < 25 else 60, 'uptime': n * 60 if n < 40 else (n - 40) * 60, 'mem': 40}}
    # The last one is confirmed, and with it all.
    if n == 49: c.confirm_delivery()
    c.basic_publish('', 'x', json.dumps(body))
print('confirmed')",
        hub.amqp
    ));
    publisher.wait_for_line("confirmed", PATIENCE);
    let rules = hub.folder.path().join("rules.conf");
    std::fs::write(&rules, "[alert:busy]\nseries=mem\nabove=41\n").unwrap();
    let url = format!("http://127.0.0.1:{}", hub.page);
    let mut tried = hub.command(&["alerts", "try", rules.to_str().unwrap(), &url]);
    assert!(tried.wait(PATIENCE).success(), "{:?}", tried.lines());
    let lines = tried.wait_for_lines_of(Stream::Stdout, 4, PATIENCE);
    let columns: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
    let said: Vec<_> = columns.iter().map(|columns| columns[2..5].join(" ")).collect();
    assert_eq!(
        said,
        ["pi temperature raised", "pi temperature cleared", "pi reboot raised", "pi lost raised"],
        "{lines:?}"
    );
    let seconds = |line: usize| {
        let clock: Vec<i64> = columns[line][1].split(':').map(|part| part.parse().unwrap()).collect();
        clock[0] * 3600 + clock[1] * 60 + clock[2]
    };
    assert_eq!((seconds(1) - seconds(0)).rem_euclid(86_400), 600, "{lines:?}");
    assert!(lines[0].ends_with("CPU is at 84 °C"), "{lines:?}");
    tried.wait_for_line("raised=3 boards=1, ", PATIENCE);
}
