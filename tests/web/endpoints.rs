//! What each endpoint answers.

use serde_json::json;

use crate::client::{Answer, answers, ask, curl, get};
use crate::server::Server;

const TARGETS: [&str; 9] = [
    "/",
    "/healthz",
    "/api/v1/openapi.json",
    "/api/v1/hub",
    "/api/v1/hosts",
    "/api/v1/hosts/pi-1",
    "/api/v1/hosts/pi-1/history?series=cpu&from=1000&to=1060&points=3",
    "/api/v1/series/cpu",
    "/sd",
];

#[test]
fn the_hub_is_healthy_and_counts() {
    let server = Server::start();
    assert_eq!(curl(server.address, "/healthz", &[]), "ok\n");
    let hub = get(server.address, "/api/v1/hub").json();
    assert_eq!(hub["boards"], 2);
    let counters = server.counters();
    assert_eq!((counters.requests, counters.requests_refused), (2, 0));
}

#[test]
fn boards_are_found_by_names_that_are_percent_encoded() {
    let server = Server::start();
    let hosts = get(server.address, "/api/v1/hosts").json();
    assert_eq!(hosts["hosts"][0]["values"]["cpu"], 24.1);
    assert_eq!(hosts["hosts"][1]["name"], "a b/ü");
    assert_eq!(get(server.address, "/api/v1/hosts/pi-1").json()["reports"], 86_400);
    assert_eq!(get(server.address, "/api/v1/hosts/a%20b%2F%c3%BC").json()["name"], "a b/ü");
    let missing = get(server.address, "/api/v1/hosts/pi%2d2");
    assert_eq!((missing.status, missing.text()), (404, "{\"error\":\"no board is called pi-2\"}\n"));
    let hostile = get(server.address, "/api/v1/hosts/%3Cscript%3E%22%00");
    assert_eq!((hostile.status, hostile.error()), (404, "no board is called <script>\"\0".to_owned()));
    let long = get(server.address, &format!("/api/v1/hosts/{}", "%c3%BC".repeat(1000)));
    assert_eq!(long.error(), format!("no board is called {}", "ü".repeat(160)));
}

#[test]
fn a_series_of_all_boards_may_have_slashes_in_its_name() {
    let server = Server::start();
    for target in ["/api/v1/series/disk.%2F.percent", "/api/v1/series/disk./.percent"] {
        let series = get(server.address, target).json();
        assert_eq!(series["series"], "disk./.percent");
        assert_eq!(
            series["hosts"][0],
            json!({"name": "pi-1", "state": "well", "value": 24.1, "min": 1.0, "max": 99.0})
        );
    }
    let missing = get(server.address, "/api/v1/series/nothing");
    assert_eq!((missing.status, missing.error()), (404, "no board has a series called nothing".to_owned()));
}

#[test]
fn a_history_is_columns_of_json_or_lines_of_csv() {
    let server = Server::start();
    let target = "/api/v1/hosts/pi-1/history?series=disk.%2Fa+b%2Bc.percent&from=1000.5&to=1060.5&points=3";
    let expected = json!({
        "series": "disk./a b+c.percent", "tier": "minute", "step": 20, "t": [1000.5, 1020.5, 1040.5],
        "avg": [0.0, null, 0.25], "min": [0.0, null, 0.25], "max": [null, null, 0.25],
    });
    let response = get(server.address, target);
    assert_eq!(response.json(), expected);
    assert_eq!(response.header("vary"), "Accept");
    let csv = curl(server.address, target, &["--header", "Accept: text/csv"]);
    assert_eq!(csv, "time,avg,min,max\r\n1000.5,0,0,\r\n1020.5,,,\r\n1040.5,0.25,0.25,0.25\r\n");
    let usual = get(server.address, "/api/v1/hosts/pi-1/history?series=cpu").json();
    assert_eq!(usual["t"].as_array().unwrap().len(), 600);
}

#[test]
fn a_history_that_is_not_there_says_what_is_missing() {
    let server = Server::start();
    let error = |target: &str| {
        let response = get(server.address, target);
        (response.status, response.error())
    };
    assert_eq!(error("/api/v1/hosts/pi-2/history?series=cpu"), (404, "no board is called pi-2".to_owned()));
    let missing = "pi-1 has no series called x".to_owned();
    assert_eq!(error("/api/v1/hosts/pi-1/history?series=x"), (404, missing));
    assert_eq!(error("/api/v1/hosts/pi-1/history"), (400, "expected series=NAME".to_owned()));
}

#[test]
fn metrics_are_the_hubs_one_boards_or_all_in_the_format_that_is_asked_for() {
    let server = Server::start();
    let kind = |accept: &str| {
        let accept = format!("Accept: {accept}");
        curl(server.address, "/metrics/all", &["--header", &accept, "--write-out", "%{content_type}"])
    };
    assert_eq!(kind("*/*"), "# All\n# Text\ntext/plain; version=0.0.4; charset=utf-8");
    assert_eq!(
        kind("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
        "# All\n# OpenMetrics\napplication/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert_eq!(curl(server.address, "/metrics", &[]), "# Hub\n# Text\n");
    assert_eq!(curl(server.address, "/metrics?host=pi-1", &[]), "# Board(\"pi-1\")\n# Text\n");
    let error = |target: &str| {
        let response = get(server.address, target);
        (response.status, response.error())
    };
    assert_eq!(error("/metrics?host=pi-2"), (404, "no board is called pi-2".to_owned()));
    assert_eq!(error("/metrics?host="), (404, "no board is called ".to_owned()));
    let lost = "pi-lost is not heard: it has no metrics now".to_owned();
    assert_eq!(error("/metrics?host=pi-lost"), (503, lost));
    for target in ["/metrics?name=pi-1", "/metrics/all?host=pi-1", "/sd?host=pi-1"] {
        assert_eq!(error(target).0, 400, "{target}");
    }
}

#[test]
fn targets_are_at_the_address_that_the_hub_was_asked_at() {
    let server = Server::start();
    let targets = get(server.address, "/sd").json();
    assert_eq!(targets[0]["targets"], json!([server.address.to_string()]));
    assert_eq!(targets[0]["labels"]["__param_host"], "pi-1");
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start();
    for target in TARGETS.into_iter().chain(["/api/v1/nothing", "/api/v1/hosts?x=1", "/api/v1/events"]) {
        let [mut head, mut full] = if target == "/api/v1/events" {
            // It has no end: its head alone is read.
            let show = ["--include", "--max-time", "0.5", "--header", "Connection: close"];
            let text = curl(server.address, target, &show);
            [ask(server.address, "HEAD", target, &[]), Answer::of_head(text.as_bytes())]
        } else {
            ["HEAD", "GET"].map(|method| ask(server.address, method, target, &[]))
        };
        assert_eq!(full.body.is_empty(), target == "/api/v1/events");
        full.body.clear();
        for response in [&mut head, &mut full] {
            // RFC 9110 §9.3.2: these may be left out.
            response.headers.remove("date");
            response.headers.remove("transfer-encoding");
        }
        assert_eq!(head, full, "{target}");
    }
    server.wait_for(|counters| counters.event_clients == 0);
}

#[test]
fn every_response_has_the_headers_that_keep_a_browser_out_of_trouble() {
    let server = Server::start();
    for target in TARGETS.into_iter().chain(["/nothing", "/api/v1/hosts?x"]) {
        let response = get(server.address, target);
        let policy = response.header("content-security-policy");
        for part in
            ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(response.header("x-content-type-options"), "nosniff");
        assert_eq!(response.header("referrer-policy"), "no-referrer");
        assert_eq!(response.header("cross-origin-resource-policy"), "same-origin");
        let is_asset = ["/", "/api/v1/openapi.json"].contains(&target);
        assert_eq!(response.header("cache-control"), if is_asset { "no-cache" } else { "no-store" });
    }
}

#[test]
fn a_file_of_the_page_is_sent_once_and_then_known_by_its_hash() {
    let server = Server::start();
    let first = get(server.address, "/");
    assert_eq!(first.header("content-type"), "text/html; charset=utf-8");
    let tag = first.header("etag");
    for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = ask(server.address, "GET", "/", &[&format!("If-None-Match: {known}")]);
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag));
        assert_eq!(again.header("cache-control"), "no-cache");
    }
    let other = ask(server.address, "GET", "/", &["If-None-Match: \"x\""]);
    assert_eq!((other.status, other.body), (200, first.body.clone()));
    assert_ne!(get(server.address, "/api/v1/openapi.json").header("etag"), tag);
}

#[test]
fn requests_of_one_connection_are_answered_in_their_order() {
    let server = Server::start();
    let host = server.address;
    let request = |target: &str, rest: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n");
    let pipelined = [
        request("/healthz", ""),
        request("/api/v1/nothing", ""),
        request("/api/v1/hosts/pi-1", ""),
        request("/healthz", "Content-Length: 3\r\n") + "abc",
        request("/healthz", "Connection: close\r\n"),
    ];
    let statuses: Vec<u16> = answers(host, pipelined.concat()).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 404, 200, 200, 200]);
}
