//! Random and broken requests: the server goes on, and answers the next good one.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::boards::Boards;
use crate::client::{connect, get};
use crate::server::Server;
use psistats_hub::web::{Limits, Settings};

fn server() -> Server {
    let limits = Limits { request_time: Duration::from_millis(200), ..Limits::default() };
    Server::start_with(Settings { limits, ..Settings::default() }, "127.0.0.1:0", Boards::default())
}

/// Sends octets, in two parts, and reads what comes: nothing, or HTTP.
fn send(server: &Server, octets: &[u8], cut: usize) -> Result<(), TestCaseError> {
    let mut stream = connect(server.address);
    let (one, other) = octets.split_at(cut.min(octets.len()));
    let _ = stream.write_all(one);
    let _ = stream.write_all(other);
    let _ = stream.shutdown(Shutdown::Write);
    let mut start = [0; 9];
    if stream.read_exact(&mut start).is_ok() {
        prop_assert!(start.starts_with(b"HTTP/1."), "{:?}", start);
    }
    Ok(())
}

fn run<S: Strategy>(strategy: &S, test: impl Fn(&Server, S::Value) -> Result<(), TestCaseError>) {
    let server = server();
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(strategy, |value| test(&server, value)).unwrap();
    assert_eq!(get(server.address, "/healthz").status, 200);
    server.wait_for(|counters| counters.connections == 0 && counters.event_clients == 0);
}

#[test]
fn octets_of_any_kind_end_a_connection_and_nothing_else() {
    run(&(vec(any::<u8>(), 0..2000), 0..2000_usize), |server, (octets, cut)| send(server, &octets, cut));
}

#[test]
fn a_request_with_some_octets_changed_is_answered_or_closed() {
    let request = b"GET /api/v1/hosts/pi-1/history?series=cpu&from=1&to=2&points=9 HTTP/1.1\r\nHost: localhost\r\n\
        Origin: http://localhost\r\nAccept: text/csv;q=0.5, */*\r\nAuthorization: Bearer x\r\nCookie: a=b; psistats-hub=c\r\n\
        Content-Length: 4\r\nIf-None-Match: \"x\"\r\n\r\nbodyGET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    run(&(vec((0..request.len(), any::<u8>()), 1..8), 0..request.len()), |server, (changes, cut)| {
        let mut octets = request.to_vec();
        changes.iter().for_each(|(at, octet)| octets[*at] = *octet);
        send(server, &octets, cut)
    });
}

#[test]
fn any_query_is_answered_with_what_was_asked_or_what_was_expected() {
    let number = prop_oneof![
        any::<f64>().prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[-+0-9.eEinfNa%&=]{0,12}",
    ];
    let pair = ("series|from|to|points|[a-z%&=+]{0,6}", prop_oneof![Just("cpu".to_owned()), number]);
    run(&vec(pair, 0..6), |server, pairs| {
        let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let response = get(server.address, &format!("/api/v1/hosts/pi-1/history?{}", pairs.join("&")));
        match response.status {
            200 => prop_assert!(response.json()["t"].as_array().unwrap().len() <= 2000),
            status => prop_assert!([400, 404].contains(&status) && !response.error().is_empty()),
        }
        Ok(())
    });
}
