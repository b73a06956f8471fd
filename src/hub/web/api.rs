//! From a path and a query to an answer.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};

use super::auth::Scope;
use super::history::{self, Missing};
use super::reply::{self, Body, CSV, METRICS, OPEN_METRICS, TEXT};
use super::{
    Audience, Format, Scraped, Shared, Unforgotten, Unscraped, Untested, accept, assets, export, login, query,
};

/// Characters of a name that an answer repeats.
const REPEATED: usize = 160;

/// The most boards of `worst`.
const WORST: usize = 100;

/// Where a link is exchanged.
pub const LOGIN: &str = "/api/v1/login";

/// Where a browser's login ends: whoever has it may end it.
pub const LOGOUT: &str = "/api/v1/logout";

/// What a token has to be for, to read that path; `None` where none is asked for. The page's files are the same for
/// everybody, and it is they that say how to log in.
pub fn scope(path: &str) -> Option<Scope> {
    if ["/metrics", "/metrics/all", "/sd"].contains(&path) {
        return Some(Scope::Metrics);
    }
    if is_for_admins(path) {
        return Some(Scope::Admin);
    }
    let is_free = [LOGIN, LOGOUT, assets::DOCUMENT].contains(&path) || !path.starts_with("/api/");
    (!is_free).then_some(Scope::Read)
}

/// The part of a path between `before` and `after`, where that is one.
fn between<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    path.strip_prefix(before)?.strip_suffix(after).filter(|part| !part.contains('/'))
}

/// The id of the alert that a path acknowledges.
fn acknowledged(path: &str) -> Option<&str> {
    between(path, "/api/v1/alerts/", "/acknowledge")
}

/// The name, as it is encoded, of the board that a path forgets.
fn forgotten(path: &str) -> Option<&str> {
    between(path, "/api/v1/hosts/", "/forget")
}

/// The name, as it is encoded, of the receiver that a path has a test message sent to.
fn tested(path: &str) -> Option<&str> {
    between(path, "/api/v1/receivers/", "/test")
}

/// Whether a path changes what the hub shows, or has it say something elsewhere.
fn is_for_admins(path: &str) -> bool {
    acknowledged(path).or(forgotten(path)).or(tested(path)).is_some()
}

/// Whether a path changes something, and is posted to.
pub fn is_posted(path: &str) -> bool {
    [LOGIN, LOGOUT].contains(&path) || is_for_admins(path)
}

/// Whether the wall is made of it.
pub fn is_public(path: &str) -> bool {
    ["/api/v1/hosts", "/api/v1/events"].contains(&path)
}

/// What a path names, with names in plain text.
enum Endpoint<'a> {
    Health,
    Hub,
    Hosts,
    Host(Cow<'a, str>),
    History(Cow<'a, str>),
    Export(Cow<'a, str>),
    Forget(Cow<'a, str>),
    Series(Cow<'a, str>),
    Alerts,
    Receivers,
    Test(Cow<'a, str>),
    Peers,
    Acknowledge(&'a str),
    Events,
    Login,
    Logout,
    Metrics,
    AllMetrics,
    Targets,
}

impl<'a> Endpoint<'a> {
    /// `None` where it names nothing.
    ///
    /// # Errors
    /// A name is not encoded as it should be.
    fn of(path: &'a str) -> Result<Option<Self>, &'static str> {
        let Some(rest) = path.strip_prefix("/api/v1/") else {
            return Ok(match path {
                "/healthz" => Some(Self::Health),
                "/metrics" => Some(Self::Metrics),
                "/metrics/all" => Some(Self::AllMetrics),
                "/sd" => Some(Self::Targets),
                _ => None,
            });
        };
        if let Some(id) = acknowledged(path) {
            return Ok(Some(Self::Acknowledge(id)));
        }
        if let Some(name) = tested(path) {
            return Ok(Some(Self::Test(query::decode(name)?)));
        }
        let (room, name) = match rest.split_once('/') {
            Some((room, name)) => (room, Some(name).filter(|name| !name.is_empty())),
            None => (rest, None),
        };
        Ok(Some(match (room, name) {
            ("hub", None) if rest == room => Self::Hub,
            ("hosts", None) if rest == room => Self::Hosts,
            ("alerts", None) if rest == room => Self::Alerts,
            ("receivers", None) if rest == room => Self::Receivers,
            ("peers", None) if rest == room => Self::Peers,
            ("events", None) if rest == room => Self::Events,
            ("login", None) if rest == room => Self::Login,
            ("logout", None) if rest == room => Self::Logout,
            // A series' name may have slashes, encoded or not.
            ("series", Some(name)) => Self::Series(query::decode(name)?),
            ("hosts", Some(name)) => match name.split_once('/') {
                None => Self::Host(query::decode(name)?),
                Some((name, "history")) if !name.is_empty() => Self::History(query::decode(name)?),
                Some((name, "forget")) if !name.is_empty() => Self::Forget(query::decode(name)?),
                Some((name, "export")) if !name.is_empty() => Self::Export(query::decode(name)?),
                Some(_) => return Ok(None),
            },
            _ => return Ok(None),
        }))
    }
}

/// The answer to a request that the guard let pass.
pub async fn answer(shared: &Shared, head: &Parts, audience: Audience) -> Response<Body> {
    try_answer(shared, head, audience).await.unwrap_or_else(|(status, why)| reply::error(status, &why))
}

/// A refusal: its status, and what was expected.
type Refusal = (StatusCode, String);

async fn try_answer(shared: &Shared, head: &Parts, audience: Audience) -> Result<Response<Body>, Refusal> {
    let (path, query) = (head.uri.path(), head.uri.query());
    let endpoint = Endpoint::of(path).map_err(|why| bad(why.into()))?;
    match endpoint {
        Some(Endpoint::History(name)) => return history(shared, head, &name).await,
        Some(Endpoint::Export(name)) => return everything(shared, head, &name).await,
        Some(Endpoint::Hosts) => {
            let [worst] = query::parse(query, ["worst"]).map_err(bad)?;
            return hosts(shared, worst.as_deref(), audience);
        }
        Some(Endpoint::Metrics) => {
            let [board] = query::parse(query, ["host"]).map_err(bad)?;
            return metrics(shared, head, board.as_deref().map_or(Scraped::Hub, Scraped::Board));
        }
        Some(Endpoint::AllMetrics) => {
            query::parse(query, []).map_err(bad)?;
            return metrics(shared, head, Scraped::All);
        }
        Some(Endpoint::Acknowledge(id)) => {
            query::parse(query, []).map_err(bad)?;
            let none = || not_found(format!("no alert with the id {} is raised", cut(id)));
            return Ok(reply::json(shared.view.acknowledge_json(id).ok_or_else(none)?));
        }
        Some(Endpoint::Forget(name)) => {
            query::parse(query, []).map_err(bad)?;
            return Ok(reply::json(
                shared.view.forget_json(&name).await.map_err(|why| not_forgotten(why, &name))?,
            ));
        }
        Some(Endpoint::Test(name)) => {
            query::parse(query, []).map_err(bad)?;
            return Ok(reply::json(shared.view.test_json(&name).await.map_err(|why| untested(why, &name))?));
        }
        Some(Endpoint::Login) => {
            query::parse(query, []).map_err(bad)?;
            return Ok(login::begin(shared, head).await);
        }
        Some(Endpoint::Logout) => {
            query::parse(query, []).map_err(bad)?;
            return Ok(login::end(shared, head).await);
        }
        _ => {}
    }
    let unknown = || not_found("there is nothing here: /api/v1/openapi.json describes what there is".into());
    let asset = shared.assets.response(path, &head.headers);
    let answered = match endpoint {
        None
        | Some(
            Endpoint::History(_)
            | Endpoint::Export(_)
            | Endpoint::Acknowledge(_)
            | Endpoint::Forget(_)
            | Endpoint::Hosts
            | Endpoint::Test(_)
            | Endpoint::Login
            | Endpoint::Logout
            | Endpoint::Metrics
            | Endpoint::AllMetrics,
        ) => asset.ok_or_else(unknown)?,
        Some(Endpoint::Health) => reply::whole(StatusCode::OK, TEXT, Bytes::from_static(b"ok\n")),
        Some(Endpoint::Hub) => reply::json(shared.view.hub_json()),
        Some(Endpoint::Alerts) => reply::json(shared.view.alerts_json()),
        Some(Endpoint::Receivers) => reply::json(shared.view.receivers_json()),
        Some(Endpoint::Peers) => reply::json(shared.view.peers_json().await),
        Some(Endpoint::Host(name)) => {
            reply::json(shared.view.host_json(&name).ok_or_else(|| no_board(&name))?)
        }
        Some(Endpoint::Series(name)) => {
            let none = || not_found(format!("no board has a series called {}", cut(&name)));
            reply::json(shared.view.series_json(&name).ok_or_else(none)?)
        }
        Some(Endpoint::Events) => events(shared, audience),
        Some(Endpoint::Targets) => {
            // The guard has seen that there is one.
            let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            reply::json(shared.view.targets_json(host.unwrap_or("localhost")))
        }
    };
    query::parse(query, []).map_err(bad)?;
    Ok(answered)
}

fn hosts(shared: &Shared, worst: Option<&str>, audience: Audience) -> Result<Response<Body>, Refusal> {
    let Some(worst) = worst else { return Ok(reply::json(shared.events(audience).hosts_json())) };
    let most = worst.parse().ok().filter(|most| (1..=WORST).contains(most));
    let most = most.ok_or_else(|| bad(format!("worst: expected a number from 1 to {WORST}")))?;
    Ok(reply::json(shared.view.worst_json(most, audience)))
}

async fn history(shared: &Shared, head: &Parts, name: &str) -> Result<Response<Body>, Refusal> {
    let (series, span) = history::asked(head.uri.query()).map_err(bad)?;
    let columns = shared.view.history(name, &series, span).await;
    let columns = columns.map_err(|why| missing(why, name, &series))?;
    let mut response = if accept::prefers(&head.headers, "text/csv", "application/json") {
        reply::whole(StatusCode::OK, CSV, history::csv(&columns))
    } else {
        reply::json(history::json(&series, &columns))
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

async fn everything(shared: &Shared, head: &Parts, name: &str) -> Result<Response<Body>, Refusal> {
    let (from_ms, to_ms, form) = export::asked(head.uri.query()).map_err(bad)?;
    let replay = shared.view.everything(name, from_ms, to_ms).await;
    let replay = replay.map_err(|why| missing(why, name, ""))?;
    let kind = if form == export::Form::Csv { CSV } else { TEXT };
    Ok(reply::whole(StatusCode::OK, kind, export::text(name, &replay, form)))
}

fn missing(missing: Missing, name: &str, series: &str) -> Refusal {
    match missing {
        Missing::Host => no_board(name),
        Missing::Series => not_found(format!("{} has no series called {}", cut(name), cut(series))),
        Missing::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "the disk is busy: ask again in some seconds".into())
        }
    }
}

fn not_forgotten(why: Unforgotten, name: &str) -> Refusal {
    match why {
        Unforgotten::Unknown => no_board(name),
        Unforgotten::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the disk is busy: {} may be here again after a restart of the hub", cut(name)),
        ),
        Unforgotten::Heard => (
            StatusCode::CONFLICT,
            format!(
                "{} is heard, and would be here again at its next report: stop its agent first",
                cut(name)
            ),
        ),
    }
}

fn untested(why: Untested, name: &str) -> Refusal {
    match why {
        Untested::Unknown => not_found(format!("there is no receiver [notify:{}]", cut(name))),
        Untested::Busy => (StatusCode::CONFLICT, "a test message is already on its way there".into()),
        Untested::Failed(why) => (StatusCode::BAD_GATEWAY, why),
    }
}

fn metrics(shared: &Shared, head: &Parts, of: Scraped<'_>) -> Result<Response<Body>, Refusal> {
    let (format, kind) = match accept::prefers(&head.headers, "application/openmetrics-text", "text/plain") {
        true => (Format::OpenMetrics, OPEN_METRICS),
        false => (Format::Text, METRICS),
    };
    let pieces = shared.view.metrics(of, format).map_err(|unscraped| {
        let name = if let Scraped::Board(name) = of { name } else { "" };
        match unscraped {
            Unscraped::Unknown => no_board(name),
            Unscraped::Lost => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{} is not heard: it has no metrics now", cut(name)),
            ),
            Unscraped::Busy => {
                let why = "too many others are reading these metrics: ask again in some seconds";
                (StatusCode::SERVICE_UNAVAILABLE, why.into())
            }
        }
    })?;
    let mut response = reply::pieces(kind, pieces);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// The stream of events. A HEAD takes its place, too, for as long as it is answered.
fn events(shared: &Shared, audience: Audience) -> Response<Body> {
    let Some(stream) = shared.events(audience).stream() else {
        let why = format!("too many clients of events: at most {} at a time", shared.limits.event_clients);
        let mut response = reply::error(StatusCode::SERVICE_UNAVAILABLE, &why);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        return response;
    };
    reply::events(stream)
}

fn bad(why: String) -> Refusal {
    (StatusCode::BAD_REQUEST, why)
}

fn not_found(why: String) -> Refusal {
    (StatusCode::NOT_FOUND, why)
}

fn no_board(name: &str) -> Refusal {
    not_found(format!("no board is called {}", cut(name)))
}

/// A name as an answer repeats it.
fn cut(name: &str) -> &str {
    let end = name.char_indices().nth(REPEATED).map_or(name.len(), |(end, _)| end);
    name.get(..end).unwrap_or(name)
}
