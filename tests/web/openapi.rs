//! What is served is what the committed document says, by Debian's python3-jsonschema.

use serde_json::{Value, json};

use crate::boards::host;
use crate::client::{Answer, ask, curl, events, get, read_until};
use crate::server::Server;
use support::openapi::problems;

const DOCUMENT: &str = include_str!("../../src/hub/web/openapi.json");

/// An answer to what the document calls `path`.
fn of(path: &str, answer: &Answer) -> Value {
    let kind = answer.header("content-type");
    let body = if kind == "application/json" { answer.json() } else { answer.text().into() };
    json!({"path": path, "status": answer.status, "type": kind, "body": body})
}

#[test]
fn every_answer_is_as_the_document_says() {
    let server = Server::start();
    let history = "/api/v1/hosts/{host}/history";
    let mut answers = Vec::new();
    for (path, target) in [
        ("/healthz", "/healthz"),
        ("/api/v1/openapi.json", "/api/v1/openapi.json"),
        ("/api/v1/hub", "/api/v1/hub"),
        ("/api/v1/alerts", "/api/v1/alerts"),
        ("/api/v1/alerts", "/api/v1/alerts?wrong"),
        ("/api/v1/hosts", "/api/v1/hosts"),
        ("/api/v1/hosts", "/api/v1/hosts?wrong"),
        ("/api/v1/hosts", "/api/v1/hosts?worst=1"),
        ("/api/v1/hosts", "/api/v1/hosts?worst=0"),
        ("/api/v1/hosts", "/api/v1/hosts?worst=101"),
        ("/api/v1/receivers", "/api/v1/receivers"),
        ("/api/v1/receivers", "/api/v1/receivers?wrong"),
        ("/api/v1/peers", "/api/v1/peers"),
        ("/api/v1/peers", "/api/v1/peers?wrong"),
        ("/api/v1/hosts/{host}", "/api/v1/hosts/pi-1"),
        ("/api/v1/hosts/{host}", "/api/v1/hosts/pi-9"),
        ("/api/v1/hosts/{host}", "/api/v1/hosts/%"),
        (history, "/api/v1/hosts/pi-1/history?series=cpu"),
        (history, "/api/v1/hosts/pi-1/history?series=cpu&points=2000&from=1&to=1.5"),
        (history, "/api/v1/hosts/pi-1/history?series=x"),
        (history, "/api/v1/hosts/pi-1/history"),
        ("/api/v1/series/{series}", "/api/v1/series/cpu"),
        ("/api/v1/series/{series}", "/api/v1/series/x"),
        ("/api/v1/hosts/{host}/export", "/api/v1/hosts/pi-1/export?from=1"),
        ("/api/v1/hosts/{host}/export", "/api/v1/hosts/pi-1/export?format=influx"),
        ("/api/v1/hosts/{host}/export", "/api/v1/hosts/pi-9/export"),
        ("/api/v1/events", "/api/v1/events?x"),
        ("/metrics", "/metrics?host=pi-9"),
        ("/metrics", "/metrics?host=pi-lost"),
        ("/metrics", "/metrics?x"),
        ("/metrics/all", "/metrics/all?x"),
        ("/sd", "/sd"),
        ("/sd", "/sd?x"),
    ] {
        answers.push(of(path, &get(server.address, target)));
    }
    let target = "/api/v1/hosts/pi-1/history?series=cpu&points=5";
    answers.push(of(history, &ask(server.address, "GET", target, &["Accept: text/csv"])));
    for path in ["/metrics", "/metrics/all"] {
        for kind in ["text/plain", "application/openmetrics-text"] {
            let text = curl(
                server.address,
                path,
                &["--header", &format!("Accept: {kind}"), "--write-out", "%{content_type}"],
            );
            let (body, kind) = text.rsplit_once('\n').unwrap();
            answers.push(json!({"path": path, "status": 200, "type": kind, "body": body}));
        }
    }
    answers.push(of("/api/v1/hosts", &ask(server.address, "POST", "/api/v1/hosts", &[])));
    for (path, names) in [
        ("/api/v1/alerts/{id}/acknowledge", &["00112233445566ff", "0"][..]),
        ("/api/v1/hosts/{host}/forget", &["pi-lost", "pi-1", "nobody"]),
        ("/api/v1/receivers/{receiver}/test", &["phone", "slow", "gone", "nobody"]),
        ("/api/v1/logout", &[""]),
    ] {
        let (before, rest) = path.split_once('{').unwrap_or((path, "}"));
        let after = rest.split_once('}').unwrap().1;
        for name in names {
            let target = [before, name, after].concat();
            let mut answer = of(path, &ask(server.address, "POST", &target, &[]));
            answer["method"] = "post".into();
            answers.push(answer);
        }
    }
    let text = read_until(&mut events(server.address), "}\n\n");
    let (head, event) = text.split_once("\r\n\r\nevent: snapshot\ndata: ").unwrap();
    assert!(head.contains("\r\ncontent-type: text/event-stream\r\n"));
    let mut change = host("pi-1");
    change.as_object_mut().unwrap().remove("values");
    let values = json!({"pi-1": {"cpu": 1.5}, "pi-2": {}});
    let changes = json!({"now": 1.5, "hosts": [change, host("pi-3")], "values": values, "gone": ["pi-9"]});
    let values = [
        json!({"schema": "Hosts", "value": serde_json::from_str::<Value>(event).unwrap()}),
        json!({"schema": "Changes", "value": changes}),
    ];
    assert_eq!(problems(&answers, &values), [""; 0]);
}

#[test]
fn the_check_sees_what_is_wrong() {
    let wrong = |change: fn(&mut Value)| {
        let mut host = host("pi-1");
        change(&mut host);
        !problems(&[], &[json!({"schema": "Host", "value": host})]).is_empty()
    };
    assert!(!wrong(|_| ()));
    assert!(wrong(|host| host["state"] = "fine".into()));
    assert!(wrong(|host| host["heard"] = "now".into()));
    assert!(wrong(|host| host["further"] = 1.into()));
    assert!(wrong(|host| host["values"]["cpu"] = json!([])));
    assert!(wrong(|host| drop(host.as_object_mut().unwrap().remove("why"))));
}

#[test]
fn every_path_of_the_document_is_served() {
    let server = Server::start();
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        let target = path.replace("{host}", "pi-1").replace("{series}", "cpu").replace("{id}", "0");
        let (method, expected) = match path.rsplit('/').next() {
            Some("acknowledge") => ("POST", 404),
            Some("forget") => ("POST", 409),
            Some("test") => ("POST", 404),
            Some("login") => ("POST", 401),
            Some("logout") => ("POST", 200),
            Some("history") => ("HEAD", 400),
            _ => ("HEAD", 200),
        };
        assert_eq!(ask(server.address, method, &target, &[]).status, expected, "{path}");
    }
}
