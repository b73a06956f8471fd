//! chasar's master node, on a thread of its own, since its moderation sleeps.
//!
//! ```text
//!  client nodes --5555--> client ---- one JSON object? ----> fanout --6666--> subscribers
//!                           |                                  |
//!                       observer                           ring: what some subscriber has not taken yet
//! ```
//!
//! Each connection is a task. All of them receive into one buffer, so that an idle connection has none; and a
//! message is in memory once, however many subscribers there are.
//!
//! This is the door: the rest of the program sees nothing else of the relay. A file uses only those above it here:
//!
//! | file | holds |
//! |---|---|
//! | `counters`, `moderation`, `payload`, `ring`, `guests` | one thing each, and nothing of this folder |
//! | `connection` | a socket and its ZMTP session |
//! | `fanout` | the subscribers, and what is published to them |
//! | `shared` | all of these, for every connection |
//! | `client`, `subscriber` | how a connection of each side is served |
//! | `server` | accepts connections, and answers this door |

mod client;

mod connection;
mod counters;
mod fanout;
mod guests;
mod moderation;
mod payload;
mod ring;
mod server;
mod shared;
mod subscriber;

use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use log::{info, warn};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use psistats_host::conf::chasar::Chasar;

use guests::Side;
use moderation::Moderation;
use server::Question;
use shared::Shared;

pub use counters::Snapshot;
pub use shared::Observer;

/// Where the relay accepts connections. The sockets are non-blocking.
#[derive(Debug)]
pub struct Listeners {
    /// Those of client nodes.
    pub clients: Vec<TcpListener>,
    /// Those of subscribers.
    pub subscribers: Vec<TcpListener>,
}

/// The relay, as the rest of the program sees it.
#[derive(Debug)]
pub struct Relay {
    questions: mpsc::Sender<Question>,
    ended: oneshot::Receiver<Snapshot>,
    thread: JoinHandle<()>,
}

impl Relay {
    /// Starts the thread, which serves at most `room` connections. `observer` is called on it.
    ///
    /// # Errors
    /// Of the system, which has no thread or no descriptor for it.
    pub fn start(
        settings: Chasar,
        room: usize,
        listeners: Listeners,
        observer: Observer,
    ) -> io::Result<Self> {
        say_who_may_connect(&settings, &listeners)?;
        let moderation = Arc::new(Moderation::new());
        let pause = moderation.clone();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().on_thread_park(move || pause.pause()).build()?;
        let listeners = {
            let _runtime = runtime.enter();
            let clients = listeners.clients.into_iter().map(|listener| (listener, Side::Clients));
            let subscribers = listeners.subscribers.into_iter().map(|listener| (listener, Side::Subscribers));
            let registered = |(listener, side)| Ok((tokio::net::TcpListener::from_std(listener)?, side));
            clients.chain(subscribers).map(registered).collect::<io::Result<_>>()?
        };
        let (questions, asked) = mpsc::channel(1);
        let (last, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("relay".into()).spawn(move || {
            let serving = async {
                let shared = Shared::new(settings, room, moderation, observer);
                server::serve(Rc::new(shared), listeners, asked).await
            };
            let snapshot = LocalSet::new().block_on(&runtime, serving);
            // It fails only where nobody waits for it.
            let _ = last.send(snapshot);
        })?;
        Ok(Self { questions, ended, thread })
    }

    /// Connections and counters as they are now.
    ///
    /// # Errors
    /// The relay has ended.
    pub async fn snapshot(&self) -> io::Result<Snapshot> {
        let (question, answer) = oneshot::channel();
        self.questions.send(question).await.map_err(|_| unexpected_end())?;
        answer.await.map_err(|_| unexpected_end())
    }

    /// Ready, with the reason, once the relay has ended without having been stopped.
    pub fn poll_unexpected_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        Pin::new(&mut self.ended).poll(cx).map(|_| unexpected_end())
    }

    /// Accepts no more connections, gives subscribers at most a second to take what was published, and ends the
    /// thread. Gives the last snapshot.
    ///
    /// # Errors
    /// The relay has ended before.
    pub async fn stop(self) -> io::Result<Snapshot> {
        let Self { questions, ended, thread } = self;
        drop(questions);
        let last = ended.await.map_err(|_| unexpected_end())?;
        // What is left of it waits for nothing.
        thread.join().map_err(|_| unexpected_end())?;
        Ok(last)
    }
}

/// Logs whether the connections are encrypted.
///
/// # Errors
/// Of the sockets.
fn say_who_may_connect(settings: &Chasar, listeners: &Listeners) -> io::Result<()> {
    if let Some(key) = &settings.curve.own {
        let clients = match &settings.curve.clients {
            Some(keys) => format!("of {} clients", keys.len()),
            None => "of everyone who has it".to_owned(),
        };
        info!("chasar's connections are encrypted, {clients}: [chasar] curve_server_key={}", key.public());
        return Ok(());
    }
    for listener in listeners.clients.iter().chain(&listeners.subscribers) {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            warn!(
                "chasar's connections are in clear and without a password, and other machines can connect, to {address}: \
                 make a key by psistats-hub curve keygen, and set [chasar] curve_key"
            );
            break;
        }
    }
    Ok(())
}

fn unexpected_end() -> io::Error {
    io::Error::other("the relay's thread has ended unexpectedly")
}
