//! Tokens, which the hub asks for at an address beyond loopback.

use std::process::Command;

use crate::boards::Boards;
use crate::client::{Answer, ask, get};
use crate::server::Server;
use psistats_hub::web::Settings;
use psistats_hub::web::auth::{Hash, Scope, Token, Tokens};
use support::namespace::enter_one_with_small_buffers;

/// A hub at all addresses of a network of this thread's own, and its port.
fn server() -> (Server, u16) {
    enter_one_with_small_buffers();
    let added = Command::new("ip").args(["address", "add", "192.0.2.1/32", "dev", "lo"]).status();
    assert!(added.unwrap().success());
    let line =
        |name: &str, scope, token| Token { name: name.to_owned(), scope, hash: Hash::of(token) }.to_string();
    let lines = [
        line("wall", Scope::Read, "r"),
        line("prometheus", Scope::Metrics, "m"),
        line("owner", Scope::Admin, "a"),
    ];
    let settings = Settings { tokens: Tokens::parse(&lines.join("\n")).unwrap(), ..Settings::default() };
    let server = Server::start_with(settings, "0.0.0.0:0", Boards::default());
    let port = server.address.port();
    (server, port)
}

#[test]
fn beyond_loopback_everything_but_the_health_needs_a_token() {
    let (_server, port) = server();
    let address = format!("192.0.2.1:{port}").parse().unwrap();
    let ask = |target: &str, header: &str| -> Answer { ask(address, "GET", target, &[header]) };
    assert_eq!(ask("/healthz", "X: x").status, 200);
    for target in ["/", "/api/v1/hosts", "/api/v1/events", "/nothing"] {
        let refused = ask(target, "X: x");
        assert_eq!(
            (refused.status, refused.header("www-authenticate")),
            (401, "Bearer realm=\"psistats-hub\"")
        );
        assert!(refused.error().starts_with("expected a login"));
    }
    let hosts = |header: &str| ask("/api/v1/hosts", header).status;
    for header in ["Authorization: Bearer r", "Authorization: bearer a", "Cookie: x=1; psistats-hub=r; y=2"] {
        assert_eq!(hosts(header), 200, "{header}");
    }
    for header in [
        "Authorization: Bearer x",
        "Authorization: Bearer",
        "Authorization: Basic r",
        "Authorization: r",
        "Cookie: psistats-hub=x",
        "Cookie: psistats-hub",
        "Cookie: r",
        "Authorization: Bearer \u{e9}",
    ] {
        assert_eq!(hosts(header), 401, "{header}");
    }
    let refused = ask("/api/v1/hosts", "Authorization: Bearer m");
    assert_eq!(refused.status, 403);
    assert!(refused.error().starts_with("this token lacks the scope read"));
}

#[test]
fn on_loopback_of_the_same_hub_no_token_is_needed() {
    let (_server, port) = server();
    let hosts = get(format!("127.0.0.1:{port}").parse().unwrap(), "/api/v1/hosts");
    assert_eq!(hosts.status, 200);
}
