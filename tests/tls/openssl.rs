//! openssl's server at the other end: every certificate that there is something wrong with, and those that are right.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::pki::{CA, EXPIRED, LOCALHOST, NOT_YET, P256, P384, Pki, RSA, VALID};

/// `openssl s_server`, which says a line of what is no AMQP to whoever has shaken hands.
struct Server {
    child: Child,
    port: u16,
    _words: ChildStdin,
}

impl Server {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "100"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = child.stdin.take().unwrap();
        said.write_all(b"Hello, this is openssl\n").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port =
            lines.find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.rsplit(':').next()?.parse().ok());
        // Its output is read to the end, or it would stop there.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port: port.unwrap(), _words: said }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an agent with these keys says of its first failed attempt.
fn first_failure(port: u16, keys: &[(&str, &str)]) -> String {
    let config = Config::new(port, "/").set("server", "tls", "yes");
    let config = keys.iter().fold(config, |config, (key, value)| config.set("server", key, value));
    let agent = Agent::start(&config, &[]);
    agent.wait_for_line("next attempt in", PATIENCE)
}

/// The certificate that the server has, its further words, keys of the agent's, and what it says.
type Case<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a str, Patience);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Patience {
    /// Tried again soon: it may pass.
    Soon,
    /// An operator has to mend it.
    Slow,
}

/// Asserts that the line has these words, and how soon there is another attempt.
fn assert_says(case: &str, line: &str, words: &str, patience: Patience) {
    assert!(line.contains(words), "{case}: {line}");
    let (_, wait) = line.split_once("next attempt in ").unwrap();
    let seconds: f64 = wait.split(' ').next().unwrap().parse().unwrap();
    let found = if seconds >= 25.0 { Patience::Slow } else { Patience::Soon };
    assert_eq!(found, patience, "{case}: {line}");
    let level = if patience == Patience::Slow { " ERROR " } else { " WARNING " };
    assert!(line.contains(level), "{case}: {line}");
}

#[test]
#[ignore = "needs openssl: tests/run"]
fn each_kind_of_certificate_is_trusted_or_has_its_own_words_and_patience() {
    use Patience::{Slow, Soon};
    let pki = Pki::default();
    pki.issue("ec", "ca", P256, VALID, LOCALHOST);
    pki.issue("ec-384", "ca", P384, VALID, LOCALHOST);
    pki.issue("rsa", "ca", RSA, VALID, LOCALHOST);
    pki.issue("rsa-ca", "rsa-ca", RSA, VALID, CA);
    pki.issue("by-rsa", "rsa-ca", RSA, VALID, LOCALHOST);
    pki.issue("p384-ca", "p384-ca", P384, VALID, CA);
    pki.issue("by-p384", "p384-ca", P384, VALID, LOCALHOST);
    pki.issue("between", "ca", P256, VALID, CA);
    pki.issue("by-between", "between", P256, VALID, LOCALHOST);
    pki.issue("expired", "ca", P256, EXPIRED, LOCALHOST);
    pki.issue("not-yet", "ca", P256, NOT_YET, LOCALHOST);
    pki.issue("other-name", "ca", P256, VALID, "subjectAltName=DNS:broker.example");
    pki.issue("name-alone", "ca", P256, VALID, "subjectAltName=DNS:localhost");
    pki.issue("no-name", "ca", P256, VALID, "basicConstraints=CA:FALSE");
    pki.issue("by-leaf", "ec", P256, VALID, LOCALHOST);
    pki.issue("alone", "alone", P256, VALID, LOCALHOST);
    pki.issue("ca-itself", "ca-itself", P256, VALID, &format!("{CA}\n{LOCALHOST}"));
    pki.issue("for-clients", "ca", P256, VALID, &format!("extendedKeyUsage=clientAuth\n{LOCALHOST}"));
    let chains = [("by-between", "between"), ("by-leaf", "ec"), ("by-rsa", "rsa-ca")]
        .map(|(end, next)| pki.chain(&format!("{end}-chain"), &[end, next]));
    let [between, leaf, _] = chains.each_ref().map(|chain| chain.to_str().unwrap());
    let trusted = "it began with \"Hello, t\"";
    let named = ("tls_server_name", "localhost");

    #[rustfmt::skip]
    let cases: &[Case<'_>] = &[
        ("ec", &[], &[], trusted, Slow),
        ("ec-384", &[], &[], trusted, Slow),
        ("rsa", &[], &[], trusted, Slow),
        ("by-rsa", &[], &[("tls_ca", "rsa-ca")], trusted, Slow),
        ("by-p384", &[], &[("tls_ca", "p384-ca")], trusted, Slow),
        ("by-between", &["-cert_chain", between], &[], trusted, Slow),
        ("ec", &["-no_tls1_3"], &[], trusted, Slow),
        ("rsa", &["-no_tls1_3"], &[], trusted, Slow),
        ("alone", &[], &[("tls_ca", "alone")], trusted, Slow),
        ("name-alone", &[], &[named], trusted, Slow),
        ("other-name", &[], &[("tls_server_name", "broker.example")], trusted, Slow),
        ("ec", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], &[], "has neither TLS 1.2 nor 1.3", Slow),
        ("ec", &["-no_tls1_3", "-cipher", "ECDHE-ECDSA-AES128-SHA"], &[], "no TLS version and cipher in common", Slow),
        ("expired", &[], &[], "has expired on 2020-01-02 00:00 UTC (the clock here says 20", Slow),
        ("not-yet", &[], &[], "is valid from 2098-01-01 00:00 UTC on, and the clock here says 20", Soon),
        ("other-name", &[], &[], "is not for 127.0.0.1 (its names are broker.example): connect to", Slow),
        ("name-alone", &[], &[], "is not for 127.0.0.1 (its names are localhost)", Slow),
        ("no-name", &[], &[named], "is not for localhost (it has no DNS name as subjectAltName)", Slow),
        ("ec", &[], &[("tls_ca", "rsa-ca")], "set [server] tls_ca to the file of this CA; where it is an intermediate one", Slow),
        ("by-between", &[], &[], "where it is an intermediate one, have the broker send its certificate, too", Slow),
        ("by-rsa", &["-cert_chain", chains[2].to_str().unwrap()], &[], "no CA of the chain that the broker sends is in", Slow),
        ("by-leaf", &["-cert_chain", leaf], &[], "issued by one that is no CA's", Slow),
        ("alone", &[], &[], "is issued by itself, and not in", Slow),
        ("ca-itself", &[], &[("tls_ca", "ca-itself")], "is a CA's own (basicConstraints has CA:TRUE)", Slow),
        ("for-clients", &[], &[], "its extendedKeyUsage has to have serverAuth", Slow),
        ("ec", &[], &[("tls_ca", "missing")], "the CAs cannot be read from", Slow),
        ("ec", &[], &[("tls_ca", "ec.key")], "there is no certificate in it", Slow),
    ];
    for (name, server, keys, words, patience) in cases {
        let case = format!("{name} {server:?} {keys:?}");
        let (cert, key) = (pki.cert(name), pki.key(name));
        let own = ["-cert", cert.to_str().unwrap(), "-key", key.to_str().unwrap()];
        let server = Server::start(&[&own, *server].concat());
        let mut all = vec![("tls_ca", pki.cert("ca").to_str().unwrap().to_owned())];
        for (key, value) in *keys {
            let value = match *key {
                "tls_ca" if value.contains('.') => pki.path().join(value).to_str().unwrap().to_owned(),
                "tls_ca" => pki.cert(value).to_str().unwrap().to_owned(),
                _ => (*value).to_owned(),
            };
            all.push((key, value));
        }
        let all: Vec<_> = all.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let line = first_failure(server.port, &all);
        assert_says(&case, &line, words, *patience);
    }
}

#[test]
#[ignore = "needs openssl: tests/run"]
fn a_certificate_of_ours_is_shown_and_what_is_wrong_with_it_is_said() {
    let pki = Pki::default();
    pki.issue("other-ca", "other-ca", P256, VALID, CA);
    pki.issue("broker", "ca", P256, VALID, LOCALHOST);
    pki.issue("board", "ca", P256, VALID, "extendedKeyUsage=clientAuth");
    pki.issue("rsa-board", "ca", RSA, VALID, "extendedKeyUsage=clientAuth");
    pki.issue("stranger", "other-ca", P256, VALID, "extendedKeyUsage=clientAuth");
    std::fs::write(
        pki.path().join("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    let at = |name: &str| pki.path().join(name).to_str().unwrap().to_owned();
    let trusted = "it began with \"Hello, t\"";
    #[rustfmt::skip]
    let cases = [
        ("board.pem", "board.key", trusted, trusted),
        ("rsa-board.pem", "rsa-board.key", trusted, trusted),
        ("", "", "or the broker wants a certificate of ours", "the broker wants a certificate of ours: set [server] tls_cert"),
        ("stranger.pem", "stranger.key", "does not accept our certificate (alert 48 UnknownCA)", "does not accept our certificate (alert 48 UnknownCA)"),
        ("board.pem", "stranger.key", "is not the key of the certificate in", "is not the key of the certificate in"),
        ("board.pem", "locked.key", "expected a private key that is not encrypted", "not encrypted"),
        ("board.pem", "missing.key", "missing.key cannot be read: no such file", "no such file"),
        ("board.key", "board.key", "[server] tls_cert: expected a certificate in PEM in", "expected a certificate"),
    ];
    let files = ["-cert", &at("broker.pem"), "-key", &at("broker.key"), "-CAfile", &at("ca.pem")];
    for (version, is_12) in [("-no_tls1_3", true), ("-no_tls1_2", false)] {
        for (cert, key, of_12, of_13) in cases {
            let server =
                Server::start(&[&files[..], &["-Verify", "2", "-verify_return_error", version]].concat());
            let mut keys = vec![("tls_ca", at("ca.pem"))];
            if !cert.is_empty() {
                keys.extend([("tls_cert", at(cert)), ("tls_key", at(key))]);
            }
            let keys: Vec<_> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let line = first_failure(server.port, &keys);
            let words = if is_12 { of_12 } else { of_13 };
            assert_says(&format!("{version} {cert} {key}"), &line, words, Patience::Slow);
        }
    }
}
