//! A one-time link becomes a browser's login: a cookie that may read, and perhaps acknowledge alerts and forget boards.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use log::{info, warn};
use tokio::task::spawn_blocking;

use super::auth::{COOKIE, Hash, Login, Scope, bearer};
use super::reply::{self, Body};
use super::store::{PAGE_S, now_s};
use super::{Access, Shared};

/// The answer to the secret of a link, in `Authorization`. Only one that is known gets as far as the disk.
pub async fn answer(shared: &Shared, head: &Parts) -> Response<Body> {
    let link = bearer(&head.headers);
    let is_known =
        |link: &&str| shared.access.borrow().tokens.check(link, Scope::Link, now_s()) == Login::Granted;
    let (Some(link), Some(store)) = (link.filter(is_known), shared.store.clone()) else { return unknown() };
    let hash = Hash::of(link);
    let exchanging = store.clone();
    let exchanged = spawn_blocking(move || exchanging.exchange(hash)).await;
    let exchanged = exchanged.unwrap_or_else(|_| Err("the exchange failed".into()));
    // What others changed in the meantime counts, too: the file is read again, and nothing waits in between.
    let loaded = exchanged.and_then(|secret| Ok((secret, store.load()?)));
    match loaded {
        Ok((secret, tokens)) => {
            let access = Access { tokens, ..shared.access.borrow().clone() };
            shared.set_access(access);
            match secret.and_then(|secret| cookie(&secret, &head.headers)) {
                Some(cookie) => {
                    info!("a browser logged in by a link");
                    reply::cookie(cookie)
                }
                None => unknown(),
            }
        }
        Err(why) => {
            warn!("a browser cannot log in: {why}");
            reply::error(StatusCode::SERVICE_UNAVAILABLE, "the login cannot be kept: see the hub's log")
        }
    }
}

fn unknown() -> Response<Body> {
    reply::unauthorized(
        "this link is used up, older than 10 minutes, or not this hub's: psistats-hub token link NAME makes another",
    )
}

/// No script reads it, no request that another site's page makes has it, and over TLS it never goes without.
fn cookie(secret: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    // A browser's POST has the page's origin, also behind a proxy that ends TLS.
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let secure = if origin.is_some_and(|origin| origin.starts_with("https://")) { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={secret}; Path=/; Max-Age={PAGE_S}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).ok().map(|mut cookie| {
        cookie.set_sensitive(true);
        cookie
    })
}
