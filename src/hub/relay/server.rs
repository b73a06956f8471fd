//! The relay's tasks: it accepts connections, serves them, and answers the program's main thread.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{self, spawn_local};
use tokio::time;

use crate::relay::connection::End;
use crate::relay::counters::Snapshot;
use crate::relay::guests::{Place, Side};
use crate::relay::shared::Shared;
use crate::relay::{client, subscriber};
use psistats_core::zmtp;
use psistats_host::output::once::Once;

/// Time to wait before accepting again, where the system has no more descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Time that a stop gives subscribers to take what was published.
const STOP: Duration = Duration::from_secs(1);

/// Whoever asks for a snapshot, to be answered here.
pub type Question = oneshot::Sender<Snapshot>;

/// Serves until the sender of `questions` is dropped. Gives the last snapshot, in which the messages that subscribers
/// have not taken by the deadline of a stop are dropped ones.
pub async fn serve(
    shared: Rc<Shared>,
    listeners: Vec<(TcpListener, Side)>,
    mut questions: mpsc::Receiver<Question>,
) -> Snapshot {
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|(listener, side)| spawn_local(accept(shared.clone(), listener, side)))
        .collect();
    spawn_local(flush(shared.clone()));
    while let Some(question) = questions.recv().await {
        // It fails only where the answer is no longer waited for.
        let _ = question.send(shared.snapshot());
    }
    accepting.iter().for_each(|task| task.abort());
    let _ = time::timeout(STOP, drained(&shared)).await;
    shared.fanout.borrow_mut().give_up();
    shared.snapshot()
}

/// Accepts connections, and serves each in a task of its own.
async fn accept(shared: Rc<Shared>, listener: TcpListener, side: Side) {
    let exhausted = Once::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => {
                exhausted.over();
                accepted
            }
            // It has gone again before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if exhausted.first() {
                    shared.complain(format_args!(
                        "cannot accept a connection: {error}; retrying, and further failures are suppressed until it works"
                    ));
                }
                time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let evicted = shared.guests.evicted();
        let Some(place) = shared.guests.enter(side, shared.clock.now()) else {
            shared.counters.refused.update(|n| n + 1);
            shared.complain(format_args!(
                "{side} {peer} was refused: the maximum number of connections, {}, is reached; raise the limit of open \
                 files (ulimit -n), or [chasar] connections",
                shared.guests.connections()
            ));
            continue;
        };
        let number = place.number();
        let task = spawn_local(serve_one(shared.clone(), stream, peer, place, side));
        shared.guests.set_task(number, task.abort_handle());
        if shared.guests.evicted() > evicted {
            // The evicted task runs first, so that its socket is closed before the next one is accepted.
            task::yield_now().await;
        }
    }
}

async fn serve_one(shared: Rc<Shared>, stream: TcpStream, peer: SocketAddr, place: Place, side: Side) {
    let Err(end) = match side {
        Side::Clients => client::serve(shared.clone(), stream, peer, place).await,
        Side::Subscribers => subscriber::serve(shared.clone(), stream, peer, place).await,
    };
    // With thousands of peers, an ordinary disconnection is not worth a line.
    if !matches!(end, End::Transport(_) | End::Zmtp(zmtp::Error::Disconnected(_))) {
        shared.complain(format_args!("{side} {peer}: {end}"));
    }
}

/// Writes what was published, once every connection that had received something has had its turn.
async fn flush(shared: Rc<Shared>) {
    loop {
        shared.published.notified().await;
        shared.fanout.borrow_mut().flush();
    }
}

/// Returns when every subscriber has taken what was published.
async fn drained(shared: &Shared) {
    while !shared.fanout.borrow().is_done() {
        time::sleep(Duration::from_millis(10)).await;
    }
}
