//! What happens: keys, signals, what the hub says. Each has a task or a thread of its own, and all tell one inbox.
//!
//! The inbox is bounded: whoever tells waits until the screen has taken what was told before.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as Input};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::board::{Detail, History, Hosts};
use super::client::{Body, Client, Trouble, encode};
use super::sse::{self, Parser};

/// The hub sends a frame a second; silence of so long means that it is lost.
const SILENCE: Duration = Duration::from_secs(10);

/// Time from one attempt to connect to the next, until it has heard the hub again. The last one stays.
const RETRY_MS: [u64; 4] = [500, 1000, 2000, 4000];

/// Time after which the last hour of a series is asked for again.
const HISTORY: Duration = Duration::from_secs(10);

/// Events that wait. Each may be as large as the hub makes it.
const WAITING: usize = 4;

/// One of what happens.
#[derive(Debug)]
pub enum Event {
    /// A key, or another size.
    Input(Input),
    /// Every board.
    Snapshot(Hosts),
    /// What has changed of them.
    Changes(Hosts),
    /// The hub is not heard, and why.
    Lost(String),
    /// The hub's answer.
    Answer(Question, Answer),
    /// A signal to end.
    Stop,
    /// The terminal is gone.
    Unreadable(io::Error),
}

/// A board that is looked at, and the series that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub board: Box<str>,
    pub series: Option<Box<str>>,
}

/// What the hub knows of it. Where it has no history, or is not asked again so soon, that is None.
#[derive(Debug)]
pub struct Answer {
    /// Where that is none, the hub knows no such board.
    pub detail: Option<Detail>,
    pub history: Option<History>,
}

/// Where all is told, and where the screen takes it from.
pub fn inbox() -> (mpsc::Sender<Event>, mpsc::Receiver<Event>) {
    mpsc::channel(WAITING)
}

/// Tells of keys and sizes, from a thread: a terminal can only be waited for.
///
/// # Errors
/// There is no thread.
pub fn read_terminal(inbox: mpsc::Sender<Event>) -> io::Result<()> {
    let read = move || {
        loop {
            let (told, is_end) = match event::read() {
                Ok(input) => (Event::Input(input), false),
                Err(error) => (Event::Unreadable(error), true),
            };
            if inbox.blocking_send(told).is_err() || is_end {
                return;
            }
        }
    };
    std::thread::Builder::new().name("terminal".into()).spawn(read).map(drop)
}

/// Tells of signals that end the program. From now on they do not end it themselves.
///
/// # Errors
/// Of the system.
pub fn read_signals(inbox: &mpsc::Sender<Event>) -> io::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let (mut signals, inbox) = (signal(kind)?, inbox.clone());
        tokio::spawn(async move {
            signals.recv().await;
            let _ = inbox.send(Event::Stop).await;
        });
    }
    Ok(())
}

/// Tells what the events say, and connects again whenever they end.
pub async fn follow(client: Client, mut events: Body, inbox: mpsc::Sender<Event>) {
    let mut attempts = 0;
    loop {
        let trouble = match read_events(&mut events, &inbox, &mut attempts).await {
            Ok(()) => return,
            Err(trouble) => trouble,
        };
        let mut told = trouble.to_string();
        events = loop {
            if inbox.send(Event::Lost(told)).await.is_err() {
                return;
            }
            let [.., longest] = RETRY_MS;
            sleep(Duration::from_millis(RETRY_MS.get(attempts).copied().unwrap_or(longest))).await;
            attempts += 1;
            match client.events().await {
                Ok(events) => break events,
                Err(trouble) => told = trouble.to_string(),
            }
        };
    }
}

/// Returns where nobody takes the events any more.
async fn read_events(
    body: &mut Body,
    inbox: &mpsc::Sender<Event>,
    attempts: &mut usize,
) -> Result<(), Trouble> {
    let (mut parser, mut events, mut is_known) = (Parser::default(), Vec::new(), false);
    loop {
        let octets = timeout(SILENCE, body.next()).await.map_err(|_| Trouble::Silent)??;
        let octets = octets.ok_or_else(|| Trouble::Broken("the hub closed it".into()))?;
        let taken = parser.push(&octets, |event| events.push(event));
        taken.map_err(|sse::TooLong| Trouble::Strange("the event is too long"))?;
        for sse::Event { name, data } in events.drain(..) {
            let tell = match name.as_str() {
                "snapshot" => Event::Snapshot,
                // Changes without the snapshot that they change say nothing.
                "changes" if is_known => Event::Changes,
                _ => continue,
            };
            let hosts = serde_json::from_slice(&data).map_err(|_| Trouble::Strange("expected other JSON"))?;
            (is_known, *attempts) = (true, 0);
            if inbox.send(tell(hosts)).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Answers the newest question. One that came meanwhile is asked next, and those between are not.
pub async fn answer(
    client: Client,
    mut questions: watch::Receiver<Option<Question>>,
    inbox: mpsc::Sender<Event>,
) {
    let mut drawn: Option<(Question, Instant)> = None;
    while questions.changed().await.is_ok() {
        let Some(question) = questions.borrow_and_update().clone() else { continue };
        let path = format!("/api/v1/hosts/{}", encode(&question.board));
        let detail = match client.ask(&path).await {
            Ok(detail) => Some(detail),
            Err(Trouble::Unknown) => None,
            // The events tell that the hub is lost.
            Err(_) => continue,
        };
        let is_fresh = drawn.as_ref().is_some_and(|(of, at)| *of == question && at.elapsed() < HISTORY);
        let history = match &question.series {
            Some(series) if !is_fresh => {
                drawn = Some((question.clone(), Instant::now()));
                client.ask(&format!("{path}/history?series={}", encode(series))).await.ok()
            }
            _ => None,
        };
        if inbox.send(Event::Answer(question, Answer { detail, history })).await.is_err() {
            return;
        }
    }
}
