//! A subscriber's connection: what it wants is kept account of; what it gets, the fanout writes.

use std::cell::Cell;
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::relay::connection::{Connection, End, TURN, wake_at};
use crate::relay::fanout::Subscriber;
use crate::relay::guests::Place;
use crate::relay::master::{HEARTBEAT, Hub};
use crate::relay::ring::Ring;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Event, Session, SocketType};

/// Octets of the longest subscription that is taken.
const SUBSCRIPTION: u64 = 1024;

/// Serves a subscriber until its connection ends.
pub async fn serve(hub: Rc<Hub>, stream: TcpStream, peer: SocketAddr, place: Place) -> End {
    let session = Session::new(SocketType::Pub, SUBSCRIPTION, HEARTBEAT, hub.clock.now());
    hub.fanout.borrow_mut().enter(place.number(), Connection::new(stream, session));
    let mut seat = Seat { hub: &hub, place, peer, told: Cell::new(false) };
    let mut timer = pin!(sleep(HEARTBEAT));
    poll_fn(|cx| seat.poll(timer.as_mut(), cx)).await
}

/// A subscriber's seat in the fanout, which it leaves however it ends.
struct Seat<'h> {
    hub: &'h Hub,
    place: Place,
    peer: SocketAddr,
    /// Whether it was told that it loses messages.
    told: Cell<bool>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let lost = self.hub.fanout.borrow_mut().leave(self.place.number());
        self.hub.counters.dropped.update(|n| n + lost);
    }
}

impl Seat<'_> {
    fn poll(&mut self, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<End> {
        let turn = self.hub.fanout.borrow_mut().turn(self.place.number(), |subscriber, ring| {
            (self.turn(subscriber, ring, cx), subscriber.unfinished(), mem::take(&mut subscriber.has_moved))
        });
        let Some((turn, unfinished, has_moved)) = turn else { return Poll::Pending };
        self.place.keeps(unfinished, has_moved);
        match turn {
            Ok(at) => {
                wake_at(timer, &self.hub.clock, at, cx);
                Poll::Pending
            }
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does what can be done now, but no more than a turn of it. Gives when there is more to do at the latest.
    fn turn(&self, subscriber: &mut Subscriber, ring: &Ring, cx: &mut Context<'_>) -> Result<Instant, End> {
        let now = self.hub.clock.now();
        let mut received = 0;
        loop {
            let mut scratch = self.hub.scratch.borrow_mut();
            let Subscriber { connection, subscriptions, .. } = &mut *subscriber;
            let was_wanted = subscriptions.matches();
            let take = |_: &mut Session, event: Event<'_>| {
                match event {
                    Event::Ready => self.place.is_known(now),
                    Event::Subscribe(prefix) => {
                        subscriptions.subscribe(prefix);
                        if subscriptions.matches() {
                            self.place.is_heard();
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
        // After what has come meanwhile was received: this program may have been stopped.
        subscriber.check_time(now)?;
        self.write(subscriber, ring, cx)?;
        if subscriber.dropped > 0 && !self.told.replace(true) {
            self.hub.complain(format_args!(
                "subscriber {} does not take messages as fast as they come: some are dropped for it",
                self.peer
            ));
        }
        Ok(subscriber.connection.session.deadline().unwrap_or(now + HEARTBEAT))
    }

    /// Writes what waits, as far as there is room for it.
    fn write(&self, subscriber: &mut Subscriber, ring: &Ring, cx: &mut Context<'_>) -> Result<(), End> {
        // Whoever writes next wakes this task where there is no more room.
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
