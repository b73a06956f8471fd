//! A webhook by TLS: Python's server, with certificates that openssl has made.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use support::PATIENCE;
use support::process::Process;

use crate::hub::free_port;

const SERVER: &str = "
import http.server, ssl, sys
port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print(self.headers['host'], self.rfile.read(int(self.headers['content-length'])).decode(), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print('ready', flush=True)
server.serve_forever()
";

/// An authority `ca.pem`, another one `other.pem`, and a server's certificate `server.pem` for localhost by the first.
const CERTIFICATES: &str = "
set -e
new='openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
$new -subj /CN=ca -keyout ca.key -out ca.pem
$new -subj /CN=other -keyout other.key -out other.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout server.key -out server.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
";

/// Makes certificates in a folder.
fn make_certificates(folder: &Path) {
    let made = Command::new("sh").args(["-c", CERTIFICATES]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn start_server(folder: &Path, certificate: &str) -> (Process, u16) {
    let port = free_port();
    let file = |kind: &str| folder.join(format!("{certificate}.{kind}"));
    let mut python = Command::new("/usr/bin/python3");
    let process =
        Process::start(python.args(["-c", SERVER, &port.to_string()]).args([file("pem"), file("key")]));
    process.wait_for_line("ready", PATIENCE);
    (process, port)
}

#[test]
#[ignore = "needs openssl: tests/run"]
fn a_webhook_by_tls_is_told_only_where_its_certificate_is_by_the_right_authority_and_for_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_certificates(folder);
    let ((server, port), (_of_a_ca, ca_port)) = (start_server(folder, "server"), start_server(folder, "ca"));
    let plain = crate::receivers::Receiver::start(&[]);
    let config = folder.join("hub.conf");
    let sections = [
        ("right", format!("https://localhost:{port}/a?hidden"), "ca.pem"),
        ("wrong-authority", format!("https://localhost:{port}/"), "other.pem"),
        ("wrong-name", format!("https://127.0.0.1:{port}/"), "ca.pem"),
        ("system", format!("https://localhost:{port}/"), ""),
        ("authority", format!("https://localhost:{ca_port}/"), "ca.pem"),
        ("plain", plain.url("/").replace("http://", "https://"), "ca.pem"),
        ("empty", format!("https://localhost:{port}/"), "hub.conf"),
    ];
    let text = sections.iter().map(|(name, url, ca)| {
        let ca =
            if ca.is_empty() { String::new() } else { format!("tls_ca={}\n", folder.join(ca).display()) };
        format!("[notify:{name}]\ntype=webhook\nurl={url}\n{ca}")
    });
    fs::write(&config, text.collect::<String>()).unwrap();
    let test = |name: &str, system: Option<&str>| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        command.args(["--config".as_ref(), config.as_os_str(), "notify".as_ref(), "test".as_ref()]).arg(name);
        if let Some(system) = system {
            command.env("SSL_CERT_FILE", folder.join(system));
        }
        command.output().unwrap()
    };
    for (name, system) in [("right", None), ("system", Some("ca.pem"))] {
        let output = test(name, system);
        assert!(output.status.success(), "{name}: {output:?}");
    }
    server.wait_for_line(&format!("localhost:{port} {{"), PATIENCE);
    let not_trusted = |host: &str, why: &str| format!("the certificate of {host} is not trusted: {why}");
    for (name, expected) in [
        ("wrong-authority", not_trusted("localhost", "it is not signed by an authority in ")),
        ("wrong-name", not_trusted("127.0.0.1", "it is not for 127.0.0.1: the URL has to")),
        (
            "system",
            not_trusted("localhost", "its authority is not one of this system's: name its file in tls_ca"),
        ),
        ("authority", not_trusted("localhost", "it is an authority's own: sign one for the server with it")),
        ("plain", "TLS: ".to_owned()),
        ("empty", format!("{}: expected certificates in PEM: there is none", config.display())),
    ] {
        let output = test(name, Some("other.pem"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(&expected), "{name}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
    assert_eq!(server.lines().iter().filter(|line| line.contains("A test message")).count(), 2);
}
