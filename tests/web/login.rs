//! Who may read what, at an address beyond loopback, and behind a reverse proxy.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::boards::Boards;
use crate::client::{Answer, answer, ask, connect, curl, get, read_to_end, read_until};
use crate::server::Server;
use psistats_hub::web::auth::{Hash, Scope, Token, Tokens};
use psistats_hub::web::store::Store;
use psistats_hub::web::{Access, Settings};
use support::namespace::enter_one_with_small_buffers;

/// A hub at all addresses of a network of this thread's own, and its tokens.
struct Hub {
    server: Server,
    address: SocketAddr,
    store: Store,
    _folder: TempDir,
}

impl Hub {
    fn start(is_public: bool) -> Self {
        enter_one_with_small_buffers();
        let added = Command::new("ip").args(["address", "add", "192.0.2.1/32", "dev", "lo"]).status();
        assert!(added.unwrap().success());
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().to_owned());
        let line = |name: &str, scope, token| {
            Token { name: name.to_owned(), scope, hash: Hash::of(token), until: None }.to_string()
        };
        let lines = [
            line("wall", Scope::Read, "r"),
            line("prometheus", Scope::Metrics, "m"),
            line("owner", Scope::Admin, "a"),
            line("browser", Scope::Page, "p"),
            line("operator", Scope::AdminPage, "q"),
            line("anna", Scope::Link, "l"),
        ];
        std::fs::write(store.path(), lines.join("\n")).unwrap();
        let access = Access {
            tokens: Tokens::parse(&lines.join("\n")).unwrap(),
            names: vec!["hub.example".to_owned()],
            is_public,
        };
        let settings = Settings { access, store: Some(store.clone()), ..Settings::default() };
        let server = Server::start_with(settings, "0.0.0.0:0", Boards::default());
        let address = format!("192.0.2.1:{}", server.address.port()).parse().unwrap();
        Self { server, address, store, _folder: folder }
    }

    fn ask(&self, target: &str, header: &str) -> Answer {
        ask(self.address, "GET", target, &[header])
    }

    fn log_in(&self, secret: &str, more: &[&str]) -> Answer {
        let header = format!("Authorization: Bearer {secret}");
        ask(self.address, "POST", "/api/v1/login", &[&[header.as_str()], more].concat())
    }
}

#[test]
fn beyond_loopback_all_that_boards_say_needs_a_token_and_the_pages_files_need_none() {
    let hub = Hub::start(false);
    for target in ["/healthz", "/", "/app.js", "/api/v1/openapi.json"] {
        assert_eq!(hub.ask(target, "X: x").status, 200, "{target}");
    }
    for target in [
        "/api/v1/hosts",
        "/api/v1/hosts/pi-1",
        "/api/v1/hosts/pi-1/history?series=cpu",
        "/api/v1/series/cpu",
        "/api/v1/hub",
        "/api/v1/events",
        "/api/v1/nothing",
    ] {
        let refused = hub.ask(target, "X: x");
        let challenge = refused.header("www-authenticate");
        assert_eq!((refused.status, challenge), (401, "Bearer realm=\"psistats-hub\""));
        assert!(refused.error().contains("psistats-hub token"), "{}", refused.error());
    }
    let hosts = |header: &str| hub.ask("/api/v1/hosts", header).status;
    for header in ["Authorization: Bearer r", "Authorization: bearer a", "Cookie: x=1; psistats-hub=p; y=2"] {
        assert_eq!(hosts(header), 200, "{header}");
    }
    for header in [
        "Authorization: Bearer x",
        "Authorization: Bearer",
        "Authorization: Basic r",
        "Authorization: r",
        "Cookie: psistats-hub=x",
        "Cookie: psistats-hub=a",
        "Cookie: psistats-hub",
        "Cookie: r",
        "Authorization: Bearer \u{e9}",
    ] {
        assert_eq!(hosts(header), 401, "{header}");
    }
    for token in ["m", "l", "p"] {
        let refused = hub.ask("/api/v1/hosts", &format!("Authorization: Bearer {token}"));
        assert_eq!(refused.status, 403);
        assert!(refused.error().starts_with("this token lacks the scope read"));
    }
}

#[test]
fn metrics_and_targets_need_a_token_of_their_own_scope_and_it_reads_nothing_else() {
    let hub = Hub::start(true);
    for target in ["/metrics", "/metrics?host=pi-1", "/metrics/all", "/sd"] {
        for (header, status) in [
            ("X: x", 401),
            ("Authorization: Bearer m", 200),
            ("Authorization: Bearer a", 200),
            ("Authorization: Bearer r", 403),
            ("Authorization: Bearer p", 403),
            ("Cookie: psistats-hub=p", 401),
        ] {
            let request = format!("GET {target} HTTP/1.0\r\nHost: {}\r\n{header}\r\n\r\n", hub.address);
            let mut stream = connect(hub.address);
            stream.write_all(request.as_bytes()).unwrap();
            let answer = Answer::of_head(&read_to_end(&mut stream));
            assert_eq!(answer.status, status, "{target} {header}");
        }
    }
    assert_eq!(hub.ask("/api/v1/hosts", "Authorization: Bearer m").status, 403);
}

#[test]
fn an_alert_is_acknowledged_and_a_board_forgotten_by_an_admin_or_on_loopback_and_never_by_another_sites_page()
{
    let hub = Hub::start(true);
    let local: SocketAddr = format!("127.0.0.1:{}", hub.address.port()).parse().unwrap();
    let target = "/api/v1/alerts/00112233445566ff/acknowledge";
    for (address, header, status) in [
        (hub.address, "X: x", 401),
        (hub.address, "Cookie: psistats-hub=p", 401),
        (hub.address, "Authorization: Bearer r", 403),
        (hub.address, "Authorization: Bearer a", 200),
        (hub.address, "Cookie: psistats-hub=q", 401),
        (local, "X: x", 200),
        (local, &format!("Origin: http://{local}"), 200),
        (local, "Origin: http://evil.example", 403),
        (local, "Origin: null", 403),
        (local, "Via: proxy", 401),
    ] {
        assert_eq!(ask(address, "POST", target, &[header]).status, status, "{address} {header}");
    }
    let of_page = |cookie: &str, origin: String| {
        let headers = [format!("Cookie: psistats-hub={cookie}"), format!("Origin: {origin}")];
        ask(hub.address, "POST", target, &headers.each_ref().map(String::as_str)).status
    };
    let ours = format!("http://{}", hub.address);
    assert_eq!((of_page("q", ours.clone()), of_page("p", ours)), (200, 401));
    assert_eq!(of_page("q", "http://evil.example".to_owned()), 403);
    assert_eq!(ask(local, "POST", "/api/v1/alerts/0/acknowledge", &[]).status, 404);
    let forget = |token| ask(hub.address, "POST", "/api/v1/hosts/pi-lost/forget", &[token]).status;
    assert_eq!((forget("Authorization: Bearer r"), forget("Authorization: Bearer a")), (403, 200));
    let test = |header| ask(hub.address, "POST", "/api/v1/receivers/phone/test", &[header]).status;
    assert_eq!((test("Authorization: Bearer r"), test("Authorization: Bearer a")), (403, 200));
    assert_eq!(
        (test("Origin: http://evil.example"), ask(local, "GET", "/api/v1/receivers/phone/test", &[]).status),
        (403, 405)
    );
    assert_eq!((ask(local, "GET", target, &[]).status, get(local, "/api/v1/alerts").status), (405, 200));
}

#[test]
fn on_loopback_of_the_same_hub_no_token_is_needed_unless_a_reverse_proxy_asks() {
    let hub = Hub::start(false);
    let local: SocketAddr = format!("127.0.0.1:{}", hub.address.port()).parse().unwrap();
    assert_eq!(get(local, "/api/v1/hosts").status, 200);
    let proxied = |host: &str, header: &str| {
        let head = format!("GET /api/v1/hosts HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        answer(local, format!("{head}{header}\r\n\r\n")).status
    };
    assert_eq!(proxied("hub.example", "X: x"), 401);
    assert_eq!(proxied("hub.example", "Authorization: Bearer r"), 200);
    for header in
        ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9", "X-Real-IP: ::1", "Via: 1.1 a"]
    {
        assert_eq!(proxied("127.0.0.1", header), 401, "{header}");
    }
    assert_eq!(proxied("127.0.0.1", "X: x"), 200);
}

#[test]
fn a_link_becomes_a_cookie_once_and_the_cookie_reads() {
    let hub = Hub::start(false);
    let granted = hub.log_in("l", &[]);
    assert_eq!(granted.status, 200);
    let (cookie, attributes) = granted.header("set-cookie").split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=34560000; HttpOnly; SameSite=Strict");
    assert_eq!(granted.header("cache-control"), "no-store");
    assert_eq!(hub.ask("/api/v1/hosts", &format!("Cookie: {cookie}")).status, 200);
    let again = hub.log_in("l", &[]);
    assert_eq!(again.status, 401);
    assert!(again.error().contains("used up") && again.error().contains("psistats-hub token link NAME"));
    // What is kept is neither the link's secret nor the cookie's.
    let (text, value) =
        (std::fs::read_to_string(hub.store.path()).unwrap(), &cookie["psistats-hub=".len()..]);
    assert!(text.contains(&format!("anna page {}", Hash::of(value))) && !text.contains(value), "{text}");
    assert!(!text.contains(" link "), "{text}");
}

#[test]
fn over_tls_the_cookie_is_secure_and_another_sites_page_logs_nobody_in() {
    let hub = Hub::start(false);
    let foreign = hub.log_in("l", &["Origin: https://evil.example"]);
    assert_eq!(foreign.status, 403);
    let origin = format!("Origin: https://{}", hub.address);
    let cookie = hub.log_in("l", &[&origin]).header("set-cookie").to_owned();
    assert!(cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
}

#[test]
fn a_browser_that_logs_out_has_no_login_any_more_and_all_others_have() {
    let hub = Hub::start(false);
    let log_out =
        |headers: &[&str]| ask(hub.address, "POST", "/api/v1/logout", &[&["X: x"], headers].concat());
    let reads = |login: &str| hub.ask("/api/v1/hosts", login).status == 200;
    let logins = ["Cookie: psistats-hub=p", "Cookie: psistats-hub=q", "Authorization: Bearer r"];
    assert_eq!(log_out(&[logins[0], "Origin: http://evil.example"]).status, 403);
    // What is no browser's login is not ended by it.
    for header in ["X: x", "Cookie: psistats-hub=r", "Authorization: Bearer r", "Authorization: Bearer p"] {
        assert_eq!(log_out(&[header]).status, 200);
    }
    assert!(logins.into_iter().all(reads));
    let out = log_out(&[logins[0], &format!("Origin: https://{}", hub.address)]);
    let cookie = "psistats-hub=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure";
    assert_eq!((out.status, out.header("set-cookie")), (200, cookie));
    assert_eq!(logins.map(reads), [false, true, true]);
    let kept = std::fs::read_to_string(hub.store.path()).unwrap();
    assert!(!kept.contains("browser") && kept.lines().count() == 5, "{kept}");
    assert_eq!(log_out(&[logins[0]]).status, 200);
    assert_eq!(hub.ask("/api/v1/logout", logins[1]).status, 405);
    // Where it cannot be kept, the browser stays logged in, and is told.
    std::fs::remove_file(hub.store.path()).unwrap();
    std::fs::create_dir(hub.store.path()).unwrap();
    let refused = log_out(&[logins[1]]);
    assert_eq!((refused.status, reads(logins[1])), (503, true));
    assert!(refused.error().contains("see the hub's log"), "{}", refused.error());
}

#[test]
fn nothing_but_a_link_in_a_post_logs_in() {
    let hub = Hub::start(false);
    for token in ["r", "m", "a", "p", "x", ""] {
        assert_eq!(hub.log_in(token, &[]).status, 401, "{token}");
    }
    let by_get = hub.ask("/api/v1/login", "Authorization: Bearer l");
    assert_eq!((by_get.status, by_get.header("allow")), (405, "POST"));
    let in_query = ask(hub.address, "POST", "/api/v1/login?token=l", &[]);
    assert_eq!(in_query.status, 400);
    assert!(in_query.error().contains("ends up in logs"));
    assert_eq!(ask(hub.address, "POST", "/api/v1/hosts", &["Authorization: Bearer a"]).status, 405);
    assert_eq!(hub.log_in("l", &[]).status, 200);
}

#[test]
fn of_many_that_use_a_link_at_once_one_gets_in() {
    let hub = Hub::start(false);
    let request = format!(
        "POST /api/v1/login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer l\r\n\r\n",
        hub.address
    );
    let mut streams: Vec<_> = (0..20).map(|_| connect(hub.address)).collect();
    streams.iter_mut().for_each(|stream| stream.write_all(request.as_bytes()).unwrap());
    let granted = streams.iter_mut().filter_map(|stream| {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
    assert_eq!(granted.count(), 1);
}

#[test]
fn curl_logs_in_with_a_link_and_stays_so_by_its_cookie_jar() {
    let hub = Hub::start(false);
    let jar = tempfile::NamedTempFile::new().unwrap();
    let jar = jar.path().to_str().unwrap();
    let status = |target: &str, arguments: &[&str]| {
        let usual =
            ["--cookie", jar, "--cookie-jar", jar, "--output", "/dev/null", "--write-out", "%{http_code}"];
        curl(hub.address, target, &[&usual[..], arguments].concat())
    };
    assert_eq!(status("/api/v1/hosts", &[]), "401");
    assert_eq!(status("/api/v1/login", &["--request", "POST", "--oauth2-bearer", "l"]), "200");
    assert_eq!(status("/api/v1/hosts", &[]), "200");
    let kept = std::fs::read_to_string(jar).unwrap();
    assert!(kept.contains("#HttpOnly_192.0.2.1"), "{kept}");
}

#[test]
fn where_the_wall_is_public_anybody_has_it_without_what_identifies_boards_and_nothing_else() {
    let hub = Hub::start(true);
    let names = |answer: Answer| answer.json()["hosts"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(names(hub.ask("/api/v1/hosts", "X: x")), "public");
    assert_eq!(names(hub.ask("/api/v1/hosts", "Cookie: psistats-hub=x")), "public");
    for header in ["Authorization: Bearer r", "Cookie: psistats-hub=p"] {
        assert_eq!(names(hub.ask("/api/v1/hosts", header)), "pi-1", "{header}");
    }
    // Whoever presents a token is told that it is not known.
    assert_eq!(hub.ask("/api/v1/hosts", "Authorization: Bearer x").status, 401);
    for target in [
        "/api/v1/hosts/pi-1",
        "/api/v1/hosts/pi-1/history?series=cpu",
        "/api/v1/series/ipaddr",
        "/api/v1/hub",
        "/api/v1/hosts/",
        "/api/v1/events/",
    ] {
        assert_eq!(hub.ask(target, "X: x").status, 401, "{target}");
    }
}

#[test]
fn each_audience_has_its_own_stream_of_events() {
    let hub = Hub::start(true);
    let stream = |header: &str| {
        let mut stream = connect(hub.address);
        let head = format!("GET /api/v1/events HTTP/1.0\r\nHost: {}\r\n{header}\r\n\r\n", hub.address);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let (mut known, mut anybody) = (stream("Cookie: psistats-hub=p"), stream("X: x"));
    assert!(read_until(&mut known, "}\n\n").contains("\"pi-1\""));
    let snapshot = read_until(&mut anybody, "}\n\n");
    assert!(snapshot.contains("\"public\"") && !snapshot.contains("\"pi-1\""), "{snapshot}");
    assert_eq!(hub.server.counters().event_clients, 2);
    hub.server.publish_to(|audience| Some(format!("{{\"to\":\"{audience:?}\"}}").into()));
    assert!(read_until(&mut known, "}\n\n").contains("{\"to\":\"Known\"}"));
    assert!(read_until(&mut anybody, "}\n\n").contains("{\"to\":\"Public\"}"));
}

#[test]
fn streams_end_where_their_token_or_the_public_wall_is_gone_and_a_login_ends_none() {
    let hub = Hub::start(true);
    let stream = |header: &str| {
        let mut stream = connect(hub.address);
        let head = format!("GET /api/v1/events HTTP/1.0\r\nHost: {}\r\n{header}\r\n\r\n", hub.address);
        stream.write_all(head.as_bytes()).unwrap();
        read_until(&mut stream, "}\n\n");
        stream
    };
    let (mut known, mut anybody) = (stream("Cookie: psistats-hub=p"), stream("X: x"));
    assert_eq!(hub.log_in("l", &[]).status, 200);
    hub.server.publish("{\"n\":1}");
    read_until(&mut known, "{\"n\":1}\n\n");
    read_until(&mut anybody, "{\"n\":1}\n\n");
    assert_eq!(hub.store.remove("browser"), Ok(1));
    let access = Access { tokens: hub.store.load().unwrap(), is_public: true, ..Access::default() };
    hub.server.set_access(access.clone());
    assert_eq!(known.read(&mut [0; 100]).unwrap(), 0);
    hub.server.publish("{\"n\":2}");
    read_until(&mut anybody, "{\"n\":2}\n\n");
    hub.server.set_access(Access { is_public: false, ..access });
    assert_eq!(anybody.read(&mut [0; 100]).unwrap(), 0);
    assert_eq!(hub.ask("/api/v1/events", "X: x").status, 401);
}
