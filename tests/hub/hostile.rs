//! Peers that speak another protocol, or are hostile. Good peers are unharmed by each.

use std::io::Write;
use std::net::TcpStream;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::master::Master;
use support::PATIENCE;
use support::master::python;
use support::memory::Memory;
use support::raw;

/// A good client node and a good subscriber, which were connected before and stay connected.
struct Good {
    client: TcpStream,
    subscriber: TcpStream,
    sent: u64,
}

impl Good {
    fn new(master: &Master) -> Self {
        let subscriber = raw::subscriber(master.publish_port, "Chasar-Client");
        master.wait_for("subscribed", |n| n == 1);
        Self { client: raw::client(master.port), subscriber, sent: 0 }
    }

    fn assert_unharmed(&mut self) {
        self.sent += 1;
        let body = format!("{{\"good\":{}}}", self.sent);
        self.client.write_all(&raw::status(body.as_bytes())).unwrap();
        assert_eq!(raw::read_message(&mut self.subscriber), body.as_bytes());
    }
}

/// Bytes that end the connection of whoever sends them, and the reason that the log gives.
fn breaches() -> Vec<(Vec<u8>, &'static str)> {
    let ready = |socket| [&raw::greeting(1, "NULL")[..], &raw::ready(socket)].concat();
    let then = |frames: &[u8]| [&ready("PUB")[..], frames].concat();
    vec![
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "begins with \\\"GET / HTTP"),
        (vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3], "expected ZeroMQ"),
        (b"\x01\0".to_vec(), "the peer speaks ZMTP 1.0"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x08\0\0".to_vec(), "\\\"PUSH\\\", expected PUB or XPUB"),
        (raw::greeting(1, "PLAIN").to_vec(), "\\\"PLAIN\\\""),
        (raw::greeting(1, "CURVE").to_vec(), "\\\"CURVE\\\""),
        // A control character that would reverse the rest of the line.
        (raw::greeting(1, "\u{202e}LLUN").to_vec(), "\\\"?LLUN\\\""),
        (ready("PUSH"), "\\\"PUSH\\\""),
        (ready("SUB"), "\\\"SUB\\\", expected PUB or XPUB"),
        ([&raw::greeting(1, "NULL")[..], &raw::frame(0, b"x")].concat(), "may not come now"),
        (then(&[0xff, 0]), "flags 0xff"),
        (then(&raw::ready("PUB")), "may not come now"),
        (then(&raw::frame(4, b"\x09PING")), "lengths do not fit"),
        (then(&[2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), "where 4096 are the most"),
        (then(&raw::frame(0, &[b' '; 4097])), "a frame of 4097 bytes"),
        (then(&raw::frame(4, b"\x05ERROR\x04gone")), "\\\"gone\\\""),
        (then(&raw::frame(4, b"\x04PING\0\0").repeat(100_000)), "requests without reading"),
    ]
}

#[test]
fn each_breach_of_protocol_ends_its_own_connection_and_the_log_says_why() {
    let master = Master::start("message_bytes=4096");
    let mut good = Good::new(&master);
    for (bytes, why) in breaches() {
        let seen = master.process.lines().len();
        let mut stream = raw::connect(master.port);
        // The connection may be closed before all of it is written.
        let _ = stream.write_all(&bytes);
        raw::assert_closed(stream);
        let why = why.replace("\\\"", "\"");
        let line = master.process.wait_for_line_after(seen, "client node 127.0.0.1", PATIENCE);
        assert!(line.contains(&why), "expected {why} in: {line}");
        good.assert_unharmed();
        // At most five such lines a second are logged.
        std::thread::sleep(std::time::Duration::from_millis(210));
    }
    master.wait_for("connections", |n| n == 2);
}

#[test]
fn an_impossible_frame_behind_messages_that_have_to_wait_ends_its_own_connection_and_no_other() {
    let master = Master::start("messages_per_second=1");
    let mut good = Good::new(&master);
    let mut client = raw::client(master.port);
    let impossible = [2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    client.write_all(&[&raw::status(b"{}")[..], &impossible].concat()).unwrap();
    assert_eq!(raw::read_message(&mut good.subscriber), b"{}");
    master.process.wait_for_line("a frame of 18446744073709551615 bytes", PATIENCE);
    raw::assert_closed(client);
    good.assert_unharmed();
}

#[test]
fn messages_that_are_no_json_object_are_dropped_and_counted_and_the_rest_goes_on() {
    let master = Master::start("");
    let mut good = Good::new(&master);
    let mut client = raw::client(master.port);
    let bad = [
        raw::status(b""),
        raw::status(b"[1]"),
        raw::status(b"{\"cpu\":NaN}"),
        raw::status(b"{} {}"),
        raw::status(b"{\"a\":\"\xff\"}"),
        raw::status(&b"[".repeat(500_000)),
        raw::frame(0, b"{}"),
        [raw::frame(1, b"status"), raw::frame(1, b"{}"), raw::frame(0, b"{}")].concat(),
    ];
    for (n, bytes) in bad.iter().enumerate() {
        client.write_all(bytes).unwrap();
        master.wait_for("invalid", |invalid| invalid == n as u64 + 1);
        good.assert_unharmed();
        // The same connection's next good message comes through.
        client.write_all(&raw::status(b"{\"same\":1}")).unwrap();
        assert_eq!(raw::read_message(&mut good.subscriber), b"{\"same\":1}");
    }
    let told =
        master.process.lines().iter().filter(|line| line.contains("such messages are dropped")).count();
    assert_eq!(told, 1, "once a connection");
}

#[test]
fn random_bytes_harm_no_other_connection() {
    let master = Master::start("");
    let mut good = Good::new(&master);
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let cases = (0..4_usize, bytes, any::<bool>(), 1..200_usize);
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&cases, |(begin, bytes, subscribes, piece)| {
        let port = if subscribes { master.publish_port } else { master.port };
        let socket = if subscribes { "SUB" } else { "PUB" };
        let handshake = [&raw::greeting(1, "NULL")[..], &raw::ready(socket)].concat();
        // They follow nothing, half of the handshake, all of it, or the first frame of a message.
        let mut all = handshake[..handshake.len() * begin.min(2) / 2].to_vec();
        if begin == 3 {
            all.extend(raw::frame(1, b"status"));
        }
        all.extend(bytes);
        let mut stream = raw::connect(port);
        for piece in all.chunks(piece) {
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        drop(stream);
        Ok(())
    });
    outcome.unwrap();
    good.assert_unharmed();
    master.wait_for("connections", |n| n == 2);
    good.assert_unharmed();
}

#[test]
fn a_message_that_comes_byte_by_byte_arrives_and_one_that_is_only_announced_takes_no_memory() {
    let master = Master::start("message_bytes=67108864\npublish_high_water=268435456");
    let mut good = Good::new(&master);
    let mut slow = raw::client(master.port);
    slow.set_nodelay(true).unwrap();
    for octet in raw::status(b"{\"slow\":\"0123456789\"}") {
        slow.write_all(&[octet]).unwrap();
    }
    assert_eq!(raw::read_message(&mut good.subscriber), b"{\"slow\":\"0123456789\"}");
    let before = Memory::of(&master.process).anonymous;
    let named: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = raw::client(master.port);
            stream.write_all(&raw::frame(1, b"status")).unwrap();
            // 64 MB are announced, and one byte is sent.
            stream.write_all(&[2, 0, 0, 0, 0, 4, 0, 0, 0, b'{']).unwrap();
            stream
        })
        .collect();
    good.assert_unharmed();
    assert!(
        Memory::of(&master.process).anonymous < before + 2048,
        "KiB: nothing is taken for what is only announced"
    );
    drop(named);
    good.assert_unharmed();
}

#[test]
fn unfinished_messages_take_a_bounded_memory_in_all_and_the_oldest_are_evicted() {
    let master = Master::start("");
    let mut good = Good::new(&master);
    let before = master.process.status("VmRSS");
    let begun = [raw::frame(1, b"status"), vec![2, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff], vec![b' '; 1_000_000]];
    let begun = begun.concat();
    // 200 MB in all, though each message is within its own limit.
    let mut unfinished: Vec<TcpStream> = Vec::new();
    for _ in 0..200 {
        let mut stream = raw::client(master.port);
        stream.write_all(&begun).unwrap();
        unfinished.push(stream);
    }
    master.wait_for("connections", |n| n < 75);
    assert!(master.counter("evicted") > 120);
    good.assert_unharmed();
    let grown = master.process.status("VmRSS") - before;
    assert!(grown < 140 * 1024, "{grown} KiB: twice 64 MiB, where a buffer has just been made larger");
    raw::assert_closed(unfinished.remove(0));
    // The last one can finish.
    let mut last = unfinished.pop().unwrap();
    last.write_all(&[&[b' '; 0xf_ffff - 1_000_000 - 2][..], b"{}"].concat()).unwrap();
    assert_eq!(raw::read_message(&mut good.subscriber).len(), 0xf_ffff);
    good.assert_unharmed();
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn fault_40_forged_and_endless_host_names_pass_unchanged_and_take_no_memory() {
    let master = Master::start("messages_per_second=0");
    let mut good = Good::new(&master);
    let before = master.process.status("VmRSS");
    let program = python(&format!(
        r#"
publisher = context.socket(zmq.PUB); publisher.setsockopt(zmq.SNDHWM, 0)
publisher.connect('tcp://127.0.0.1:{}')
subscriber = context.socket(zmq.SUB); subscriber.setsockopt(zmq.RCVHWM, 0)
subscriber.connect('tcp://127.0.0.1:{}')
subscriber.setsockopt(zmq.SUBSCRIBE, b'Chasar-Client')
while not subscriber.poll(10): publisher.send_multipart([b'status', b'{{}}'])
names = ['<script>alert(1)</script>', '\x1b[2J', '../../etc', 'h' * 100000, '\u202eevil'] + ['h%d' % n for n in range(20000)]
for name in names: publisher.send_multipart([b'status', json.dumps({{'hostname': name}}).encode()])
publisher.send_multipart([b'status', b'{{"end":1}}'])
got = []
while not got or got[-1] != {{'end': 1}}:
    body = json.loads(subscriber.recv_multipart()[1])
    if body and 'good' not in body: got.append(body)
print([body['hostname'] for body in got[:-1]] == names)
"#,
        master.port, master.publish_port
    ));
    assert_eq!(program.wait_for_line("", PATIENCE), "True");
    assert!(
        master.process.status("VmRSS") < before + 24 * 1024,
        "the ring and some buffers, no table of names"
    );
    // This subscriber has got the program's messages, too.
    while !raw::read_message(&mut good.subscriber).starts_with(b"{\"end\"") {}
    good.assert_unharmed();
}
