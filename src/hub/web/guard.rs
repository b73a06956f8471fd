//! Refuses requests that a foreign web page may have sent, and those without a login.
//!
//! A page from anywhere can make its reader's browser send requests to this hub. With a name of its own that resolves
//! to this machine (DNS rebinding) it could read the answers, too: the `Host` header tells such a name. `Origin` tells
//! from which page a request came.

use std::net::IpAddr;

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::auth::{Login, Scope, bearer};
use super::listener::Ends;
use super::query;
use super::reply::{self, Body};
use super::store::now_s;
use super::{Access, Audience, Shared, api};

/// Parameters by which clients of other programs send a token.
const TOKENS: [&str; 6] = ["token", "access_token", "auth", "api_key", "apikey", "bearer"];

/// What a reverse proxy adds to a request: it is another's, whose address this machine has not seen.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// For whom a request may be answered.
///
/// # Errors
/// It may not: the refusal.
pub fn check(shared: &Shared, head: &Parts, ends: Ends) -> Result<Audience, Response<Body>> {
    let refusal = |status, why: &str| Err(reply::error(status, why));
    let access = shared.access.borrow();
    let host = match host(head) {
        Ok(host) => host,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, why),
    };
    if !is_ours(&access.names, ends.local, host) {
        return refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "this name is not known as the hub's: use its address, or add the name to [hub] names= of \
             psistats-hub.conf",
        );
    }
    let mut origins = head.headers.get_all(header::ORIGIN).iter();
    if origins.any(|origin| origin.to_str().ok().and_then(authority_of).is_none_or(|of| !is_same(of, host))) {
        return refusal(
            StatusCode::FORBIDDEN,
            "requests from another site's pages are refused; a reverse proxy has to pass the Host header on as it is",
        );
    }
    if let Some(refusal) = method(head) {
        return Err(refusal);
    }
    if query::keys(head.uri.query()).any(|key| TOKENS.iter().any(|name| key.eq_ignore_ascii_case(name))) {
        return refusal(
            StatusCode::BAD_REQUEST,
            "a token in a URL ends up in logs and histories: send it in the header Authorization: Bearer TOKEN",
        );
    }
    match api::scope(head.uri.path()) {
        Some(scope) if !is_from_here(head, ends, host) => login(&access, head, scope),
        _ => Ok(Audience::Known),
    }
}

/// The refusal of another method than the path has.
fn method(head: &Parts) -> Option<Response<Body>> {
    let (methods, allowed, expected): (&[Method], _, _) = if api::is_posted(head.uri.path()) {
        (&[Method::POST], "POST", "expected POST")
    } else {
        (&[Method::GET, Method::HEAD], "GET, HEAD", "expected GET or HEAD: nothing is changed here")
    };
    if methods.contains(&head.method) {
        return None;
    }
    let mut refusal = reply::error(StatusCode::METHOD_NOT_ALLOWED, expected);
    refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    Some(refusal)
}

/// Whether somebody on this machine asks: to a loopback address, by its name, and not through a reverse proxy, as far
/// as that can be seen.
fn is_from_here(head: &Parts, ends: Ends, host: &str) -> bool {
    ends.local.is_loopback()
        && is_ours(&[], ends.local, host)
        && !FORWARDED.iter().any(|name| head.headers.contains_key(*name))
}

/// For whom a request is answered that may be from anywhere.
fn login(access: &Access, head: &Parts, scope: Scope) -> Result<Audience, Response<Body>> {
    match access.tokens.check_request(&head.headers, scope, now_s()) {
        Login::Granted => Ok(Audience::Known),
        // A token that is not known is not meant to be nobody's.
        Login::Unknown
            if access.is_public && api::is_public(head.uri.path()) && bearer(&head.headers).is_none() =>
        {
            Ok(Audience::Public)
        }
        Login::OtherScope => Err(reply::error(
            StatusCode::FORBIDDEN,
            &format!(
                "this token lacks the scope {scope}: psistats-hub token add NAME --scope {scope} makes another"
            ),
        )),
        Login::Unknown if scope == Scope::Admin => Err(reply::unauthorized(
            "expected a login that may change something: psistats-hub token link NAME --scope admin makes one for a browser, \
             token add NAME --scope admin one for Authorization: Bearer TOKEN",
        )),
        Login::Unknown => Err(reply::unauthorized(
            "expected a login: Authorization: Bearer TOKEN (psistats-hub token add NAME makes one), or the page's \
             cookie (psistats-hub token link NAME)",
        )),
    }
}

/// The authority that a request is for.
fn host(head: &Parts) -> Result<&str, &'static str> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let host = host.ok_or("expected a Host header")?;
    if hosts.next().is_some() {
        return Err("expected one Host header");
    }
    // RFC 9112 §3.2.2: a proxy's form of the request line takes precedence, and a client sends the same Host.
    match head.uri.authority() {
        Some(authority) if !is_same(authority.as_str(), host) => {
            Err("expected a Host header as in the request line")
        }
        _ => Ok(host),
    }
}

/// Whether an authority names this hub: an address that the connection came to, localhost, or a configured name. The
/// port is of no concern, since forwarded ones are usual, and no page can choose another machine by it.
fn is_ours(names: &[String], local: IpAddr, authority: &str) -> bool {
    let Some(name) = name_of(authority) else { return false };
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match literal.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) => address == local || address.is_loopback() || is_one_of(names, literal),
        Err(_) => name.eq_ignore_ascii_case("localhost") || is_one_of(names, name),
    }
}

fn is_one_of(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The host of `HOST[:PORT]`, without the dot that may end it; `None` where it is none.
fn name_of(authority: &str) -> Option<&str> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (name, port) = authority.split_at_checked(end)?;
    let is_port = port.is_empty() || port.strip_prefix(':')?.bytes().all(|octet| octet.is_ascii_digit());
    let name = name.strip_suffix('.').unwrap_or(name);
    (is_port && !name.is_empty()).then_some(name)
}

/// The authority of an origin, `http://HOST[:PORT]`. Behind a proxy with TLS it is https.
fn authority_of(origin: &str) -> Option<&str> {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_the_hubs_by_its_address_localhost_or_a_configured_name() {
        let names = ["hub.example".to_owned(), "192.0.2.7".to_owned()];
        let local = "10.0.0.1".parse().unwrap();
        let ours = [
            "localhost",
            "LocalHost:8666",
            "localhost.",
            "127.0.0.1:9",
            "127.0.0.1",
            "[::1]:8666",
            "[::1]",
            "10.0.0.1:80",
            "[::ffff:10.0.0.1]",
            "hub.example:443",
            "HUB.EXAMPLE.",
            "192.0.2.7",
        ];
        for authority in ours {
            assert!(is_ours(&names, local, authority), "{authority}");
        }
        let foreign = [
            "",
            ":80",
            "evil.example",
            "hub.example.evil.example",
            "localhost.evil.example",
            "10.0.0.2",
            "[::1",
            "[::1]x",
            "localhost:x",
            "localhost:80:80",
            "user@localhost",
            "localhost/",
            "127.0.0.1.evil.example",
            ".",
            "[]",
            "]",
            "[",
            "0.0.0.0",
            "2130706433",
            "ü",
        ];
        for authority in foreign {
            assert!(!is_ours(&names, local, authority), "{authority}");
        }
    }
}
