//! Chasar's connections, encrypted: our client node, libzmq on both sides, and whoever has other keys.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::master::{Master, message};
use support::PATIENCE;
use support::master::python;
use support::process::Process;
use support::project::program;

/// A pair of keys, as the command makes it.
struct Pair {
    folder: TempDir,
    public: String,
}

/// What the command prints.
fn keygen(words: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
    let output = command.args(["curve", "keygen"]).args(words).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

impl Pair {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("key").display().to_string();
        let (made, text) = keygen(&["--to", &file]);
        assert!(made && text.contains(&format!("\ncurve_key=@file:{file}\n")), "{text}");
        let public = text.lines().find_map(|line| line.strip_prefix("curve_server_key=")).unwrap().to_owned();
        assert!(text.contains(&format!("\n{public} NAME")), "{text}");
        Self { folder, public }
    }

    /// The line of the configuration for whoever it is.
    fn line(&self) -> String {
        format!("curve_key=@file:{}", self.folder.path().join("key").display())
    }

    fn secret(&self) -> String {
        fs::read_to_string(self.folder.path().join("key")).unwrap().trim_end().to_owned()
    }

    /// A file of these clients, as a line of the configuration.
    fn clients(&self, clients: &[&Self]) -> String {
        let file = self.folder.path().join("clients");
        let keys = clients.iter().map(|client| format!("{} somebody\n", client.public));
        fs::write(&file, format!("# who may\n\n{}", keys.collect::<String>())).unwrap();
        format!("curve_clients={}", file.display())
    }

    /// Python that gives a socket of libzmq this pair, as a client of `server`.
    fn of_libzmq(&self, server: &Self) -> String {
        format!(
            "socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = b'{}', b'{}', b'{}'",
            server.public,
            self.public,
            self.secret()
        )
    }
}

/// Our client node of that master node.
fn node(master: &Master, lines: &str) -> Process {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("psistats.conf");
    fs::write(&config, format!("[chasar]\ninterval=0.05\n{lines}\n")).unwrap();
    let mut command = Command::new(program("psistats"));
    command.args(["chasar", "clientnode", "start", "127.0.0.1", &master.port.to_string(), "--config"]);
    let process = Process::start(command.arg(&config));
    process.wait_for_line("psistats.conf", PATIENCE);
    process
}

/// A PUB of libzmq that sends numbers.
fn publisher(master: &Master, options: &str) -> Process {
    python(&format!(
        "
socket = context.socket(zmq.PUB)
{options}
socket.connect('tcp://127.0.0.1:{}')
n = 0
while True:
    socket.send_multipart([b'status', json.dumps({{'n': n}}).encode()])
    n += 1
    time.sleep(0.01)
",
        master.port
    ))
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn client_nodes_and_subscribers_with_the_servers_key_are_served_and_others_told_why_not() {
    let (hub, own) = (Pair::new(), Pair::new());
    let master = Master::start(&hub.line());
    let line = master.process.wait_for_line("are encrypted", PATIENCE);
    assert!(line.contains(&format!("curve_server_key={}", hub.public)), "{line}");
    let subscriber = master.subscriber("Chasar-Client", &own.of_libzmq(&hub));
    master.wait_for("subscribed", |n| n == 1);
    let key = format!("curve_server_key={}", hub.public);
    let of_ours = node(&master, &key);
    assert!(message(&subscriber, 0)["memory"]["total_bytes"].as_u64().unwrap() > 0);
    drop(of_ours);
    let with_a_key = node(&master, &format!("{key}\n{}", own.line()));
    with_a_key.wait_for_line("wants messages", PATIENCE);
    let of_libzmq = publisher(&master, &own.of_libzmq(&hub));
    let seen = subscriber.lines().len();
    message(&subscriber, seen + 10);
    drop(of_libzmq);
    // In clear, with the key of another server, and a subscriber in clear.
    let in_clear = node(&master, "");
    in_clear.wait_for_line("set [chasar] curve_server_key to the master node's public key", PATIENCE);
    let wrong = node(&master, &format!("curve_server_key={}", own.public));
    wrong.wait_for_line("Is [chasar] curve_server_key the master node's?", PATIENCE);
    master.process.wait_for_line("its HELLO is for another server key", PATIENCE);
    // libzmq may see first that the mechanisms differ, and then says nothing of its own.
    let mut in_clear = TcpStream::connect(("127.0.0.1", master.publish_port)).unwrap();
    let greeting = [&b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL"[..], &[0; 48]].concat();
    in_clear.write_all(&greeting).unwrap();
    let line = master.process.wait_for_line("subscriber 127.0.0.1", PATIENCE);
    assert!(line.contains("this side has CURVE alone"), "{line}");
    assert!(
        !master.process.lines().iter().any(|line| line.contains(&hub.secret())),
        "no line has a secret key"
    );
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn only_the_clients_that_are_listed_may_connect_where_some_are() {
    let (hub, listed, other) = (Pair::new(), Pair::new(), Pair::new());
    let master = Master::start(&format!("{}\n{}", hub.line(), hub.clients(&[&listed])));
    let subscriber = master.subscriber("Chasar-Client", &listed.of_libzmq(&hub));
    let key = format!("curve_server_key={}", hub.public);
    let refused = node(&master, &format!("{key}\n{}", other.line()));
    refused.wait_for_line("is not in the master node's curve_clients", PATIENCE);
    master.process.wait_for_line("client key is not among those that may connect", PATIENCE);
    let nameless = node(&master, &key);
    nameless.wait_for_line("is not in the master node's curve_clients", PATIENCE);
    let _node = node(&master, &format!("{key}\n{}", listed.line()));
    message(&subscriber, 3);
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn an_encrypted_subscriber_that_was_too_slow_goes_on_with_whole_messages_between_heartbeats() {
    let (hub, own) = (Pair::new(), Pair::new());
    let settings = "publish_high_water=2097152\nmessages_per_second=0";
    let master = Master::start(&format!("{}\n{settings}", hub.line()));
    // It receives without a limit of its own while it runs, and so reads the answers.
    let options = "socket.setsockopt(zmq.HEARTBEAT_IVL, 20)\nsocket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 60000)\n\
                   socket.setsockopt(zmq.RCVHWM, 0)";
    let subscriber = master.subscriber("Chasar-Client", &format!("{}\n{options}", own.of_libzmq(&hub)));
    master.wait_for("subscribed", |n| n == 1);
    let _publisher = python(&format!(
        "
socket = context.socket(zmq.PUB)
{}
socket.connect('tcp://127.0.0.1:{}')
n = 0
while True:
    socket.send_multipart([b'status', json.dumps({{'n': n, 'text': 'x' * 30000}}).encode()])
    n += 1
    time.sleep(0.001)
",
        own.of_libzmq(&hub),
        master.port
    ));
    let first = message(&subscriber, 5)["n"].as_u64().unwrap();
    subscriber.signal(Signal::SIGSTOP);
    master.wait_for("dropped", |n| n > 0);
    let seen = subscriber.lines().len();
    subscriber.signal(Signal::SIGCONT);
    // Until the gap has come, and then some more: it was never disconnected, or would have begun anew.
    let mut numbers = (seen..).map(|n| message(&subscriber, n)["n"].as_u64().unwrap());
    let mut last = first;
    let gap = numbers.find(|n| *n > std::mem::replace(&mut last, *n) + 1 && *n > first + 100).unwrap();
    assert!(numbers.nth(50).unwrap() > gap);
    let lines = master.process.lines();
    assert_eq!((master.counter("subscribed"), master.counter("connections")), (1, 2), "{lines:#?}");
}

#[test]
fn a_secret_key_is_for_its_owner_alone_and_is_never_replaced() {
    let pair = Pair::new();
    let file = pair.folder.path().join("key");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (made, text) = keygen(&["--to", &file.display().to_string()]);
    assert!(!made && text.contains("File exists"), "{text}");
    assert!(!text.contains(&pair.secret()));
    // Printed where there is no file.
    let (made, text) = keygen(&[]);
    assert!(made && text.lines().any(|line| line.len() == 40 && !line.contains(' ')), "{text}");
}

#[test]
fn a_master_node_in_clear_for_other_machines_says_so_at_each_start() {
    let pair = Pair::new();
    for (settings, warns) in [("", true), (&*pair.line(), false)] {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("psistats.conf");
        let ports = [(); 2].map(|()| crate::master::free_port());
        fs::write(&config, format!("[chasar]\nport={}\npublish_port={}\n{settings}\n", ports[0], ports[1]))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        let process = Process::start(command.args(["masternode", "start", "*", "--config"]).arg(&config));
        let line = process.wait_for_line("chasar's connections are", PATIENCE);
        let in_clear = line.contains("WARN") && line.contains("in clear") && line.contains("curve keygen");
        assert_eq!(in_clear, warns, "{line}");
    }
}

#[test]
fn keys_that_cannot_be_used_stop_the_start_and_are_never_shown() {
    let pair = Pair::new();
    let wrong = pair.folder.path().join("wrong");
    fs::write(&wrong, "sesame\n").unwrap();
    for (settings, expected) in [
        (format!("curve_key={}", pair.secret()), "curve_key: expected @file:PATH or @credential:NAME"),
        (format!("curve_key=@file:{}", wrong.display()), "a CURVE key in Z85, which has 40 characters"),
        ("curve_key=@file:/nowhere/key".to_owned(), "/nowhere/key"),
        (pair.clients(&[]), "curve_clients: expected curve_key, too"),
        (format!("{}\ncurve_clients={}", pair.line(), wrong.display()), "line 1 has none"),
        ("curve_server_key=sesame".to_owned(), "curve_server_key: expected a CURVE key"),
    ] {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("psistats.conf");
        fs::write(&config, format!("[chasar]\n{settings}\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        let output = command.args(["masternode", "start", "--config"]).arg(&config).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(expected) && !text.contains(&pair.secret()), "{settings}: {text}");
        assert!(settings.contains("server_key") || !text.contains("sesame"), "{text}");
    }
}
