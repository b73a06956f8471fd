//! A one-time link becomes a browser's login: a cookie that may read, and perhaps acknowledge alerts and forget boards.
//! Logging out ends it.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use log::{info, warn};
use tokio::task::spawn_blocking;

use super::auth::{COOKIE, Hash, Login, Scope, bearer, cookies};
use super::reply::{self, Body};
use super::store::{PAGE_S, Store, now_s};
use super::{Access, Shared};

/// The answer to the secret of a link, in `Authorization`. Only one that is known gets as far as the disk.
pub async fn begin(shared: &Shared, head: &Parts) -> Response<Body> {
    let link = bearer(&head.headers).filter(|link| is_known(shared, link, Scope::Link));
    let (Some(link), Some(store)) = (link, &shared.store) else { return unknown() };
    let hash = Hash::of(link);
    match change(shared, store, move |store| store.exchange(hash)).await {
        Ok(secret) => match secret.and_then(|secret| cookie(&secret, PAGE_S, &head.headers)) {
            Some(cookie) => {
                info!("a browser logged in by a link");
                reply::cookie(cookie)
            }
            None => unknown(),
        },
        Err(why) => {
            warn!("a browser cannot log in: {why}");
            reply::error(StatusCode::SERVICE_UNAVAILABLE, "the login cannot be kept: see the hub's log")
        }
    }
}

/// Ends the login that a request has in its cookie, which the browser forgets then. Without one nothing ends.
pub async fn end(shared: &Shared, head: &Parts) -> Response<Body> {
    let known = cookies(&head.headers).filter(|login| is_known(shared, login, Scope::Page));
    let logins: Vec<Hash> = known.map(Hash::of).collect();
    if let Some(store) = shared.store.as_ref().filter(|_| !logins.is_empty()) {
        if let Err(why) = change(shared, store, move |store| store.end(&logins)).await {
            warn!("a browser cannot log out: {why}");
            return reply::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "the login is not ended: see the hub's log",
            );
        }
        info!("a browser logged out");
    }
    cookie("", 0, &head.headers).map_or_else(unknown, reply::cookie)
}

fn is_known(shared: &Shared, token: &str, scope: Scope) -> bool {
    shared.access.borrow().tokens.check(token, scope, now_s()) == Login::Granted
}

/// Changes the file of tokens, and takes over what it says then.
async fn change<T: Send + 'static>(
    shared: &Shared,
    store: &Store,
    change: impl FnOnce(&Store) -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let changing = store.clone();
    let changed = spawn_blocking(move || change(&changing)).await;
    let changed = changed.unwrap_or_else(|_| Err("the file of tokens was not changed".into()))?;
    // What others changed in the meantime counts, too: the file is read again, and nothing waits in between.
    let access = Access { tokens: store.load()?, ..shared.access.borrow().clone() };
    shared.set_access(access);
    Ok(changed)
}

fn unknown() -> Response<Body> {
    reply::unauthorized(
        "this link is used up, older than 10 minutes, or not this hub's: psistats-hub token link NAME makes another",
    )
}

/// No script reads it, no request that another site's page makes has it, and over TLS it never goes without. A browser
/// keeps it for so many seconds.
fn cookie(secret: &str, seconds: u64, headers: &HeaderMap) -> Option<HeaderValue> {
    // A browser's POST has the page's origin, also behind a proxy that ends TLS.
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let secure = if origin.is_some_and(|origin| origin.starts_with("https://")) { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).ok().map(|mut cookie| {
        cookie.set_sensitive(true);
        cookie
    })
}
