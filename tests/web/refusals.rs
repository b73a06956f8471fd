//! Requests that are refused, and how that is said.

use crate::client::{answer, answers, ask, curl, get};
use crate::server::Server;
use psistats_hub::web::{Access, Settings};

#[test]
fn what_is_not_there_is_404_and_no_path_leads_to_a_file() {
    let server = Server::start();
    for target in [
        "/index.html/",
        "/nothing",
        "//",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/hosts",
        "/api/v1/hosts/",
        "/healthz/",
        "/api/v1/hub/",
        "/api/v1/events/",
        "/api/v1/hosts/pi-1/",
        "/api/v1/hosts//history",
        "/api/v1/hosts/pi-1/histories",
        "/../../../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/page/../index.html",
        "/./",
        "/.",
        "/assets.rs",
        "/etc/passwd",
        "/%00",
        "/\\..\\..\\windows",
        "/api/v1/hosts/../../../etc/passwd",
        "/api/v1/../../",
        "/API/v1/hosts",
    ] {
        let response = get(server.address, target);
        assert_eq!(response.status, 404, "{target}");
        assert!(!response.error().is_empty());
    }
    assert_eq!(
        curl(server.address, "/../etc/passwd", &["--write-out", "%{http_code}", "--output", "/dev/null"]),
        "404"
    );
}

#[test]
fn unknown_and_wrong_parameters_are_400_and_told_what_was_expected() {
    let server = Server::start();
    let error = |target: &str| {
        let response = get(server.address, target);
        assert_eq!(response.status, 400, "{target}");
        response.error()
    };
    for target in ["/?x", "/healthz?x=1", "/api/v1/peers?series=cpu", "/api/v1/events?x", "/api/v1/hub?&x=%"]
    {
        assert_eq!(error(target), "expected no parameters");
    }
    assert_eq!(error("/api/v1/hosts?series=cpu"), "unknown parameter: expected worst");
    assert_eq!(error("/api/v1/hosts?worst=101"), "worst: expected a number from 1 to 100");
    let history = |query: &str| error(&format!("/api/v1/hosts/pi-1/history?series=cpu{query}"));
    assert_eq!(history("&until=1"), "unknown parameter: expected series, from, to, points");
    assert_eq!(history("&from=nan"), "from: expected Unix seconds, from 0 to 253402300799");
    assert_eq!(history("&from=2&to=1"), "expected from to be before to");
    assert_eq!(history("&points=2001"), "points: expected a number from 1 to 2000");
    assert_eq!(history("&series=cpu"), "expected series once");
    assert_eq!(history("%f"), "series: expected two hexadecimal digits after %");
    assert_eq!(error("/api/v1/hosts/%ff"), "expected UTF-8 in percent-encoding");
    assert_eq!(error("/api/v1/series/%zz"), "expected two hexadecimal digits after %");
    server.wait_for(|counters| counters.event_clients == 0);
}

#[test]
fn every_method_but_get_and_head_is_405() {
    let server = Server::start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"] {
        let response = ask(server.address, method, "/api/v1/hosts", &[]);
        assert_eq!((response.status, response.header("allow")), (405, "GET, HEAD"), "{method}");
        assert_eq!(response.error(), "expected GET or HEAD: nothing is changed here");
    }
    assert_eq!(ask(server.address, "OPTIONS", "*", &[]).status, 405);
    let host = server.address;
    let connect =
        answer(host, format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    assert_eq!(connect.status, 405);
}

#[test]
fn a_body_is_thrown_away_and_one_above_64_kib_is_413() {
    let server = Server::start();
    let host = server.address;
    let with = |headers: &str, body: &[u8]| {
        let head = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n\r\n");
        answer(host, [head.as_bytes(), body].concat())
    };
    let chunks = |n: usize| [format!("{n:x}\r\n").as_bytes(), &vec![b'x'; n], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(with("Content-Length: 65536", &[b'x'; 65536]).status, 200);
    assert_eq!(with("Transfer-Encoding: chunked", &chunks(65536)).status, 200);
    let expected = "expected no body, or one of at most 65536 bytes";
    assert_eq!(with("Content-Length: 65537", &[b'x'; 65537]).error(), expected);
    assert_eq!(with("Content-Length: 65537", b"").status, 413);
    assert_eq!(with("Content-Length: 9000000000000000000", b"").status, 413);
    assert_eq!(with("Transfer-Encoding: chunked", &chunks(65537)).error(), expected);
    assert_eq!(with("Transfer-Encoding: chunked", &chunks(250_000)).status, 413);
}

#[test]
fn headers_above_16_kib_or_a_hundred_lines_are_431() {
    let server = Server::start();
    let fits = ask(server.address, "GET", "/healthz", &[&format!("X: {}", "x".repeat(16_000))]);
    assert_eq!(fits.status, 200);
    let host = server.address;
    let start = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n");
    for headers in [format!("X: {}\r\n", "x".repeat(17_000)), "X: x\r\n".repeat(101)] {
        assert_eq!(answer(host, format!("{start}{headers}\r\n")).status, 431);
    }
    assert_eq!(answer(host, format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(17_000))).status, 431);
}

#[test]
fn what_is_not_http_is_400() {
    let server = Server::start();
    for request in [
        "\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "AMQP\0\0\x09\x01\r\n",
    ] {
        assert_eq!(answer(server.address, request).status, 400, "{request:?}");
    }
    let host = server.address;
    let start = format!("POST / HTTP/1.1\r\nHost: {host}\r\n");
    for framing in [
        "Content-Length: -1",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 99999999999999999999",
    ] {
        assert_eq!(answer(host, format!("{start}{framing}\r\n\r\n")).status, 400, "{framing}");
    }
}

#[test]
fn a_name_that_is_not_the_hubs_is_refused_so_that_no_page_can_rebind_its_own() {
    let access = Access { names: vec!["hub.example".to_owned()], ..Access::default() };
    let settings = Settings { access, ..Settings::default() };
    let server = Server::start_with(settings, "127.0.0.1:0", Default::default());
    let status = |lines: &str| {
        answer(server.address, format!("GET /api/v1/hosts {lines}Connection: close\r\n\r\n")).status
    };
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8666", "[::1]:8666"] {
        assert_eq!(status(&format!("HTTP/1.1\r\nHost: {host}\r\n")), 200, "{host}");
    }
    // A name is known, and who calls the hub by it may be anywhere.
    for host in ["hub.example", "Hub.Example.:443"] {
        assert_eq!(status(&format!("HTTP/1.1\r\nHost: {host}\r\n")), 401, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8666",
        "hub.example.evil.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::2]",
        "localhost:x",
    ] {
        assert_eq!(status(&format!("HTTP/1.1\r\nHost: {host}\r\n")), 421, "{host}");
    }
    for lines in [
        "HTTP/1.1\r\n",
        "HTTP/1.0\r\n",
        "HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
        "HTTP/1.1\r\nHost: \u{e9}\r\n",
    ] {
        assert_eq!(status(lines), 400, "{lines}");
    }
    let absolute = |target: &str| {
        let lines = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        answer(server.address, lines).status
    };
    assert_eq!(absolute("http://localhost/healthz"), 200);
    for target in
        ["http://evil.example/healthz", "http://user:secret@localhost/healthz", "http://localhost:1/healthz"]
    {
        assert_eq!(absolute(target), 400, "{target}");
    }
}

#[test]
fn a_request_from_another_sites_page_is_refused() {
    let server = Server::start();
    let from =
        |method: &str, origin: &str| ask(server.address, method, "/healthz", &[&format!("Origin: {origin}")]);
    let own = format!("http://{}", server.address);
    assert_eq!(from("GET", &own).status, 200);
    assert_eq!(from("GET", &own.replace("http:", "https:")).status, 200);
    assert_eq!(from("POST", &own).status, 405);
    for origin in
        ["http://evil.example", "null", "http://localhost", "http://127.0.0.1:1", "file://", "", "\u{e9}"]
    {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            assert_eq!(from(method, origin).status, 403, "{method} {origin}");
        }
    }
    let error = from("POST", "http://evil.example").error();
    assert!(error.starts_with("requests from another site's pages are refused"), "{error}");
}

#[test]
fn a_token_in_a_url_is_refused_and_not_repeated() {
    let server = Server::start();
    for target in [
        "/?token=s3cr3t",
        "/api/v1/hosts?access_token=s3cr3t",
        "/api/v1/hosts?%74oken=s3cr3t",
        "/nothing?a&API_KEY=s3cr3t",
    ] {
        let response = get(server.address, target);
        assert_eq!(response.status, 400, "{target}");
        assert!(response.error().contains("Authorization: Bearer"));
        assert!(!response.text().contains("s3cr3t"));
    }
}

#[test]
fn a_refusal_leaves_the_connection_to_the_next_request() {
    let server = Server::start();
    let host = server.address;
    let request = |method: &str, name: &str| format!("{method} /healthz HTTP/1.1\r\nHost: {name}\r\n");
    let pipelined = [
        request("GET", "evil.example") + "\r\n",
        request("POST", "localhost") + "Content-Length: 5\r\n\r\nhello",
        request("GET", "localhost") + "Connection: close\r\n\r\n",
    ];
    let statuses: Vec<u16> = answers(host, pipelined.concat()).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [421, 405, 200]);
    assert_eq!(server.counters().requests_refused, 2);
}
