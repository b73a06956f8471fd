//! What the hub answers is what its OpenAPI document says.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::hub::{Hub, own_name};
use crate::kept::publish;
use crate::master::free_port;
use support::openapi::problems;

/// Head and body of the answer to a GET.
fn get(hub: &Hub, path: &str, header: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", hub.page)).unwrap();
    let port = hub.page;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}Connection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// An answer to what the document calls `template`.
fn answer(hub: &Hub, template: &str, path: &str, header: &str) -> Value {
    let (head, body) = get(hub, path, header);
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap();
    let body: Value =
        if kind == "application/json" { serde_json::from_str(&body).unwrap() } else { body.into() };
    json!({"path": template, "status": status, "type": kind, "body": body})
}

/// The data of a snapshot and of frames until one has values: `{"schema","value"}` each.
fn events(hub: &Hub) -> Vec<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", hub.page)).unwrap();
    let port = hub.page;
    write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut text = String::new();
    let is_enough = |text: &str| text.matches("event: changes").count() > 2 && text.ends_with("\n\n\r\n");
    while !is_enough(&text) || !text.contains("\"values\":{\"") {
        let mut octets = vec![0; 65_536];
        let count = stream.read(&mut octets).unwrap();
        assert!(count > 0, "{text}");
        text.push_str(str::from_utf8(&octets[..count]).unwrap());
    }
    let data = |event: &str, schema: &str| -> Vec<Value> {
        let begin = format!("event: {event}\ndata: ");
        let values = text.split(&begin).skip(1).map(|rest| rest.lines().next().unwrap());
        let values = values.map(|text| serde_json::from_str::<Value>(text).unwrap());
        values.map(|value| json!({"schema": schema, "value": value})).collect()
    };
    [data("snapshot", "Hosts"), data("changes", "Changes")].concat()
}

#[test]
#[ignore = "needs python3-pika and python3-jsonschema: tests/run"]
fn every_answer_of_the_hub_is_as_its_document_says() {
    let other = Hub::start("self=no");
    publish(&other, "far", &[(1, 7_200, 10.0)]);
    let peers = [other.page, free_port()].map(|port| format!("http://127.0.0.1:{port}"));
    let hub = Hub::start(&format!("peers={}", peers.join(",")));
    // Late ones, a gap, and one that comes twice; what is over a limit.
    publish(&hub, "pi", &[(1, 7_200, 10.0), (2, 7_195, 20.0), (4, 60, 4.0), (4, 60, 4.0), (5, 0, 5.0)]);
    let own = own_name();
    hub.wait_for(&own, |board| board["values"]["cpu"].is_number());
    let history = "/api/v1/hosts/{host}/history";
    let answers: Vec<_> = [
        ("/healthz", "/healthz"),
        ("/api/v1/openapi.json", "/api/v1/openapi.json"),
        ("/api/v1/hub", "/api/v1/hub"),
        ("/api/v1/hosts", "/api/v1/hosts"),
        ("/api/v1/hosts", "/api/v1/hosts?worst=5"),
        ("/api/v1/peers", "/api/v1/peers"),
        ("/api/v1/hosts/{host}", "/api/v1/hosts/pi"),
        ("/api/v1/hosts/{host}", &format!("/api/v1/hosts/{own}")),
        ("/api/v1/hosts/{host}", "/api/v1/hosts/none"),
        (history, "/api/v1/hosts/pi/history?series=cpu"),
        (history, "/api/v1/hosts/pi/history?series=cpu&from=1000"),
        (history, &format!("/api/v1/hosts/{own}/history?series=cpu&points=3")),
        (history, "/api/v1/hosts/pi/history?series=none"),
        ("/api/v1/series/{series}", "/api/v1/series/cpu"),
        ("/api/v1/series/{series}", "/api/v1/series/board.model"),
        ("/api/v1/series/{series}", "/api/v1/series/none"),
    ]
    .into_iter()
    .map(|(template, path)| answer(&hub, template, path, ""))
    .chain([answer(&hub, history, "/api/v1/hosts/pi/history?series=cpu", "Accept: text/csv\r\n")])
    .collect();
    let count = |status: u16| answers.iter().filter(|answer| answer["status"] == status).count();
    assert_eq!((count(200), count(404)), (14, 3));
    assert_eq!(problems(&answers, &events(&hub)), [""; 0]);
}
