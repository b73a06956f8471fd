//! A client node's connection: what it sends is checked, and published.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::relay::connection::{Connection, End, TURN, wake_at};
use crate::relay::guests::Place;
use crate::relay::master::{HEARTBEAT, Hub};
use crate::relay::payload::{self, Invalid};
use psistats_core::time::Instant;
use psistats_core::zmtp::{Event, Session, SocketType};

/// Serves a client node until its connection ends.
pub async fn serve(hub: Rc<Hub>, stream: TcpStream, peer: SocketAddr, place: Place) -> End {
    let now = hub.clock.now();
    let session = Session::new(SocketType::Sub, hub.settings.message_bytes as u64, HEARTBEAT, now);
    let mut client = Client {
        connection: Connection::new(stream, session),
        inbox: Inbox {
            place,
            peer,
            frames: 0,
            pace: Pace::new(hub.settings.messages_per_second, now),
            told: false,
        },
    };
    let mut timer = pin!(sleep(HEARTBEAT));
    poll_fn(|cx| client.poll(&hub, timer.as_mut(), cx)).await
}

struct Client {
    connection: Connection,
    inbox: Inbox,
}

impl Client {
    fn poll(&mut self, hub: &Hub, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<End> {
        match self.turn(hub, cx) {
            Ok(at) => {
                wake_at(timer, &hub.clock, at, cx);
                Poll::Pending
            }
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does what can be done now, but no more than a turn of it. Gives when there is more to do at the latest.
    fn turn(&mut self, hub: &Hub, cx: &mut Context<'_>) -> Result<Instant, End> {
        let now = hub.clock.now();
        let Self { connection, inbox } = self;
        inbox.pace.pass(now);
        let mut received = 0;
        while inbox.pace.is_open() {
            let mut scratch = hub.scratch.borrow_mut();
            let take = |session: &mut Session, event: Event<'_>| inbox.take(hub, session, &event);
            let Poll::Ready(outcome) = connection.poll_receive(cx, &mut scratch, now, take) else { break };
            let bytes = outcome?;
            hub.moderation.received(bytes);
            received += bytes;
            inbox.place.keeps(connection.unfinished(), false);
            if received >= TURN {
                cx.waker().wake_by_ref();
                break;
            }
        }
        if !inbox.pace.is_open() {
            // It is not listened to: that nothing is heard of it is no silence of its own.
            connection.session.heard(now);
        }
        // After what has come meanwhile was received: this program may have been stopped.
        connection.check_time(now)?;
        if !connection.write_control()? && connection.stream.poll_write_ready(cx)?.is_ready() {
            cx.waker().wake_by_ref();
        }
        let deadlines = [connection.session.deadline(), inbox.pace.opens_at()];
        Ok(deadlines.into_iter().flatten().min().unwrap_or(now + HEARTBEAT))
    }
}

/// What becomes of the frames of a client node.
struct Inbox {
    place: Place,
    peer: SocketAddr,
    /// Frames of the message that has begun.
    frames: u32,
    pace: Pace,
    /// Whether it was told that it sends something else than expected.
    told: bool,
}

impl Inbox {
    fn take(&mut self, hub: &Hub, session: &mut Session, event: &Event<'_>) -> ControlFlow<()> {
        match *event {
            Event::Ready => {
                self.place.is_known(hub.clock.now());
                session.subscribe(b"");
            }
            Event::Frame { more, body } => {
                self.frames = self.frames.saturating_add(1);
                if !more {
                    self.message(hub, body);
                    self.frames = 0;
                }
                // Of a message that has too many, each counts: it may have no end.
                if !more || self.frames > 2 {
                    return self.pace.count(hub, self.peer);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// A message has ended with `body`.
    fn message(&mut self, hub: &Hub, body: &[u8]) {
        let checked = if self.frames == 2 { payload::check(body) } else { Err(Invalid::Frames) };
        match checked {
            Ok(()) => {
                self.place.is_heard();
                hub.counters.valid.update(|n| n + 1);
                hub.fanout.borrow_mut().publish(body);
            }
            Err(invalid) => {
                hub.counters.invalid.update(|n| n + 1);
                if !self.told {
                    self.told = true;
                    hub.complain(format_args!(
                        "client node {}: {invalid}; such messages are dropped",
                        self.peer
                    ));
                }
            }
        }
    }
}

/// How many messages a client node may send: so many in each second. It is not read beyond that, so that what
/// is too much waits, and is dropped, at its own side.
struct Pace {
    /// 0: any number.
    a_second: u32,
    left: u32,
    since: Instant,
    told: bool,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    fn new(a_second: u32, now: Instant) -> Self {
        Self { a_second, left: a_second, since: now, told: false }
    }

    fn is_open(&self) -> bool {
        self.a_second == 0 || self.left > 0
    }

    fn opens_at(&self) -> Option<Instant> {
        (!self.is_open()).then(|| self.since + SECOND)
    }

    /// The time is `now`.
    fn pass(&mut self, now: Instant) {
        if now.since(self.since) >= SECOND {
            (self.left, self.since) = (self.a_second, now);
        }
    }

    /// One message more.
    fn count(&mut self, hub: &Hub, peer: SocketAddr) -> ControlFlow<()> {
        self.left = self.left.saturating_sub(1);
        if self.is_open() {
            return ControlFlow::Continue(());
        }
        if !self.told {
            self.told = true;
            hub.complain(format_args!(
                "client node {peer} sends more than {} messages a second: it has to wait ([chasar] messages_per_second)",
                self.a_second
            ));
        }
        ControlFlow::Break(())
    }
}
