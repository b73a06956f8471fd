//! Serves a client node: its messages are checked and published.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::relay::connection::{Connection, End, HEARTBEAT, TURN, wake_at};
use crate::relay::guests::Place;
use crate::relay::payload::{self, Invalid};
use crate::relay::shared::Shared;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Event, Session, SocketType};
use psistats_host::output::once::Once;

/// Serves a client node until its connection ends.
pub async fn serve(
    shared: Rc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
) -> Result<Infallible, End> {
    let now = shared.clock.now();
    let session = shared.session(SocketType::Sub, shared.settings.message_bytes as u64)?;
    let mut client = Client {
        connection: Connection::new(stream, session),
        inbox: Inbox {
            place,
            peer,
            frames: 0,
            pace: Pace::new(shared.settings.messages_per_second, now),
            invalid: Once::default(),
        },
    };
    let mut timer = pin!(sleep(HEARTBEAT));
    Err(poll_fn(|cx| client.poll(&shared, timer.as_mut(), cx)).await)
}

struct Client {
    connection: Connection,
    inbox: Inbox,
}

impl Client {
    fn poll(&mut self, shared: &Shared, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<End> {
        match self.turn(shared, cx) {
            Ok(at) => {
                wake_at(timer, &shared.clock, at, cx);
                Poll::Pending
            }
            Err(end) => Poll::Ready(end),
        }
    }

    /// Receives and writes what it can, up to a turn's worth. Gives when the next deadline is.
    fn turn(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Result<Instant, End> {
        let now = shared.clock.now();
        let Self { connection, inbox } = self;
        inbox.pace.refill(now);
        let mut received = 0;
        while inbox.pace.is_open() {
            let mut scratch = shared.scratch.borrow_mut();
            let take = |session: &mut Session, event: Event<'_>| inbox.take(shared, session, &event);
            let Poll::Ready(outcome) = connection.poll_receive(cx, &mut scratch, now, take) else { break };
            let bytes = outcome?;
            shared.moderation.received(bytes);
            received += bytes;
            inbox.place.set_unfinished(connection.unfinished(), false);
            if received >= TURN {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if !inbox.pace.is_open() {
            // We stopped reading it: do not time it out.
            connection.session.heard(now);
        }
        // Only once everything was received: after a pause of this program, deadlines have passed that the peer met.
        connection.check_time(now)?;
        if !connection.write_control()? && connection.stream.poll_write_ready(cx)?.is_ready() {
            cx.waker().wake_by_ref();
        }
        let deadlines = [connection.session.deadline(), inbox.pace.opens_at()];
        Ok(deadlines.into_iter().flatten().min().unwrap_or(now + HEARTBEAT))
    }
}

/// Takes the frames of a client node.
struct Inbox {
    place: Place,
    peer: SocketAddr,
    /// Frames so far of the message that has begun.
    frames: u32,
    pace: Pace,
    /// Its first invalid message is logged.
    invalid: Once,
}

impl Inbox {
    fn take(&mut self, shared: &Shared, session: &mut Session, event: &Event<'_>) -> ControlFlow<()> {
        match *event {
            Event::Ready if !shared.admits(session) => session.refuse(),
            Event::Ready => {
                self.place.finish_handshake(shared.clock.now());
                session.subscribe(b"");
            }
            Event::Frame { more, body } => {
                self.frames = self.frames.saturating_add(1);
                if !more {
                    self.end_message(shared, body);
                    self.frames = 0;
                }
                // Each frame beyond the second counts as a message: the message may have no end.
                if !more || self.frames > 2 {
                    return self.pace.count(shared, self.peer);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// Ends a message, whose last frame is `body`.
    fn end_message(&mut self, shared: &Shared, body: &[u8]) {
        let checked = if self.frames == 2 { payload::check(body) } else { Err(Invalid::Frames) };
        match checked {
            Ok(()) => {
                self.place.mark_active();
                shared.counters.valid.update(|n| n + 1);
                shared.fanout.borrow_mut().publish(body);
                if !(shared.observer)(self.peer, body) {
                    shared.counters.unobserved.update(|n| n + 1);
                }
            }
            Err(invalid) => {
                shared.counters.invalid.update(|n| n + 1);
                if self.invalid.first() {
                    shared.complain(format_args!(
                        "client node {}: {invalid}; such messages are dropped",
                        self.peer
                    ));
                }
            }
        }
    }
}

/// Limits a client node to so many messages a second. Beyond that it is not read, so that its messages wait, and are
/// dropped, at its own end.
struct Pace {
    /// Messages; 0: no limit.
    a_second: u32,
    left: u32,
    since: Instant,
    /// The first time that it has to wait is logged.
    exceeded: Once,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    fn new(a_second: u32, now: Instant) -> Self {
        Self { a_second, left: a_second, since: now, exceeded: Once::default() }
    }

    fn is_open(&self) -> bool {
        self.a_second == 0 || self.left > 0
    }

    fn opens_at(&self) -> Option<Instant> {
        (!self.is_open()).then(|| self.since + SECOND)
    }

    /// A second after the last time, the limit applies anew.
    fn refill(&mut self, now: Instant) {
        if now.since(self.since) >= SECOND {
            (self.left, self.since) = (self.a_second, now);
        }
    }

    /// Counts a message, and breaks off after the last one that is allowed.
    fn count(&mut self, shared: &Shared, peer: SocketAddr) -> ControlFlow<()> {
        self.left = self.left.saturating_sub(1);
        if self.is_open() {
            return ControlFlow::Continue(());
        }
        if self.exceeded.first() {
            shared.complain(format_args!(
                "client node {peer} sends more than {} messages a second: it has to wait ([chasar] messages_per_second)",
                self.a_second
            ));
        }
        ControlFlow::Break(())
    }
}
