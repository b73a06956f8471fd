//! Server-sent events.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::boards::Boards;
use crate::client::{curl, events, get, read_to_end, read_until};
use crate::server::Server;
use psistats_hub::web::{Limits, Settings};

fn server(limits: Limits, padding: usize) -> Server {
    Server::start_with(Settings { limits, ..Settings::default() }, "127.0.0.1:0", Boards { padding })
}

#[test]
fn a_client_gets_a_snapshot_and_then_each_frame_once() {
    let server = Server::start();
    server.publish("before");
    let mut stream = events(server.address);
    let begin = read_until(&mut stream, "\n\n");
    assert!(begin.contains("\r\ncontent-type: text/event-stream\r\n"), "{begin}");
    let snapshot = get(server.address, "/api/v1/hosts");
    let expected = format!("\r\n\r\nevent: snapshot\ndata: {}\n\n", snapshot.text());
    assert!(begin.ends_with(&expected), "{begin}");
    for n in 0..20 {
        server.publish(format!("{{\"n\":\n{n}}}\r\n"));
        assert_eq!(read_until(&mut stream, "\n\n"), format!("event: changes\ndata: {{\"n\": {n}}}  \n\n"));
    }
    assert_eq!(server.counters().event_clients, 1);
    drop(stream);
    server.wait_for(|counters| counters.event_clients == 0 && counters.connections == 0);
}

#[test]
fn curl_reads_them_as_chunks() {
    let server = Server::start();
    let text = curl(server.address, "/api/v1/events", &["--no-buffer", "--max-time", "0.5"]);
    assert!(text.starts_with("event: snapshot\ndata: {") && text.ends_with("}\n\n"), "{text}");
}

#[test]
fn a_client_that_missed_frames_gets_a_new_snapshot_and_goes_on_from_there() {
    let server = server(Limits::default(), 0);
    let mut stream = events(server.address);
    server.wait_for(|counters| counters.event_clients == 1);
    let large = "x".repeat(100_000);
    for _ in 0..300 {
        server.publish(large.clone());
        // Each is a frame of its own to a client that is quick.
        server.counters();
    }
    let (mut text, mut n) = (String::new(), 0);
    while !text.contains("data: after ") {
        // What it has not taken yet is replaced by a snapshot, which may take this frame's place, too.
        n += 1;
        server.publish(format!("after {n}"));
        text += &read_until(&mut stream, "\n\n");
    }
    assert!(server.counters().resyncs > 0);
    let (text, _begun) = text.rsplit_once("\n\n").unwrap();
    let events: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("event: ")).collect();
    let snapshot = events.iter().rposition(|event| event.starts_with("snapshot\ndata: {")).unwrap();
    let first = events[snapshot + 1].strip_prefix("changes\ndata: after ").unwrap().parse::<u32>().unwrap();
    for (n, event) in (first..).zip(&events[snapshot + 1..]) {
        assert_eq!(*event, format!("changes\ndata: after {n}"));
    }
    let taken = text.matches(&large).count();
    assert!(taken < 150, "{taken} frames were kept for a slow client");
}

#[test]
fn a_client_that_reads_nothing_is_closed() {
    let time = Duration::from_millis(700);
    let server = server(Limits { write_time: time, ..Limits::default() }, 4_000_000);
    let mut stream = events(server.address);
    server.wait_for(|counters| counters.event_clients == 1);
    let begin = Instant::now();
    server.wait_for(|counters| counters.event_clients == 0 && counters.connections == 0);
    assert!(begin.elapsed() > time / 2);
    assert!(read_to_end(&mut stream).len() < 4_000_000);
}

#[test]
fn silence_is_broken_by_comments() {
    let server = server(Limits { heartbeat: Duration::from_millis(100), ..Limits::default() }, 0);
    let mut stream = events(server.address);
    read_until(&mut stream, "}\n\n");
    let begin = Instant::now();
    assert_eq!(read_until(&mut stream, "\n\n"), ":\n\n");
    assert_eq!(read_until(&mut stream, "\n\n"), ":\n\n");
    assert!(begin.elapsed() >= Duration::from_millis(90));
    assert_eq!(server.counters().resyncs, 0);
    // With frames there are none.
    for _ in 0..10 {
        server.publish("frame");
        sleep(Duration::from_millis(10));
    }
    let text = read_until(&mut stream, ":\n\n");
    assert_eq!(text.matches("data: frame\n\n").count(), 10, "{text}");
}

#[test]
fn more_clients_than_allowed_are_503_and_the_rest_of_the_api_goes_on() {
    let server = server(Limits { event_clients: 2, ..Limits::default() }, 0);
    let mut clients = [events(server.address), events(server.address)];
    clients.iter_mut().for_each(|stream| drop(read_until(stream, "event: snapshot")));
    let refused = get(server.address, "/api/v1/events");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(refused.error(), "too many clients of events: at most 2 at a time");
    assert_eq!(get(server.address, "/healthz").status, 200);
    drop(clients);
    server.wait_for(|counters| counters.event_clients == 0);
    read_until(&mut events(server.address), "event: snapshot");
}
