//! What goes wrong at the master's end. After each of it a good master at the same port gets messages.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use nix::sys::signal::Signal;

use crate::{Node, node_with, stop};
use support::PATIENCE;
use support::master::Master;
use support::namespace::enter_one_with_small_buffers;
use support::raw::{frame, greeting, ready};

/// What a peer by hand sends, again and again where it floods.
type Octets = Vec<u8>;

/// Takes one connection at a port, sends `octets`, then `again` without end until that fails.
fn peer_that_sends(octets: Octets, again: Octets) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&octets).unwrap();
        if again.is_empty() {
            // Until the node has had enough.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        } else {
            while stream.write_all(&again).is_ok() {}
        }
    });
    (port, peer)
}

/// The handshake of a SUB that wants everything, and what comes then.
fn sub_that_says(then: &[u8]) -> Octets {
    [&greeting(1, "NULL")[..], &ready("SUB"), &frame(4, b"\x09SUBSCRIBE"), then].concat()
}

/// Waits until the node has told of what is at its master's port, lets that go, and sees a good master get
/// messages there.
fn is_told_and_survived(node: &mut Node, port: u16, told: &str, gone: impl FnOnce()) {
    let line = node.wait_for_line(told, PATIENCE);
    assert!(line.contains("next attempt in"), "{line}");
    gone();
    let master = Master::start(port);
    // The next attempt may come in a minute only; who has mended something says so.
    node.reload("interval=0.05");
    master.message();
    stop(node);
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn whoever_is_no_master_is_told_as_what_it_is_and_a_master_in_its_place_gets_messages() {
    let endless = [&[6][..], &(1_u64 << 40).to_be_bytes()].concat();
    let ping = frame(4, b"\x04PING\0\0context");
    let by_hand = [
        ("expected ZeroMQ", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), vec![]),
        ("the peer speaks ZMTP 1.0", b"\x01\0".to_vec(), vec![]),
        ("a frame of 1099511627776 bytes", sub_that_says(&endless), vec![]),
        ("an ERROR without end", sub_that_says(&frame(4, b"\x05ERROR\x14an ERROR without end")), vec![]),
        ("requests without reading", sub_that_says(b""), ping.repeat(1000)),
        // Half open: nothing, until the handshake's deadline.
        ("handshake timed out while", vec![], vec![]),
    ];
    // libzmq ends the connection without a word, before or after we have read what it is.
    let of_libzmq = [
        ("socket", "socket = context.socket(zmq.PUB)"),
        ("socket", "socket = context.socket(zmq.PUSH)"),
        ("security mechanism", "socket = context.socket(zmq.SUB); socket.plain_server = True"),
        (
            "security mechanism",
            "socket = context.socket(zmq.SUB); socket.curve_server = True; socket.curve_secretkey = zmq.curve_keypair()[1]",
        ),
    ];
    thread::scope(|scope| {
        for (told, octets, again) in by_hand {
            scope.spawn(move || {
                let (port, peer) = peer_that_sends(octets, again);
                let mut node = node_with(port, "interval=0.1");
                is_told_and_survived(&mut node, port, told, || peer.join().unwrap());
            });
        }
        for (told, socket) in of_libzmq {
            scope.spawn(move || {
                let other = Master::with(0, socket);
                let port = other.port;
                let mut node = node_with(port, "interval=0.1");
                is_told_and_survived(&mut node, port, told, || drop(other));
            });
        }
    });
}

#[test]
#[ignore = "needs root and python3-zmq: tests/run"]
fn a_frozen_master_loses_whole_messages_which_are_counted_and_gets_later_ones_when_it_goes_on() {
    // Else the master could be held for dead before the high-water mark is reached.
    enter_one_with_small_buffers();
    let master = Master::start(0);
    let mut node = node_with(master.port, "interval=0.002\nsend_high_water=131584");
    master.message();
    master.process.signal(Signal::SIGSTOP);
    node.wait_for_line("does not take messages as fast as they come", PATIENCE);
    master.process.signal(Signal::SIGCONT);
    // More than waited for it anywhere: each is read as JSON.
    let waited = master.count();
    (0..waited + 100).for_each(|_| drop(master.message()));
    stop(&mut node);
    let counted = node.wait_for_line("stopping; sent=", PATIENCE);
    let number = |key: &str| -> u64 {
        let (_, rest) = counted.split_once(key).unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("dropped=") > 0 && number("sent=") >= 100, "{counted}");
    let connections = node.lines().iter().filter(|line| line.contains("connected to the master")).count();
    assert_eq!(connections, 1, "{:#?}", node.lines());
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn the_heartbeats_of_libzmq_are_answered_so_that_the_master_stays() {
    let master = Master::with(
        0,
        "socket = context.socket(zmq.SUB); socket.heartbeat_ivl = 50; socket.heartbeat_timeout = 1000; \
         socket.heartbeat_ttl = 1000; socket.subscribe(b'')",
    );
    let mut node = node_with(master.port, "interval=0.4");
    // Without an answer the master would have closed the connection twice.
    (0..6).for_each(|_| drop(master.message()));
    let connections = node.lines().iter().filter(|line| line.contains("connected to the master")).count();
    assert_eq!(connections, 1, "{:#?}", node.lines());
    stop(&mut node);
}
