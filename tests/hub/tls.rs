//! TLS at the hub's doors: openssl, curl and pika at the other end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::hub::Hub;
use crate::master::free_port;
use support::PATIENCE;
use support::master::python;
use support::process::Process;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psistats-hub");

/// An authority in a folder of its own.
struct Pki(TempDir);

impl Pki {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let config = format!("[hub]\ndata={}\n", data.display());
        fs::write(folder.path().join("hub.conf"), config).unwrap();
        Self(folder)
    }

    /// What `pki` prints for a configuration.
    fn run(&self, words: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(self.0.path().join("hub.conf")).arg("pki").args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("data/pki").join(name)
    }

    /// A hub with its certificate, and the ports of its doors with TLS: for boards, and for browsers.
    fn hub(&self, more: &str) -> (Hub, u16, u16) {
        let (amqps, https) = (free_port(), free_port());
        let lines = self.run(&["init"]);
        let lines = lines.strip_prefix("[hub]\n").unwrap().replace("*:5671", &format!("127.0.0.1:{amqps}"));
        let hub = Hub::start(&format!("self=no\n{lines}https=127.0.0.1:{https}\n{more}"));
        (hub, amqps, https)
    }

    /// pika with the certificate of a board, or with none; `then` has a channel `c` and `report`.
    fn publish(&self, port: u16, board: Option<&str>, credentials: &str, then: &str) -> Process {
        let ca = self.file("ca.pem");
        let certificate = board.map_or_else(String::new, |board| {
            let file = |end| self.file(&format!("boards/{board}.{end}"));
            format!("context.load_cert_chain({:?}, {:?})", file("pem"), file("key"))
        });
        python(&format!(
            "import pika, ssl
from pika.credentials import ExternalCredentials, PlainCredentials
context = ssl.create_default_context(cafile={ca:?})
{certificate}
p = pika.ConnectionParameters('127.0.0.1', {port}, credentials={credentials}, ssl_options=pika.SSLOptions(context, '127.0.0.1'))
def report(host):
    reports = [{{'hostname': one, 'cpu': 1.5}} for one in host.split('+')]
    try:
        c.basic_publish('', 'psistats', json.dumps(reports if '+' in host else reports[0]))
        print(host, 'confirmed')
    except Exception as error:
        print(host, repr(error))
try:
    c = pika.BlockingConnection(p).channel()
    c.confirm_delivery()
    {then}
except Exception as error:
    print(repr(error))
print('end')"
        ))
    }
}

/// What openssl's client says of a connection that ends at once.
fn s_client(port: u16, words: &[&str]) -> String {
    let at = format!("127.0.0.1:{port}");
    let mut command = Command::new("/usr/bin/openssl");
    command.args(["s_client", "-connect", &at]).args(words).stdin(Stdio::null());
    let Output { stdout, stderr, .. } = command.output().unwrap();
    String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr)
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_board_is_who_its_certificate_says_and_no_other() {
    let pki = Pki::new();
    let (hub, port, _) = pki.hub("amqp=no\n");
    let lines = pki.run(&["board", "pi-4"]);
    assert!(lines.contains("tls=yes\n") && lines.contains("tls_cert=/etc/psistats/pi-4.pem\n"), "{lines}");
    let process = pki.publish(port, Some("pi-4"), "ExternalCredentials()", "report('pi-4'); report('pi-5')");
    process.wait_for_line("pi-4 confirmed", PATIENCE);
    let refused = process.wait_for_line("pi-5 ", PATIENCE);
    assert!(refused.contains("403") && refused.contains("may report as pi-4"), "{refused}");
    // Nor behind reports of its own in the same message, of which none is taken then.
    let several = "report('pi-4+pi-4'); report('pi-4+pi-5')";
    let process = pki.publish(port, Some("pi-4"), "ExternalCredentials()", several);
    process.wait_for_line("pi-4+pi-4 confirmed", PATIENCE);
    let refused = process.wait_for_line("pi-4+pi-5 ", PATIENCE);
    assert!(refused.contains("403") && refused.contains("may report as pi-4"), "{refused}");
    hub.wait_for("pi-4", |board| board["reports"] == 3);
    assert_eq!(hub.get("/api/v1/hosts/pi-5").0, 404);
    hub.process.wait_for_line("and not as another board: \"pi-5\"", PATIENCE);
    // Without a certificate that login is not even offered.
    let process = pki.publish(port, None, "ExternalCredentials()", "report('pi-4')");
    process.wait_for_line("end", PATIENCE);
    assert!(!process.lines().iter().any(|line| line.contains("confirmed")), "{:?}", process.lines());
    // One of another authority is none.
    let other = Pki::new();
    other.run(&["init"]);
    other.run(&["board", "pi-4"]);
    for end in ["pem", "key"] {
        fs::copy(other.file(&format!("boards/pi-4.{end}")), pki.file(&format!("boards/pi-4.{end}"))).unwrap();
    }
    let process = pki.publish(port, Some("pi-4"), "ExternalCredentials()", "report('pi-4')");
    process.wait_for_line("end", PATIENCE);
    hub.process.wait_for_line("the client's certificate is not taken: UnknownIssuer", PATIENCE);
    assert_eq!(hub.json("/api/v1/hub")["reports"], 3);
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_user_may_report_as_its_own_hosts_alone_and_one_without_hosts_as_any() {
    let pki = Pki::new();
    let users = "user=all\npass=open\n[user:garden]\npass=hidden\nhosts=pi-1, pi-2\n[hub]\n";
    let (hub, port, _) = pki.hub(users);
    let publish = |user: &str, pass: &str, then| {
        pki.publish(port, None, &format!("PlainCredentials('{user}', '{pass}')"), then)
    };
    let process = publish("garden", "hidden", "report('pi-1'); report('pi-2'); report('pi-3')");
    process.wait_for_line("pi-2 confirmed", PATIENCE);
    let refused = process.wait_for_line("pi-3 ", PATIENCE);
    assert!(refused.contains("403") && refused.contains("pi-1, pi-2"), "{refused}");
    publish("all", "open", "report('pi-3')").wait_for_line("pi-3 confirmed", PATIENCE);
    let process = publish("garden", "open", "report('pi-1')");
    process.wait_for_line("403", PATIENCE);
    hub.process.wait_for_line("login refused", PATIENCE);
    assert!(!hub.process.lines().iter().any(|line| line.contains("hidden")));
}

#[test]
#[ignore = "needs curl and openssl: tests/run"]
fn the_page_is_served_with_tls_1_2_and_1_3_and_a_new_certificate_counts_from_the_next_connection_on() {
    let pki = Pki::new();
    let (hub, amqps, https) = pki.hub("");
    let curl = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/curl");
        command.args(["-sS", "--cacert"]).arg(pki.file("ca.pem")).args(words);
        let output = command.arg(format!("https://localhost:{https}/healthz")).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let other = Pki::new();
    other.run(&["init"]);
    let doubt = curl(&["--cacert", other.file("ca.pem").to_str().unwrap()]);
    assert_eq!(doubt.0, Some(60), "{doubt:?}");
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        assert_eq!(curl(version), (Some(0), "ok".into()), "{version:?}");
    }
    for port in [amqps, https] {
        let old = s_client(port, &["-tls1_1", "-cipher", "ALL@SECLEVEL=0"]);
        assert!(old.contains("alert"), "{old}");
    }
    // Browsers are not asked for a certificate, which only boards have.
    assert!(s_client(https, &[]).contains("No client certificate CA names sent"));
    assert!(s_client(amqps, &[]).contains("Acceptable client certificate CA names"));
    // What is no TLS ends, and the hub goes on.
    assert!(!in_the_clear(https).contains("HTTP"));
    in_the_clear(amqps);
    hub.process.wait_for_line("the client does not speak TLS: set tls=yes there", PATIENCE);

    pki.run(&["init", "renewed.example"]);
    assert!(pki.run(&["board", "pi-4"]).contains("host=renewed.example\n"));
    hub.process.wait_for_line("certificate and key were read again", PATIENCE);
    hub.wait_until(|_| s_client(https, &[]).contains("CN = renewed.example"));
    hub.wait_until(|_| s_client(amqps, &[]).contains("CN = renewed.example"));
    fs::write(pki.file("hub.pem"), "broken").unwrap();
    hub.process.signal(Signal::SIGHUP);
    hub.process.wait_for_line("keeping the previous certificate", PATIENCE);
    assert_eq!(curl(&[]), (Some(0), "ok".into()));
}

/// What a request without TLS is answered with.
fn in_the_clear(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
