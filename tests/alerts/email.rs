//! E-mail, to aiosmtpd: over TLS, with a login, in order, and once.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::PATIENCE;
use support::namespace::enter_one_with_small_buffers;
use support::process::{Process, Stream};
use tempfile::TempDir;

use crate::hub::{Hub, free_port};

/// Answers to DATA, one after the other, and then 250. How TLS comes: `first`, `starttls` or `none`.
const SERVER: &str = "
import asyncio, email, email.policy, json, ssl, sys
from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import AuthResult
host, port, tls, cert, key, *answers = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
def login(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b'hub', b'sesame'), handled=False)
class Handler:
    async def handle_DATA(self, server, session, envelope):
        answer = answers.pop(0) if answers else '250 OK'
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({'answer': answer, 'tls': server.transport.get_extra_info('ssl_object') is not None, 'from': envelope.mail_from, 'to': envelope.rcpt_tos,
                          'body': mail.get_content(), **{k: str(mail[k]) for k in ['Subject', 'Date', 'Message-ID', 'In-Reply-To', 'Auto-Submitted']}}), flush=True)
        return answer
options = {'first': {'ssl_context': context, 'auth_require_tls': False}, 'starttls': {'tls_context': context, 'require_starttls': True}, 'none': {'auth_require_tls': False}}[tls]
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
UnthreadedController(Handler(), loop=loop, hostname=host, port=int(port), authenticator=login, auth_required=True, **options).begin()
print('ready', flush=True)
loop.run_forever()
";

/// A certificate for these addresses, and its key.
struct Certificate(TempDir);

impl Certificate {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test"
                    .split(' '),
            )
            .args(["-addext", "subjectAltName=IP:127.0.0.1,IP:192.0.2.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .arg(folder.path().join("key"))
            .arg("-out")
            .arg(folder.path().join("cert"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("cert")
    }
}

struct Server {
    process: Process,
    address: String,
}

impl Server {
    fn start(host: &str, tls: &str, certificate: &Certificate, answers: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", SERVER, host, &port.to_string(), tls]);
        command.arg(certificate.path()).arg(certificate.path().with_file_name("key")).args(answers);
        let process = Process::start(&mut command);
        process.wait_for_line("ready", PATIENCE);
        Self { process, address: format!("{host}:{port}") }
    }

    /// What came as number `number`, from 0.
    fn mail(&self, number: usize) -> Value {
        let lines = self.process.wait_for_lines_of(Stream::Stdout, number + 2, PATIENCE);
        serde_json::from_str(&lines[number + 1]).unwrap()
    }

    fn section(&self, scheme: &str, pass: &Path) -> String {
        let (address, pass) = (&self.address, pass.display());
        format!(
            "[notify:mail]\ntype=email\nurl={scheme}://{address}\nuser=hub\npass=@file:{pass}\nfrom=psistats <hub@example.org>\n\
             to=anna@example.org, Büro <buero@example.org>\n"
        )
    }
}

/// A file that has this password.
fn password(folder: &TempDir, text: &str) -> PathBuf {
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[test]
#[ignore = "needs python3-aiosmtpd, python3-pika and openssl: tests/run"]
fn a_mail_comes_over_tls_again_after_a_4xx_in_order_and_as_an_answer_when_it_is_over() {
    let certificate = Certificate::new();
    let answers = ["451 greylisted", "250 OK", "554 no such board"];
    let server = Server::start("127.0.0.1", "first", &certificate, &answers);
    let folder = tempfile::tempdir().unwrap();
    // The section before is that of lost boards: on a slow machine there would be mails of these, too.
    let section = format!("enabled=no\n{}", server.section("smtps", &password(&folder, "sesame")));
    let hub = Hub::start(&section);
    // Not before its certificate is trusted.
    hub.hear(&[("pi", 84.0)]);
    hub.process.wait_for_line("invalid peer certificate", PATIENCE);
    hub.trust(&certificate.path());
    let mails = [0, 1].map(|number| server.mail(number));
    for mail in &mails {
        assert_eq!(
            (&mail["Subject"], &mail["tls"]),
            (&"[psistats] pi: CPU is at 84 °C".into(), &true.into())
        );
        assert_eq!(mail["to"], serde_json::json!(["anna@example.org", "buero@example.org"]));
        let body = mail["body"].as_str().unwrap().trim_end();
        assert_eq!((&mail["from"], body), (&"hub@example.org".into(), "pi: CPU is at 84 °C"));
        assert_eq!(mail["Auto-Submitted"], "auto-generated");
        assert_ne!(mail["Date"], "None");
    }
    assert_eq!(mails[0]["Message-ID"], mails[1]["Message-ID"], "the same mail");
    hub.hear(&[("pi", 60.0), ("b", 82.0)]);
    let over = server.mail(2);
    assert!(over["Subject"].as_str().unwrap().starts_with("[psistats] pi: CPU is at 84 °C: over after "));
    assert_eq!(over["In-Reply-To"], mails[0]["Message-ID"]);
    assert_eq!(
        server.mail(3)["Subject"],
        "[psistats] b: CPU is at 82 °C",
        "what is refused for good is dropped"
    );
    hub.process.wait_for_line("554", PATIENCE);
    assert!(!hub.process.lines().iter().any(|line| line.contains("sesame")));
}

#[test]
#[ignore = "needs python3-aiosmtpd, openssl and root: tests/run"]
fn beyond_this_machine_nothing_is_sent_without_tls_and_a_wrong_login_is_told() {
    enter_one_with_small_buffers();
    let added = Command::new("ip").args(["address", "add", "192.0.2.1/32", "dev", "lo"]).status();
    assert!(added.unwrap().success());
    let (certificate, folder) = (Certificate::new(), tempfile::tempdir().unwrap());
    for (host, tls, pass, code, said) in [
        ("192.0.2.1", "starttls", "sesame", 0, "[notify:mail]: delivered, 192.0.2.1:"),
        ("192.0.2.1", "starttls", "hidden", 1, "check from, to, user and pass"),
        ("192.0.2.1", "none", "sesame", 1, "STARTTLS is not supported"),
        ("127.0.0.1", "none", "sesame", 0, "[notify:mail]: delivered, 127.0.0.1:"),
    ] {
        let server = Server::start(host, tls, &certificate, &[]);
        let hub = Hub::start(&server.section("smtp", &password(&folder, pass)));
        hub.trust(&certificate.path());
        let mut command = hub.command(&["notify", "test", "mail"]);
        assert_eq!(command.wait(PATIENCE).code(), Some(code), "{:?}", command.lines());
        let lines = command.lines();
        assert!(lines.iter().any(|line| line.contains(said)), "{host} {tls}: {lines:?}");
        assert!(!lines.iter().any(|line| line.contains(pass)), "{lines:?}");
        if code == 0 {
            assert_eq!(server.mail(0)["tls"], tls == "starttls");
        }
    }
}
