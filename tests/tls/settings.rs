//! What the configuration says of TLS, and what is wrong with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use psistats::settings::{Server, parse};
use psistats_host::conf::tls::{Identity, Tls};
use support::project;

fn read(keys: &str) -> (Server, Vec<String>) {
    let (settings, warnings) = parse(format!("[server]\n{keys}\n").as_bytes(), Path::new("f")).unwrap();
    (settings.server, warnings.iter().map(ToString::to_string).collect())
}

fn errors(keys: &str) -> String {
    parse(format!("[server]\n{keys}\n").as_bytes(), Path::new("f")).unwrap_err().to_string()
}

fn everything() -> Tls {
    let identity = Some(Identity { cert: "/b.pem".into(), key: "/b.key".into() });
    Tls { ca: Some("/ca.pem".into()), identity, server_name: Some("broker.lan".into()) }
}

#[test]
fn keys_and_parameters_of_a_url_say_the_same() {
    let by_keys = "host=h\nuser=u\ntls=yes\ntls_ca=/ca.pem\ntls_cert=/b.pem\ntls_key=/b.key\ntls_server_name=broker.lan\nauth_mechanism=external";
    let by_url = "url=amqps://u@h?cacertfile=/ca.pem&certfile=/b.pem&keyfile=%2fb.key&server_name_indication=broker.lan&auth_mechanism=EXTERNAL&verify=verify_peer";
    let mixed = "url=amqps://u@h?cacertfile=/ca.pem\ntls_ca=/other.pem\ntls_cert=/b.pem\ntls_key=/b.key\ntls_server_name=broker.lan\nauth_mechanism=EXTERNAL\ntls=yes";
    for keys in [by_keys, by_url, mixed] {
        let (server, warnings) = read(keys);
        assert_eq!(server.tls, Some(everything()), "{keys}");
        assert!(server.external);
        assert_eq!(server.hosts[0].to_string(), "h:5671");
        assert_eq!(warnings, [""; 0]);
    }
}

#[test]
fn the_port_follows_tls_where_it_is_not_said() {
    for (keys, host) in [
        ("tls=yes", "localhost:5671"),
        ("tls=yes\nport=1", "localhost:1"),
        ("tls=yes\nhost=a:2", "a:2"),
        ("tls=no", "localhost:5672"),
        ("url=amqps://h", "h:5671"),
        ("url=amqp://h", "h:5672"),
    ] {
        let (server, _) = read(keys);
        assert_eq!(server.hosts[0].to_string(), host, "{keys}");
        assert_eq!(server.tls.is_some(), keys.contains("yes") || keys.contains("amqps"), "{keys}");
    }
}

#[test]
fn verification_is_not_switched_off_and_the_way_to_do_it_right_is_told() {
    for keys in [
        "tls=yes\ninsecure_skip_verify=yes",
        "tls=yes\nverify=verify_none",
        "url=amqps://h?verify=verify_none",
        "url=amqps://h?insecure_skip_verify=true",
    ] {
        let errors = errors(keys);
        assert!(errors.contains("is always verified; for one of your own CA set tls_ca"), "{keys}: {errors}");
    }
    assert_eq!(read("tls=yes\ninsecure_skip_verify=no\nverify=verify_peer").1, [""; 0]);
}

#[test]
fn what_does_not_fit_together_is_an_error_and_what_has_no_effect_a_warning() {
    for (keys, expected) in [
        ("tls=yes\ntls_cert=/b.pem", "expected both tls_cert and tls_key, or neither"),
        ("url=amqps://h?keyfile=/b.key", "expected both tls_cert and tls_key, or neither"),
        ("tls=yes\nauth_mechanism=EXTERNAL", "EXTERNAL logs in by a certificate: expected tls=yes"),
        ("auth_mechanism=EXTERNAL", "EXTERNAL logs in by a certificate: expected tls=yes"),
        ("auth_mechanism=SCRAM", "expected PLAIN or EXTERNAL, found \"SCRAM\""),
        ("tls=yes\nurl=amqp://h", "f:2: [server] tls: url on line 3 says amqp: leave tls out, or change url"),
        ("tls=no\nurl=amqps://h", "url on line 3 says amqps"),
        ("tls=yes\ntls_server_name=a:1", "the name or the address that is in the broker's certificate"),
        ("url=amqps://h?server_name_indication=disable", "server_name_indication: expected the name"),
        ("url=amqps://h?cacertfile=%f", "two hexadecimal digits"),
        ("url=amqps://h?cacertfile=", "cacertfile: expected the name of a file"),
    ] {
        let errors = errors(keys);
        assert!(errors.contains(expected), "{keys}: {errors}");
    }
    for (keys, expected) in [
        ("tls_ca=/ca.pem", "f:2: [server] tls_ca: has no effect without tls=yes, or a url with amqps"),
        ("url=amqp://h?cacertfile=/ca.pem", "f:2: [server] url: cacertfile has no effect"),
        ("url=amqps://h?depth=2", "f:2: [server] url: depth has no effect"),
    ] {
        assert_eq!(read(keys).1, [expected], "{keys}");
    }
}

#[test]
fn a_missing_file_and_a_key_that_everyone_can_read_are_warnings() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = |name: &str| dir.path().join(name);
    // Relative to where the program is started.
    fs::write(at("psistats.conf"), "[server]\ntls=yes\ntls_ca=ca.pem\ntls_cert=b.pem\ntls_key=b.key\n")
        .unwrap();
    fs::write(at("b.pem"), "").unwrap();
    fs::write(at("b.key"), "").unwrap();
    let said = |mode| {
        fs::set_permissions(at("b.key"), Permissions::from_mode(mode)).unwrap();
        let mut check = Command::new(project::program("psistats"));
        let output =
            check.args(["check-config", "--config", "psistats.conf"]).current_dir(&dir).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let told = said(0o644);
    let key = at("b.key").display().to_string();
    assert!(told.contains(&format!("everyone on this machine can read this key: chmod 640 {key}")), "{told}");
    assert!(told.contains("ca.pem cannot be opened: no such file or directory; it is tried again"), "{told}");
    assert!(!said(0o640).contains("everyone on this machine"));
}
