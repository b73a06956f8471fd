//! Brokers that die, hang or refuse: each costs its own delivery alone.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use support::PATIENCE;
use support::agent::{Agent, Config};

use crate::broker::Broker;
use crate::hub::Hub;

const STATE: &str = "psistats/pi/$state";
const CONFIG: &str = "homeassistant/device/psistats_pi/config";

fn agent(hub: &Hub) -> Agent {
    Agent::on_board("pi", &Config::new(hub.amqp, "/").set("app", "primary_timer", "0.2"))
}

#[test]
#[ignore = "needs mosquitto: tests/run"]
fn a_broker_that_was_killed_and_forgot_everything_is_told_it_again_and_intake_goes_on_meanwhile() {
    let mut broker = Broker::start("");
    let mut hub = broker.hub("");
    let mut agent = agent(&hub);
    let subscriber = broker.subscriber(&["#"]);
    subscriber.wait_for(0, "psistats/pi/cpu", |_, _| true);
    // One that stands still, as one that is too busy does.
    broker.signal(Signal::SIGSTOP);
    let reports = |hub: &Hub| hub.wait_for("pi", |_| true)["reports"].as_u64().unwrap();
    let before = reports(&hub);
    hub.wait_for("pi", |board| board["reports"].as_u64() >= Some(before + 10));
    let seen = subscriber.messages().len();
    broker.signal(Signal::SIGCONT);
    subscriber.wait_for(seen, "psistats/pi/cpu", |_, _| true);
    broker.kill();
    hub.process.wait_for_line("tried again", PATIENCE);
    let before = reports(&hub);
    hub.wait_for("pi", |board| board["reports"].as_u64() >= Some(before + 10));
    broker.start_again();

    // Whoever comes after that finds everything retained.
    let subscriber = broker.subscriber(&["#"]);
    for (topic, says) in [("psistats/$state", "online"), (STATE, "online"), (CONFIG, "")] {
        subscriber.wait_for(0, topic, |said, _| said.contains(says));
    }
    let late = broker.subscriber(&["#"]);
    for (topic, says) in [("psistats/$state", "online"), (STATE, "online"), (CONFIG, "\"cpu\"")] {
        late.wait_for(0, topic, |said, kept| said.contains(says) && kept);
    }
    late.wait_for(0, "psistats/pi/cpu", |_, kept| !kept);

    // A board that is not heard, and then a hub that is killed: nobody says good-bye.
    agent.stop();
    late.wait_for(0, STATE, |said, _| said == "offline");
    hub.kill();
    late.wait_for(0, "psistats/$state", |said, _| said == "offline");
    let seen = late.messages().len();
    hub.start_again();
    late.wait_for(seen, "psistats/$state", |said, _| said == "online");
}

#[test]
fn a_broker_that_hangs_holds_nothing_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hub = Hub::start(&format!("self=no\n[mqtt]\nurl=mqtt://127.0.0.1:{port}\n"));
    // It takes the connection, and reads the client's first packet.
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(stream.read(&mut [0; 1024]).map(|n| n > 0).ok(), Some(true));
    let _agent = agent(&hub);
    let reports = hub.wait_for("pi", |_| true)["reports"].as_u64().unwrap();
    hub.wait_for("pi", |board| board["reports"].as_u64() >= Some(reports + 10));
    hub.process.wait_for_line("no answer: is it an MQTT broker?", PATIENCE);
}

/// An authority, and a certificate of it for localhost, in a folder.
fn certificates(folder: &Path) {
    let script = "
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key2 -out other.pem -days 2 -subj /CN=other
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem -subj /CN=localhost
printf 'subjectAltName=DNS:localhost' >ext
openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile ext";
    let made = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

#[test]
#[ignore = "needs mosquitto and openssl: tests/run"]
fn with_tls_and_a_login_a_wrong_authority_and_a_wrong_password_are_told_apart() {
    let broker = Broker::with(|folder| {
        certificates(folder);
        let made = Command::new("/usr/bin/mosquitto_passwd")
            .args(["-b", "-c", "users", "hub", "secret"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let at = folder.display();
        format!("certfile {at}/cert.pem\nkeyfile {at}/key.pem\npassword_file {at}/users")
    });
    let file = |name| broker.folder.path().join(name).display().to_string();
    let (port, ca, other) = (broker.port, file("ca.pem"), file("other.pem"));
    let start = |keys: &str| Hub::start(&format!("[mqtt]\nurl=mqtts://localhost:{port}\nuser=hub\n{keys}\n"));
    let hub = start(&format!("pass=secret\ntls_ca={ca}"));
    hub.process.wait_for_line(&format!("connected to mqtts://localhost:{port}"), PATIENCE);
    let hub = start(&format!("pass=secret\ntls_ca={other}"));
    hub.process.wait_for_line("invalid peer certificate: UnknownIssuer", PATIENCE);
    let hub = start(&format!("pass=wrong\ntls_ca={ca}"));
    hub.process.wait_for_line("check user and pass", PATIENCE);
    let hub = start("pass=secret\ntls_ca=/nowhere/ca.pem");
    hub.process.wait_for_line("/nowhere/ca.pem: expected certificates in PEM", PATIENCE);
    assert!(!hub.process.lines().iter().any(|line| line.contains("secret")));
}
