//! libzmq (through Debian's python3-zmq, and libzmq 3.2, which speaks ZMTP 2.0) over TCP, in both directions.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use psistats_core::link::Link;
use psistats_core::zmtp::{Error, Outcome, Publisher, PublisherEvent};

use crate::endpoints::{Subscriber, events, publisher};
use support::PATIENCE;
use support::master::{Libzmq, python, python_with};
use support::process::{Process, Stream};

/// A connection to the port that a program says first.
pub fn connect(python: &Process) -> TcpStream {
    let port = &python.wait_for_lines_of(Stream::Stdout, 1, PATIENCE)[0];
    TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap()
}

/// A time and what the core's clock says then.
pub fn now(start: Instant) -> psistats_core::time::Instant {
    psistats_core::time::Instant::from_nanos(start.elapsed().as_nanos() as u64)
}

/// Reads what is there within a few milliseconds. None at the end.
pub fn read(stream: &mut TcpStream, buf: &mut [u8]) -> Option<usize> {
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    match stream.read(buf) {
        Ok(0) => None,
        Ok(n) => Some(n),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => Some(0),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
        Err(error) => panic!("{error}"),
    }
}

/// Publishes number after number, `spacing` apart, until `done` with what the link has told, or its end.
fn publish(
    stream: &mut TcpStream,
    spacing: Duration,
    done: impl FnMut(u32) -> bool,
) -> (u32, Vec<PublisherEvent>) {
    publish_by(publisher(psistats_core::time::Instant::from_nanos(0)), stream, spacing, done)
}

/// The same by a publisher that was made at the time 0.
pub fn publish_by(
    mut link: Publisher<'_>,
    stream: &mut TcpStream,
    spacing: Duration,
    mut done: impl FnMut(u32) -> bool,
) -> (u32, Vec<PublisherEvent>) {
    let start = Instant::now();
    let (mut queued, mut told, mut next) = (0, Vec::new(), start);
    while !done(queued) {
        assert!(start.elapsed() < PATIENCE, "{queued} {told:?}");
        if link.deadline().is_some_and(|at| at <= now(start)) {
            link.timed_out(now(start));
        }
        told.extend(events(&mut link, now(start)));
        if matches!(told.last(), Some(PublisherEvent::Ended(_))) {
            break;
        }
        if Instant::now() >= next {
            next += spacing;
            if link.publish(format!("{{\"n\":{queued}}}").as_bytes(), now(start)) == Outcome::Queued {
                queued += 1;
            }
        }
        let written = stream.write(link.outgoing()).unwrap_or_default();
        link.sent(written, now(start));
        match read(stream, link.recv_space()) {
            Some(n) => link.received(n, now(start)),
            None => link.disconnected(),
        }
    }
    (queued, told)
}

#[test]
#[ignore = "needs python3-zmq and libzmq 3.2: tests/run"]
fn a_sub_of_libzmq_receives_what_we_publish_also_after_a_late_subscription() {
    for libzmq in [Libzmq::V4, Libzmq::V3_2] {
        let python = python_with(
            libzmq,
            "
socket = context.socket(zmq.SUB)
print(socket.bind_to_random_port('tcp://127.0.0.1'))
time.sleep(0.3)
socket.setsockopt(zmq.SUBSCRIBE, b'sta')
for _ in range(50):
    topic, body = socket.recv_multipart()
    print(topic.decode(), body.decode())
time.sleep(3600)
",
        );
        let mut stream = connect(&python);
        let (queued, told) = publish(&mut stream, Duration::from_millis(2), |queued| queued == 60);
        assert_eq!(queued, 60, "{libzmq:?} {told:?}");
        assert_eq!(told, [PublisherEvent::Ready, PublisherEvent::Wanted(true)], "{libzmq:?}");
        let lines = python.wait_for_lines_of(Stream::Stdout, 1 + 50, PATIENCE);
        for (n, line) in lines[1..].iter().enumerate() {
            assert_eq!(*line, format!("status {{\"n\":{n}}}"), "{libzmq:?}");
        }
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn the_heartbeats_of_libzmq_are_answered_so_that_it_stays() {
    let python = python(
        "
socket = context.socket(zmq.SUB)
socket.setsockopt(zmq.HEARTBEAT_IVL, 50)
socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 200)
socket.setsockopt(zmq.HEARTBEAT_TTL, 60000)
monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
print(socket.bind_to_random_port('tcp://127.0.0.1'))
socket.setsockopt(zmq.SUBSCRIBE, b'')
for _ in range(3):
    print(socket.recv_multipart()[1].decode())
print('disconnected' if monitor.poll(0) else 'connected')
",
    );
    let mut stream = connect(&python);
    // Half a second apart, so that only heartbeats keep it.
    publish(&mut stream, Duration::from_millis(500), |queued| queued == 4);
    let lines = python.wait_for_lines_of(Stream::Stdout, 1 + 4, PATIENCE);
    assert_eq!(lines[1..], ["{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "connected"]);
}

#[test]
#[ignore = "needs python3-zmq and libzmq 3.2: tests/run"]
fn what_pubs_of_libzmq_send_to_our_sub_arrives_whole() {
    let libraries =
        [(Libzmq::V4, "PUB"), (Libzmq::V4, "XPUB"), (Libzmq::V3_2, "PUB"), (Libzmq::V3_2, "XPUB")];
    for (libzmq, socket) in libraries {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "
socket = context.socket(zmq.{socket})
socket.connect('tcp://127.0.0.1:{port}')
while True:
    socket.send_multipart([b'status', b'x' * 9000])
    socket.send_multipart([b'status', b'', b'small'])
    time.sleep(0.01)
"
        );
        let _python = python_with(libzmq, &script);
        let (mut stream, _) = listener.accept().unwrap();
        let start = Instant::now();
        let mut subscriber = Subscriber::new(now(start));
        let mut subscribed = false;
        while subscriber.messages.len() < 20 {
            assert!(start.elapsed() < PATIENCE && subscriber.ended.is_none(), "{:?}", subscriber.ended);
            stream.write_all(&subscriber.take_outgoing()).unwrap();
            let mut buf = [0; 5000];
            let n = read(&mut stream, &mut buf).expect("it stays");
            subscriber.receive(&buf[..n], now(start));
            if subscriber.ready && !subscribed {
                subscribed = true;
                subscriber.session.subscribe(b"");
            }
        }
        for message in &subscriber.messages {
            let whole = message.len() == 2 && message[1] == [b'x'; 9000];
            assert!(whole || message[1..] == [b"".to_vec(), b"small".to_vec()]);
            assert_eq!(message[0], b"status");
        }
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_socket_of_libzmq_that_does_not_fit_is_told_as_such() {
    let python = python(
        "
socket = context.socket(zmq.PULL)
print(socket.bind_to_random_port('tcp://127.0.0.1'))
time.sleep(3600)
",
    );
    let (_, told) = publish(&mut connect(&python), Duration::from_millis(10), |_| false);
    let [PublisherEvent::Ended(error)] = &told[..] else { panic!("{told:?}") };
    let text = error.to_string();
    assert!(text.contains("socket"), "{text}");
    assert!(matches!(error, Error::SocketType { .. } | Error::Disconnected(_)), "{text}");
}
