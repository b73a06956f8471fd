//! Limits of connections, and clients that are slow on purpose.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::boards::Boards;
use crate::client::{Answer, answer, connect, get, read_to_end};
use crate::server::Server;
use psistats_hub::web::{Limits, Settings};

/// Time for a request, in these tests.
const TIME: Duration = Duration::from_millis(700);

fn server(limits: Limits) -> Server {
    let settings = Settings { limits, ..Settings::default() };
    Server::start_with(settings, "127.0.0.1:0", Boards { padding: 3_000_000 })
}

fn quick() -> Server {
    server(Limits { request_time: TIME, write_time: TIME, ..Limits::default() })
}

/// Asserts that what began then was ended by the limit of time.
#[track_caller]
fn assert_timed_out(begin: Instant) {
    let took = begin.elapsed();
    assert!(took >= TIME && took < 10 * TIME, "{took:?}");
}

#[test]
fn a_client_that_says_nothing_or_half_a_request_is_closed() {
    let server = quick();
    for start in ["", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r"] {
        let begin = Instant::now();
        let mut stream = connect(server.address);
        stream.write_all(start.as_bytes()).unwrap();
        let octets = read_to_end(&mut stream);
        assert_timed_out(begin);
        assert!(octets.is_empty() || Answer::of_head(&octets).status == 408, "{octets:?}");
    }
    server.wait_for(|counters| counters.connections == 0);
}

#[test]
fn headers_that_drip_are_not_waited_for_beyond_the_time_for_all_of_them() {
    let server = quick();
    let begin = Instant::now();
    let mut stream = connect(server.address);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ").unwrap();
    while stream.write_all(b"x").is_ok() {
        sleep(TIME / 20);
        assert!(begin.elapsed() < 10 * TIME);
    }
    assert_timed_out(begin);
    server.wait_for(|counters| counters.connections == 0);
}

#[test]
fn a_body_that_does_not_come_is_408() {
    let server = quick();
    let begin = Instant::now();
    let response =
        answer(server.address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc");
    assert_timed_out(begin);
    assert_eq!(
        (response.status, response.error()),
        (408, "the request's body did not arrive in time".to_owned())
    );
}

#[test]
fn an_idle_connection_is_closed_after_the_same_time() {
    let server = quick();
    let begin = Instant::now();
    let response = answer(server.address, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_timed_out(begin);
    assert_eq!(response.status, 200);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_closed() {
    let server = quick();
    let mut stream = connect(server.address);
    let request = b"GET /api/v1/hosts HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(10);
    stream.write_all(&request).unwrap();
    let begin = Instant::now();
    server.wait_for(|counters| counters.connections == 1 && counters.requests > 0);
    server.wait_for(|counters| counters.connections == 0);
    assert_timed_out(begin);
    assert!(read_to_end(&mut stream).len() < 10_000_000);
}

#[test]
fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let server = quick();
    let mut stream = connect(server.address);
    stream.write_all(b"GET /api/v1/hosts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    sleep(TIME / 3);
    assert!(read_to_end(&mut stream).len() > 3_000_000);
}

#[test]
fn more_connections_than_there_are_places_get_503_until_one_is_free() {
    let server = server(Limits { connections: 3, ..Limits::default() });
    let mut held: Vec<_> = (0..3).map(|_| connect(server.address)).collect();
    server.wait_for(|counters| counters.connections == 3);
    let mut refused = connect(server.address);
    let octets = read_to_end(&mut refused);
    assert!(octets.starts_with(b"HTTP/1.1 503 "), "{octets:?}");
    assert_eq!(server.counters().connections_refused, 1);
    held.pop();
    server.wait_for(|counters| counters.connections == 2);
    assert_eq!(get(server.address, "/healthz").status, 200);
}

#[test]
fn one_peer_does_not_get_the_places_of_all() {
    let server = server(Limits { connections_of_peer: 2, ..Limits::default() });
    let _held: Vec<_> = (0..2).map(|_| connect(server.address)).collect();
    server.wait_for(|counters| counters.connections == 2);
    assert!(read_to_end(&mut connect(server.address)).starts_with(b"HTTP/1.1 503 "));
}
