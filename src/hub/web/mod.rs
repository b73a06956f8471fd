//! The hub's page and API over HTTP/1.1: it reads, and changes nothing but who is logged in, which alerts an operator took
//! notice of, and which boards are forgotten; and it sends test messages.
//!
//! | where | what |
//! |---|---|
//! | `listener` | accepts connections, bounds their number, and serves each in a task |
//! | `paced` | a socket with a time limit for what is written, and an orderly close |
//! | `guard` | refuses requests that a foreign web page may have sent, and those without a login |
//! | [`auth`] | the tokens that the hub knows, as hashes |
//! | [`store`] | the file that has them |
//! | `login` | a one-time link becomes a browser's cookie, which ends by logging out |
//! | `api` | from a path and a query to an answer |
//! | `accept` | which form of an answer a client would rather have |
//! | `query` | percent-encoding, and parameters with their bounds |
//! | `history` | a history as JSON or CSV |
//! | `export` | all of a board's history, as CSV or line protocol |
//! | `events` | server-sent events: one encoded frame for all clients |
//! | `assets` | the page's files, compiled in |
//! | `reply` | responses, and the headers that all have |
//!
//! Everything runs in tasks of one current-thread runtime ([`tokio::task::LocalSet`]). What is served comes from a
//! [`View`], whose methods do not block; that which may have to wait for the disk gives a future.

mod accept;
mod api;
mod assets;
pub mod auth;
mod events;
mod export;
mod guard;
mod history;
mod listener;
mod login;
mod paced;
pub mod query;
mod reply;
pub mod store;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;

use self::assets::Assets;
use self::auth::Tokens;
use self::events::Events;
pub use self::history::{Columns, Missing, Span, Tier};
use self::listener::Places;
use self::store::Store;
pub use crate::alerts::Untested;
pub use crate::fleet::Audience;
pub use crate::history::{Replay, Rollup};
pub use crate::metrics::Format;
use crate::tls;

/// An answer that may take its time.
pub type Asked<T> = Pin<Box<dyn Future<Output = T>>>;

/// An answer that is made as a client takes it.
pub type Pieces = Box<dyn Iterator<Item = Bytes>>;

/// Whose metrics are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scraped<'a> {
    /// The hub's own.
    Hub,
    /// One board's.
    Board(&'a str),
    /// Those of all boards.
    All,
}

/// Why there are no metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unscraped {
    /// No board has that name.
    Unknown,
    /// The board is not heard.
    Lost,
    /// Too many others are reading those of all boards.
    Busy,
}

/// Why a board is not forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unforgotten {
    /// No board has that name.
    Unknown,
    /// The board is heard.
    Heard,
    /// It is, until the next start: the disk did not take it.
    Busy,
}

/// What the API serves. The JSON is as src/hub/web/openapi.json describes it.
pub trait View {
    /// `GET /api/v1/hosts`: all boards. It is called at most once for each second and published frame, and clients
    /// share the bytes.
    fn hosts_json(&self, audience: Audience) -> Bytes;

    /// `GET /api/v1/hosts?worst=N`: at most `most` of the boards that are not well.
    fn worst_json(&self, most: usize, audience: Audience) -> Bytes;

    /// `GET /api/v1/peers`: what the other hubs say.
    fn peers_json(&self) -> Asked<Bytes>;

    /// `GET /api/v1/hosts/NAME`; `None` where no board has that name.
    fn host_json(&self, name: &str) -> Option<Bytes>;

    /// `GET /api/v1/hosts/NAME/history`: at most [`Span::points`] times, ascending.
    ///
    /// # Errors
    /// There is no such board, it never sent this series, or the disk is busy.
    fn history(&self, name: &str, series: &str, span: Span) -> Asked<Result<Columns, Missing>>;

    /// `GET /api/v1/hosts/NAME/export`: all that a board said from `from_ms` on and before `to_ms`, Unix milliseconds.
    ///
    /// # Errors
    /// There is no such board, or the disk is busy.
    fn everything(&self, name: &str, from_ms: i64, to_ms: i64) -> Asked<Result<Replay, Missing>>;

    /// `GET /api/v1/series/NAME`; `None` where no board has such a series.
    fn series_json(&self, series: &str) -> Option<Bytes>;

    /// `GET /api/v1/alerts`: the alerts that are raised.
    fn alerts_json(&self) -> Bytes;

    /// `POST /api/v1/alerts/ID/acknowledge`: the alert; `None` where none of that id is raised.
    fn acknowledge_json(&self, id: &str) -> Option<Bytes>;

    /// `GET /api/v1/receivers`: who is told of alerts, and how that goes.
    fn receivers_json(&self) -> Bytes;

    /// `POST /api/v1/receivers/NAME/test`: what the receiver said to a test message.
    ///
    /// # Errors
    /// Why it was not delivered.
    fn test_json(&self, receiver: &str) -> Asked<Result<Bytes, Untested>>;

    /// `POST /api/v1/hosts/NAME/forget`: what the board, which is lost, was last. Its history stays until it is old, and
    /// is there again if the board is heard.
    ///
    /// # Errors
    /// There is no such board, it is not lost, or the disk is busy.
    fn forget_json(&self, name: &str) -> Asked<Result<Bytes, Unforgotten>>;

    /// `GET /api/v1/hub`: the hub's own counters.
    fn hub_json(&self) -> Bytes;

    /// `GET /metrics` and `GET /metrics/all`.
    ///
    /// # Errors
    /// There are none now.
    fn metrics(&self, of: Scraped<'_>, format: Format) -> Result<Pieces, Unscraped>;

    /// `GET /sd`: all boards as targets of a hub that is reached at `authority`.
    fn targets_json(&self, authority: &str) -> Bytes;
}

/// What bounds the clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, in all.
    pub connections: usize,
    /// Connections at a time from one IPv4 address, or from one /64 of IPv6.
    pub connections_of_peer: usize,
    /// Clients of `/api/v1/events` at a time.
    pub event_clients: usize,
    /// From the accepted connection, or the end of the previous answer, to the end of a request's headers; and again
    /// from there to the end of its body. It is the time that an idle connection is kept, too.
    pub request_time: Duration,
    /// From the moment that a client's socket takes no more to the moment that it has taken the whole answer, or the
    /// whole frame.
    pub write_time: Duration,
    /// Without a frame for so long, clients of `/api/v1/events` get a comment.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_of_peer: 256,
            event_clients: 512,
            request_time: Duration::from_secs(10),
            write_time: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// Who may read what. By default nobody beyond this machine reads anything.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Host names, besides localhost and the addresses listened at, by which clients may call the hub. A reverse
    /// proxy's name belongs here. Whoever calls the hub by one of them needs a token, also at a loopback address.
    pub names: Vec<String>,
    /// Who may read from beyond this machine.
    pub tokens: Tokens,
    /// Whether the wall is for anybody, as [`Audience::Public`].
    pub is_public: bool,
}

/// How the page and the API are served.
#[derive(Debug, Default)]
pub struct Settings {
    /// Who may read what.
    pub access: Access,
    /// Where logins by a link are kept; None: there are none.
    pub store: Option<Store>,
    /// What bounds the clients.
    pub limits: Limits,
}

/// What the web side has counted since the start, or has now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections now.
    pub connections: usize,
    /// Clients of `/api/v1/events` now.
    pub event_clients: usize,
    /// Connections that were closed at once, because a limit was reached.
    pub connections_refused: u64,
    /// Requests whose headers were read.
    pub requests: u64,
    /// Of these, the ones that were answered with a status of 400 or above.
    pub requests_refused: u64,
    /// Snapshots that replaced the frames that a slow client had missed.
    pub resyncs: u64,
}

/// The page and the API. Clones share everything.
#[derive(Clone)]
pub struct Web(Rc<Shared>);

struct Shared {
    view: Rc<dyn View>,
    limits: Limits,
    access: RefCell<Access>,
    store: Option<Store>,
    assets: Assets,
    events: Rc<Events>,
    public_events: Rc<Events>,
    places: Rc<Places>,
    requests: Cell<u64>,
    requests_refused: Cell<u64>,
}

impl Web {
    /// Serves nobody yet.
    pub fn new(view: Rc<dyn View>, settings: Settings) -> Self {
        let Settings { access, store, limits } = settings;
        let events = |audience| Events::new(view.clone(), audience, limits.event_clients);
        Self(Rc::new(Shared {
            events: events(Audience::Known),
            public_events: events(Audience::Public),
            view,
            access: RefCell::new(access),
            store,
            assets: Assets::new(),
            places: Places::new(limits.connections, limits.connections_of_peer),
            limits,
            requests: Cell::new(0),
            requests_refused: Cell::new(0),
        }))
    }

    /// Accepts connections at `listener` until the future is dropped. It has to be polled within a
    /// [`tokio::task::LocalSet`], where each connection gets a task.
    ///
    /// # Errors
    /// Of the system, before the first connection.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        listener::serve(self.0.clone(), listener, None).await
    }

    /// The same with TLS.
    ///
    /// # Errors
    /// Of the system, before the first connection.
    pub async fn serve_by_tls(&self, listener: TcpListener, tls: Rc<tls::Server>) -> io::Result<()> {
        listener::serve(self.0.clone(), listener, Some(tls)).await
    }

    /// Sends heartbeats to the clients of `/api/v1/events` until the future is dropped.
    pub async fn send_heartbeats(&self) {
        let [known, public] = [&self.0.events, &self.0.public_events]
            .map(|events| events.send_heartbeats(self.0.limits.heartbeat));
        let (mut known, mut public) = (pin!(known), pin!(public));
        // Neither ends.
        poll_fn(|cx| {
            let _ = known.as_mut().poll(cx);
            public.as_mut().poll(cx)
        })
        .await;
    }

    /// Sends one frame of changes to all clients of `/api/v1/events`: a JSON object, once a second. It is asked for
    /// once for each audience that has clients, and all of these share the bytes. None: what changed is not known, and
    /// they get a snapshot.
    ///
    /// The frame has what changed since the previous one. A client begins with [`View::hosts_json`], which may
    /// already have some of it.
    pub fn publish(&self, changes: impl Fn(Audience) -> Option<Bytes>) {
        self.0.events.publish(&changes);
        self.0.public_events.publish(&changes);
    }

    /// Takes over who may read what, for requests from now on. Where less is allowed than before, streams of events
    /// end: clients connect again, as far as they still may.
    pub fn set_access(&self, access: Access) {
        self.0.set_access(access);
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        let shared = &self.0;
        Counters {
            connections: shared.places.taken(),
            event_clients: shared.events.clients() + shared.public_events.clients(),
            connections_refused: shared.places.refused(),
            requests: shared.requests.get(),
            requests_refused: shared.requests_refused.get(),
            resyncs: shared.events.resyncs() + shared.public_events.resyncs(),
        }
    }
}

impl Shared {
    fn events(&self, audience: Audience) -> &Rc<Events> {
        match audience {
            Audience::Known => &self.events,
            Audience::Public => &self.public_events,
        }
    }

    fn set_access(&self, access: Access) {
        let before = self.access.replace(access);
        let now = self.access.borrow();
        if !before.tokens.are_within(&now.tokens) || before.names != now.names {
            self.events.end();
        }
        if before.is_public && !now.is_public {
            self.public_events.end();
        }
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counters().fmt(f)
    }
}
