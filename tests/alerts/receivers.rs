//! Receivers that nobody here wrote, and what is wrong with them.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::PATIENCE;
use support::process::{Process, Stream};

use crate::hub::{Hub, free_port};

/// An HTTP server: Python's.
pub struct Receiver {
    pub process: Process,
    port: u16,
}

const SERVER: &str = "
import http.server, json, sys, time
port, answers = int(sys.argv[1]), sys.argv[2:]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.do_POST()
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length'] or 0)) or b'null'
        answer = answers.pop(0) if answers else '200'
        if answer == 'slow': time.sleep(3600)
        print(json.dumps({'method': self.command, 'path': self.path, 'answer': answer, 'authorization': self.headers['authorization'],
                          'type': self.headers['content-type'], 'body': json.loads(body)}), flush=True)
        self.send_response(int(answer))
        if answer == '302': self.send_header('Location', 'http://127.0.0.1:%d/elsewhere' % port)
        self.end_headers()
        self.wfile.write(b'x' * 100000)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
print('ready', flush=True)
server.serve_forever()
";

impl Receiver {
    /// Gives these answers, one after the other: a status, or `slow`; and then 200.
    pub fn start(answers: &[&str]) -> Self {
        Self::at(free_port(), answers)
    }

    fn at(port: u16, answers: &[&str]) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        let process = Process::start(command.args(["-c", SERVER, &port.to_string()]).args(answers));
        process.wait_for_line("ready", PATIENCE);
        Self { process, port }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What came as number `number`, from 0.
    pub fn message(&self, number: usize) -> Value {
        let lines = self.process.wait_for_lines_of(Stream::Stdout, number + 2, PATIENCE);
        serde_json::from_str(&lines[number + 1]).unwrap()
    }

    fn texts(&self, count: usize) -> Vec<String> {
        (0..count).map(|number| self.message(number)["body"]["text"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_receiver_that_answers_500_gets_every_message_in_order_once_it_is_well() {
    let receiver = Receiver::start(&["500", "503", "429"]);
    let hub = Hub::start(&format!("[notify:hook]\ntype=webhook\nurl={}\n", receiver.url("/")));
    hub.hear(&[("a", 81.0), ("b", 82.0)]);
    let answers: Vec<_> =
        (0..5).map(|n| receiver.message(n)["answer"].as_str().unwrap().to_owned()).collect();
    assert_eq!(answers, ["500", "503", "429", "200", "200"]);
    let texts = receiver.texts(5);
    assert!(texts[..4].iter().all(|text| *text == texts[0]) && texts[4] != texts[0], "{texts:?}");
    hub.process.wait_for_line("messages are delivered again", PATIENCE);
    let failures = hub.process.lines().iter().filter(|line| line.contains("answered 50")).count();
    assert_eq!(failures, 1, "{:?}", hub.process.lines());
}

#[test]
#[ignore = "needs curl: tests/run"]
fn a_test_message_of_the_page_is_sent_at_once_past_what_waits_and_what_became_of_it_is_listed() {
    let (well, slow) = (Receiver::start(&[]), Receiver::start(&["slow"]));
    let gone = free_port();
    let hour = Command::new("date").arg("+%-H").output().unwrap().stdout;
    let hour: u32 = str::from_utf8(&hour).unwrap().trim().parse().unwrap();
    let (from, until) = ((hour + 13) % 24, (hour + 12) % 24); // all but an hour that is far from now
    let hub = Hub::start(&format!(
        "[notify:slow]\ntype=webhook\nurl={}\n[notify:gone]\ntype=webhook\nurl=http://127.0.0.1:{gone}/\n\
         [notify:well]\ntype=webhook\nurl={}\ntoken=sesame\nquiet={from}:00-{until}:00\nseverity=critical\n",
        slow.url("/"),
        well.url("/")
    ));
    let last = |name: &str| {
        let answer = hub.get("/api/v1/receivers");
        let receivers = answer["receivers"].as_array().unwrap().clone();
        receivers.into_iter().find(|receiver| receiver["name"] == name).unwrap()["last"].clone()
    };
    assert!(last("well").is_null());
    let said = hub.post("/api/v1/receivers/well/test");
    assert_eq!((&said["name"], said["said"].as_str().unwrap().ends_with("200 OK")), (&"well".into(), true));
    let message = well.message(0);
    assert_eq!(
        (&message["body"]["alert"], &message["authorization"]),
        (&"test".into(), &"Bearer sesame".into())
    );
    assert!(last("well")["error"].is_null() && last("well")["at"].is_f64());
    let refused = hub.post("/api/v1/receivers/gone/test");
    assert!(refused["error"].as_str().unwrap().contains(&format!("127.0.0.1:{gone}")), "{refused}");
    assert_eq!(last("gone")["error"], refused["error"]);
    let (answer, answers) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (answer, hub) = (answer.clone(), &hub);
            scope.spawn(move || answer.send(hub.post("/api/v1/receivers/slow/test")));
        }
        let busy = answers.recv().unwrap();
        assert!(busy["error"].as_str().unwrap().contains("already on its way"), "{busy}");
        // With it the other one has ten seconds.
        slow.process.signal(Signal::SIGKILL);
        let failed = answers.recv().unwrap();
        assert!(failed["error"].as_str().unwrap().contains("127.0.0.1"), "{failed}");
    });
    assert!(hub.post("/api/v1/receivers/nobody/test")["error"].as_str().unwrap().contains("[notify:nobody]"));
    assert!(!hub.process.lines().iter().any(|line| line.contains("sesame")));
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_receiver_that_is_slow_gone_or_redirecting_costs_its_own_delivery_alone() {
    let (well, slow, away) = (Receiver::start(&[]), Receiver::start(&["slow"]), Receiver::start(&["302"]));
    let gone = free_port();
    let hub = Hub::start(&format!(
        "[notify:slow]\ntype=webhook\nurl={}\n[notify:gone]\ntype=webhook\nurl=http://127.0.0.1:{gone}/\n\
         [notify:away]\ntype=webhook\nurl={}\n[notify:well]\ntype=webhook\nurl={}\n",
        slow.url("/"),
        away.url("/"),
        well.url("/")
    ));
    hub.hear(&[("a", 81.0)]);
    assert_eq!(well.texts(1), ["a: CPU is at 81 °C"]);
    hub.hear(&[("a", 60.0)]);
    well.message(1);
    // A redirect is not followed: where it leads, nobody has set.
    assert_eq!(away.message(1)["path"], "/");
    hub.process.wait_for_line("redirects are not followed", PATIENCE);
    hub.process.wait_for_line(&format!("127.0.0.1:{gone}: connection refused"), PATIENCE);
    // After ten seconds the slow one gets the same again.
    hub.process.wait_for_line("no answer within 10 s", PATIENCE);
    assert_eq!(slow.texts(1), ["a: CPU is at 81 °C"]);
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn what_a_receiver_was_not_told_is_told_after_the_hub_was_killed() {
    let port = free_port();
    let mut hub = Hub::start(&format!("[notify:hook]\ntype=webhook\nurl=http://127.0.0.1:{port}/\n"));
    hub.hear(&[("a", 81.0)]);
    hub.process.wait_for_line("connection refused", PATIENCE);
    hub.wait_until_kept("\"queues\":{\"hook\":[{\"board\":\"a\"");
    hub.restart(Signal::SIGKILL);
    let receiver = Receiver::at(port, &[]);
    assert_eq!(receiver.texts(1), ["a: CPU is at 81 °C"]);
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn ntfy_gets_a_topic_a_title_and_a_priority() {
    let receiver = Receiver::start(&[]);
    let hub = Hub::start(&format!("[notify:phone]\ntype=ntfy\nurl={}\n", receiver.url("/boards")));
    hub.hear(&[("a", 81.0)]);
    let message = receiver.message(0);
    assert_eq!((&message["path"], &message["body"]["topic"]), (&"/".into(), &"boards".into()));
    assert_eq!(message["body"]["message"], "a: CPU is at 81 °C");
    assert_eq!(
        (&message["body"]["title"], &message["body"]["priority"]),
        (&"psistats: temperature".into(), &4.into())
    );
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_command_gets_json_and_an_environment_and_no_shell_sees_a_boards_name() {
    let folder = tempfile::tempdir().unwrap();
    let (program, output) = (folder.path().join("told"), folder.path().join("output"));
    let script = format!(
        "#!/bin/sh\n(echo \"$#\"; echo \"$1\"; printenv PSISTATS_BOARD; cat) >{0}.new\nmv {0}.new {0}\n",
        output.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let touched = folder.path().join("touched");
    let hub = Hub::start(&format!(
        "[notify:run]\ntype=command\ncommand={} $(touch {})\n",
        program.display(),
        touched.display()
    ));
    let name = format!("`touch {0}`;touch {0}", touched.display());
    hub.hear(&[(&name, 81.0)]);
    let deadline = std::time::Instant::now() + PATIENCE;
    while !output.exists() {
        assert!(std::time::Instant::now() < deadline, "{:?}", hub.process.lines());
        std::thread::sleep(Duration::from_millis(20));
    }
    let text = std::fs::read_to_string(&output).unwrap();
    let mut lines = text.lines();
    assert_eq!((lines.next(), lines.next(), lines.next()), (Some("2"), Some("$(touch"), Some(&*name)));
    let message: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(message["board"], name);
    assert!(!touched.exists());
}

#[test]
fn a_heartbeat_is_got_at_intervals_whatever_it_answers() {
    let receiver = Receiver::start(&["500", "200"]);
    let hub = Hub::start(&format!("[heartbeat]\nurl={}\nevery=1\n", receiver.url("/ping/hidden")));
    for (number, answer) in ["500", "200", "200"].into_iter().enumerate() {
        let ping = receiver.message(number);
        assert_eq!((&ping["method"], &ping["path"]), (&"GET".into(), &"/ping/hidden".into()));
        assert_eq!(ping["answer"], answer);
    }
    hub.process.wait_for_line("[heartbeat]: 127.0.0.1:", PATIENCE);
    hub.process.wait_for_line("it is heard again", PATIENCE);
    assert!(!hub.process.lines().iter().any(|line| line.contains("hidden")), "{:?}", hub.process.lines());
}

#[test]
fn a_test_message_tells_whether_a_receiver_hears() {
    let receiver = Receiver::start(&["200", "404"]);
    let gone = free_port();
    let hub = Hub::start(&format!(
        "[notify:hook]\ntype=webhook\nurl={}\n[notify:gone]\ntype=webhook\nurl=http://127.0.0.1:{gone}/\n\
         [notify:cat]\ntype=command\ncommand=/bin/cat\n[notify:false]\ntype=command\ncommand=/bin/false\n",
        receiver.url("/")
    ));
    for (name, code, said) in [
        ("hook", 0, "[notify:hook]: delivered, 127.0.0.1:"),
        ("hook", 1, "answered 404 Not Found: check url and token"),
        ("gone", 1, "connection refused: is it running there?"),
        ("cat", 0, "/bin/cat ended with exit status: 0"),
        ("false", 1, "/bin/false ended with exit status: 1"),
        ("none", 1, "there is no section [notify:none] in the configuration, but of: hook, gone, cat, false"),
    ] {
        let mut command = hub.command(&["notify", "test", name]);
        assert_eq!(command.wait(PATIENCE).code(), Some(code), "{:?}", command.lines());
        assert!(command.lines().iter().any(|line| line.contains(said)), "{name}: {:?}", command.lines());
    }
    assert_eq!(receiver.message(0)["body"]["alert"], "test");
}
