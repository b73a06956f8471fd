//! Serves a subscriber: its subscriptions are kept here; the fanout writes the messages to it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::relay::connection::{Connection, End, HEARTBEAT, TURN, wake_at};
use crate::relay::fanout::Subscriber;
use crate::relay::guests::Place;
use crate::relay::ring::Ring;
use crate::relay::shared::Shared;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Event, Session, SocketType};
use psistats_host::output::once::Once;

/// Bytes of the longest subscription that is allowed.
const SUBSCRIPTION: u64 = 1024;

/// Serves a subscriber until its connection ends.
pub async fn serve(
    shared: Rc<Shared>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
) -> Result<Infallible, End> {
    let session = shared.session(SocketType::Pub, SUBSCRIPTION)?;
    shared.fanout.borrow_mut().enter(place.number(), Connection::new(stream, session));
    let mut seat = Seat { shared: &shared, place, peer, loses: Once::default() };
    let mut timer = pin!(sleep(HEARTBEAT));
    Err(poll_fn(|cx| seat.poll(timer.as_mut(), cx)).await)
}

/// A subscriber's seat in the fanout. Dropping it leaves the fanout, however the connection ends.
struct Seat<'s> {
    shared: &'s Shared,
    place: Place,
    peer: SocketAddr,
    /// The first time that it loses messages is logged.
    loses: Once,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let dropped = self.shared.fanout.borrow_mut().leave(self.place.number());
        self.shared.counters.dropped.update(|n| n + dropped);
    }
}

impl Seat<'_> {
    fn poll(&mut self, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<End> {
        let turn = self.shared.fanout.borrow_mut().turn(self.place.number(), |subscriber, ring| {
            (self.turn(subscriber, ring, cx), subscriber.unfinished(), mem::take(&mut subscriber.has_moved))
        });
        let Some((turn, unfinished, has_moved)) = turn else { return Poll::Pending };
        self.place.set_unfinished(unfinished, has_moved);
        match turn {
            Ok(at) => {
                wake_at(timer, &self.shared.clock, at, cx);
                Poll::Pending
            }
            Err(end) => Poll::Ready(end),
        }
    }

    /// Receives and writes what it can, up to a turn's worth. Gives when the next deadline is.
    fn turn(&self, subscriber: &mut Subscriber, ring: &Ring, cx: &mut Context<'_>) -> Result<Instant, End> {
        let now = self.shared.clock.now();
        let mut received = 0;
        loop {
            let mut scratch = self.shared.scratch.borrow_mut();
            let Subscriber { connection, subscriptions, .. } = &mut *subscriber;
            let was_wanted = subscriptions.matches();
            let take = |session: &mut Session, event: Event<'_>| {
                match event {
                    Event::Ready if !self.shared.admits(session) => session.refuse(),
                    Event::Ready => self.place.finish_handshake(now),
                    Event::Subscribe(prefix) => {
                        subscriptions.subscribe(prefix);
                        if subscriptions.matches() {
                            self.place.mark_active();
                        }
                    }
                    Event::Cancel(prefix) => subscriptions.cancel(prefix),
                    _ => {}
                }
                ControlFlow::Continue(())
            };
            let Poll::Ready(outcome) = connection.poll_receive(cx, &mut scratch, now, take) else { break };
            if !was_wanted {
                subscriber.begin(ring);
            }
            received += outcome?;
            if received >= TURN {
                cx.waker().wake_by_ref();
                break;
            }
        }
        // Only once everything was received: after a pause of this program, deadlines have passed that the peer met.
        subscriber.check_time(now)?;
        self.write(subscriber, ring, cx)?;
        if subscriber.dropped > 0 && self.loses.first() {
            self.shared.complain(format_args!(
                "subscriber {} does not take messages as fast as they come: some are dropped for it",
                self.peer
            ));
        }
        Ok(subscriber.connection.session.deadline().unwrap_or(now + HEARTBEAT))
    }

    /// Writes the messages that wait, until the socket has no room.
    fn write(&self, subscriber: &mut Subscriber, ring: &Ring, cx: &mut Context<'_>) -> Result<(), End> {
        // When the fanout finds the socket full, it wakes this task.
        if subscriber.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            subscriber.waker = Some(cx.waker().clone());
        }
        loop {
            if subscriber.is_blocked && subscriber.connection.stream.poll_write_ready(cx)?.is_pending() {
                return Ok(());
            }
            subscriber.write(ring);
            if let Some(error) = subscriber.failed.take() {
                return Err(End::Transport(error));
            }
            if !subscriber.is_blocked {
                return Ok(());
            }
        }
    }
}
