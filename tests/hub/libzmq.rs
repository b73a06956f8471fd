//! libzmq on both sides: 4.3, and 3.2, which speaks ZMTP 2.0.

use std::io::Write;
use std::process::Command;

use crate::master::{Master, message};
use support::PATIENCE;
use support::master::{Libzmq, python};
use support::process::{Process, Stream};
use support::project::program;
use support::raw;

#[test]
#[ignore = "needs python3-zmq and libzmq 3.2: tests/run"]
fn messages_of_client_nodes_reach_subscribers_unchanged_and_in_order() {
    let all = [Libzmq::V4, Libzmq::V3_2];
    for (sends, receives) in all.into_iter().flat_map(|sends| all.map(|receives| (sends, receives))) {
        let master = Master::start("");
        let subscriber = master.subscriber_of(receives, "Chasar-Client", "");
        master.wait_for("subscribed", |n| n == 1);
        let _publisher = master.publisher_of(sends, "a");
        let first = message(&subscriber, 0)["n"].as_u64().unwrap();
        for n in 1..20 {
            assert_eq!(message(&subscriber, n)["n"], first + n as u64, "{sends:?} to {receives:?}");
        }
        let line = &subscriber.lines_of(Stream::Stdout)[0];
        let expected = format!("Chasar-Client {{\"from\": \"a\", \"n\": {first}}}");
        assert_eq!(*line, expected, "not a byte is changed");
        assert_eq!(master.process.lines().iter().filter(|line| line.contains("WARN")).count(), 0);
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn our_client_nodes_messages_reach_subscribers_by_any_prefix_that_matches() {
    let master = Master::start("");
    let all = master.subscriber("", "");
    let some = master.subscriber("Chasar-", "");
    let other = master.subscriber("chasar", "");
    let mut node = Command::new(program("psistats"));
    let node = node.args(["chasar", "clientnode", "start", "127.0.0.1", &master.port.to_string()]);
    let _node = Process::start(node);
    for subscriber in [&all, &some] {
        let body = message(subscriber, 0);
        assert!(body["memory"]["total_bytes"].as_u64().unwrap() > 0);
        assert!(body["process"].as_object().unwrap().len() > 1);
    }
    assert!(other.lines_of(Stream::Stdout).is_empty());
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn both_sides_reconnect_after_the_master_node_was_killed_and_started_again() {
    let mut master = Master::start("");
    let subscriber = master.subscriber("Chasar-Client", "");
    let _publisher = master.publisher("a");
    let before = message(&subscriber, 0)["n"].as_u64().unwrap();
    master.restart();
    let seen = subscriber.lines_of(Stream::Stdout).len();
    let after = message(&subscriber, seen + 3)["n"].as_u64().unwrap();
    assert!(after > before);
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn client_nodes_and_subscribers_connect_and_disconnect_without_harm_to_others() {
    let master = Master::start("");
    let stays = master.subscriber("Chasar-Client", "");
    let first = master.publisher("first");
    message(&stays, 3);
    let late = master.subscriber("Chasar-Client", "");
    message(&late, 3);
    drop((first, late));
    master.wait_for("connections", |n| n == 1);
    let seen = stays.lines_of(Stream::Stdout).len();
    let second = master.publisher("second");
    assert_eq!(message(&stays, seen)["from"], "second");
    drop(second);
    master.assert_serves();
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_subscription_may_be_made_late_cancelled_and_made_again() {
    let master = Master::start("");
    let _publisher = master.publisher("a");
    let subscriber = python(&format!(
        "
socket = context.socket(zmq.SUB)
socket.connect('tcp://127.0.0.1:{}')
for again in range(2):
    assert not socket.poll(300)
    socket.setsockopt(zmq.SUBSCRIBE, b'Chasar-Client')
    socket.setsockopt(zmq.SUBSCRIBE, b'Chasar-Client')
    first = json.loads(socket.recv_multipart()[1])['n']
    socket.setsockopt(zmq.UNSUBSCRIBE, b'Chasar-Client')
    second = json.loads(socket.recv_multipart()[1])['n']
    assert second == first + 1
    socket.setsockopt(zmq.UNSUBSCRIBE, b'Chasar-Client')
    while socket.poll(300): socket.recv_multipart()
print('done')
",
        master.publish_port
    ));
    subscriber.wait_for_line("done", PATIENCE);
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn the_heartbeats_of_libzmq_keep_both_sides_connected() {
    let master = Master::start("");
    let beats = "
socket.setsockopt(zmq.HEARTBEAT_IVL, 50)
socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 5000)
socket.setsockopt(zmq.HEARTBEAT_TTL, 60000)
monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
";
    // A second of nothing but heartbeats before each message.
    let ports = (master.port, master.publish_port);
    let program = python(&format!(
        "
socket = context.socket(zmq.PUB)
{beats}
socket.connect('tcp://127.0.0.1:{}')
publisher, of_publisher = socket, monitor
socket = context.socket(zmq.SUB)
{beats}
socket.connect('tcp://127.0.0.1:{}')
socket.setsockopt(zmq.SUBSCRIBE, b'Chasar-Client')
for n in range(3):
    time.sleep(1)
    publisher.send_multipart([b'status', b'{{}}'])
    assert socket.recv_multipart() == [b'Chasar-Client', b'{{}}']
print('disconnected' if monitor.poll(0) or of_publisher.poll(0) else 'connected')
",
        ports.0, ports.1
    ));
    assert_eq!(program.wait_for_line("connected", PATIENCE), "connected");
}

#[test]
fn subscriptions_of_zmtp_3_0_and_3_1_are_the_same() {
    let master = Master::start("");
    let mut old = raw::peer(master.publish_port, 0, "SUB");
    old.write_all(&raw::frame(0, b"\x01Chasar-Client")).unwrap();
    let mut new = raw::peer(master.publish_port, 1, "XSUB");
    new.write_all(&raw::frame(4, b"\x09SUBSCRIBEChasar")).unwrap();
    master.wait_for("subscribed", |n| n == 2);
    let mut client = raw::client(master.port);
    client.write_all(&raw::status(b"{\"n\":1}")).unwrap();
    assert_eq!(raw::read_message(&mut old), b"{\"n\":1}");
    assert_eq!(raw::read_message(&mut new), b"{\"n\":1}");
    // Cancelled in the other form, which is allowed.
    new.write_all(&raw::frame(0, b"\x00Chasar")).unwrap();
    old.write_all(&raw::frame(4, b"\x06CANCELChasar-Client")).unwrap();
    master.wait_for("subscribed", |n| n == 0);
}
