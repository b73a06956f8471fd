//! The other hubs of a fleet, which RabbitMQ shares out: how many of their boards are well, and which are worst.
//!
//! They are asked when somebody asks this hub about them, not more often than every few seconds, and one question at a
//! time for each of them. They are asked about their own boards alone, so that hubs that name one another ask no further.
//! What they answer is bounded in bytes and in time, and is as foreign as what boards say.

mod answer;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::answer::{Answer, Counts, Host};
use crate::clock::unix_ms;
use crate::http::{Connection, Failure, bearer};
use crate::settings::Peer;

/// The most boards that are taken of a hub.
pub const BOARDS: usize = 20;

/// The most bytes of its answer.
const BYTES: usize = 512 * 1024;

/// From the name server's question to the answer's end.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is known of it is not asked for again within this time.
const FRESH: Duration = Duration::from_secs(3);

/// All of them.
#[derive(Default)]
pub struct Peers(Vec<Rc<Asked>>);

impl Peers {
    /// None has been asked yet.
    pub fn new(peers: Vec<Peer>) -> Self {
        Self(peers.into_iter().map(Asked::new).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What they say, as JSON, after three seconds at the latest. It has to be polled within a
    /// [`tokio::task::LocalSet`].
    pub fn json(&self) -> impl Future<Output = Vec<u8>> + use<> {
        let peers = self.0.clone();
        async move {
            let mut asking = JoinSet::new();
            for peer in &peers {
                let peer = peer.clone();
                asking.spawn_local(async move { peer.renew().await });
            }
            while asking.join_next().await.is_some() {}
            let known: Vec<_> = peers.iter().map(|peer| peer.known.borrow()).collect();
            let known: Vec<&Known> = known.iter().map(|known| &**known).collect();
            let all = serde_json::json!({ "now": unix_ms() as f64 / 1000.0, "peers": known });
            serde_json::to_vec(&all).unwrap_or_default()
        }
    }
}

/// One of them.
struct Asked {
    peer: Peer,
    /// When it was asked last. Whoever has this is asking.
    asked: Mutex<Option<Instant>>,
    known: RefCell<Known>,
}

/// What is known of it, as the API has it.
#[derive(Serialize)]
struct Known {
    name: String,
    url: String,
    /// Unix seconds: since when it answers, or does not.
    since: f64,
    error: Option<String>,
    counts: Option<Counts>,
    hosts: Vec<Host>,
}

impl Asked {
    fn new(peer: Peer) -> Rc<Self> {
        let (name, url) = (peer.place.authority(), peer.place.url());
        let known = Known { name, url, since: 0.0, error: None, counts: None, hosts: Vec::new() };
        Rc::new(Self { peer, asked: Mutex::default(), known: known.into() })
    }

    /// Asks it, unless that was done just now.
    async fn renew(&self) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < FRESH) {
            return;
        }
        let answered = self.ask().await;
        self.known.borrow_mut().take(answered, unix_ms() as f64 / 1000.0, asked.is_none());
        *asked = Some(Instant::now());
    }

    async fn ask(&self) -> Result<Answer, String> {
        let Peer { place, token, trust } = &self.peer;
        let mut request = Request::get(format!("{}api/v1/hosts?worst={BOARDS}", place.path()))
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::CONNECTION, HeaderValue::from_static("close"));
        if let Some(token) = token {
            let token = bearer(token).ok_or("the token in [hub] peers_token is none for a header")?;
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Vec::new().into()).map_err(|error| error.to_string())?;
        let exchanged = async { Connection::open(place, trust).await?.exchange(request, BYTES).await };
        let exchanged = timeout(PATIENCE, exchanged).await.unwrap_or(Err(Failure::Late(PATIENCE)));
        let answer = exchanged.map_err(|failure| failure.to_string())?;
        match answer.status {
            StatusCode::OK => Answer::read(&answer.body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(
                "it wants a login: psistats-hub token add NAME there makes a token for [hub] peers_token here".into(),
            ),
            StatusCode::MISDIRECTED_REQUEST => {
                Err("it does not go by this name: add it to [hub] names there".into())
            }
            status => Err(format!("expected a psistats-hub of this version, which answered {status}")),
        }
    }
}

impl Known {
    /// Boards of a hub that does not answer may be another's by now: they are not shown.
    fn take(&mut self, answered: Result<Answer, String>, now: f64, is_first: bool) {
        let had_error = self.error.is_some();
        (self.error, self.counts, self.hosts) = match answered {
            Ok(Answer { counts, hosts }) => (None, Some(counts), hosts),
            Err(why) => (Some(why), None, Vec::new()),
        };
        if is_first || had_error != self.error.is_some() {
            self.since = now;
        }
    }
}
