//! Server-sent events: each frame is encoded once, and all clients share its bytes.
//!
//! A client begins with a snapshot of all boards, and then gets the frames as they come. Only the newest frame is kept.
//! A client that was too slow for one gets a new snapshot instead: it never has more than one frame or snapshot to take.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Audience, View};

/// A snapshot is encoded again after so long, or after the next frame.
const SNAPSHOT: Duration = Duration::from_secs(1);

/// A frame and its number, which is one above that of the frame before.
#[derive(Clone, Default)]
struct Numbered {
    number: u64,
    frame: Bytes,
}

/// An encoded snapshot: the frame after `number` goes on from it.
struct Snapshot {
    number: u64,
    made: Instant,
    json: Bytes,
    frame: Bytes,
}

/// The frames, and who gets them.
pub struct Events {
    view: Rc<dyn View>,
    audience: Audience,
    newest: watch::Sender<Numbered>,
    snapshot: RefCell<Option<Snapshot>>,
    most: usize,
    clients: Cell<usize>,
    resyncs: Cell<u64>,
    /// Streams of an earlier epoch are to end.
    epoch: Cell<u64>,
}

impl Events {
    pub fn new(view: Rc<dyn View>, audience: Audience, most: usize) -> Rc<Self> {
        let (clients, resyncs, epoch) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Rc::new(Self {
            view,
            audience,
            newest: watch::Sender::default(),
            snapshot: RefCell::default(),
            most,
            clients,
            resyncs,
            epoch,
        })
    }

    pub fn clients(&self) -> usize {
        self.clients.get()
    }

    pub fn resyncs(&self) -> u64 {
        self.resyncs.get()
    }

    /// Sends changes to all clients. They are not asked for where there are none; None is a new snapshot.
    pub fn publish(&self, changes: impl Fn(Audience) -> Option<Bytes>) {
        let changes = if self.clients.get() > 0 { changes(self.audience) } else { None };
        match changes {
            Some(changes) => self.send(event("changes", &changes)),
            // As if every client had missed a frame. The snapshot that there may be is too old for the next.
            None => self.newest.send_modify(|newest| newest.number += 2),
        }
    }

    /// Ends all streams that there are.
    pub fn end(&self) {
        self.epoch.update(|epoch| epoch + 1);
        self.send(Bytes::new());
    }

    fn send(&self, frame: Bytes) {
        self.newest.send_modify(|newest| *newest = Numbered { number: newest.number + 1, frame });
    }

    /// Sends a comment after each `interval` without a frame, so that whoever is between notices that the other end has
    /// gone.
    pub async fn send_heartbeats(&self, interval: Duration) {
        let mut newest = self.newest.subscribe();
        loop {
            if timeout(interval, newest.changed()).await.is_err() {
                self.send(Bytes::from_static(b":\n\n"));
                newest.mark_unchanged();
            }
        }
    }

    /// The JSON of all boards, encoded at most once for each frame: clients that take it slowly share it.
    pub fn hosts_json(&self) -> Bytes {
        self.with_snapshot(|snapshot| snapshot.json.clone())
    }

    fn with_snapshot<T>(&self, take: impl FnOnce(&Snapshot) -> T) -> T {
        let number = self.newest.borrow().number;
        let mut kept = self.snapshot.borrow_mut();
        let kept = match kept.take().filter(|kept| kept.number == number && kept.made.elapsed() < SNAPSHOT) {
            Some(current) => kept.insert(current),
            None => {
                let json = self.view.hosts_json(self.audience);
                let frame = event("snapshot", &json);
                kept.insert(Snapshot { number, made: Instant::now(), json, frame })
            }
        };
        take(kept)
    }

    /// The events for one client; `None` where there are too many clients.
    pub fn stream(self: &Rc<Self>) -> Option<Stream> {
        if self.clients.get() >= self.most {
            return None;
        }
        self.clients.update(|n| n + 1);
        Some(Stream { events: self.clone(), epoch: self.epoch.get(), seen: None })
    }
}

/// One event. Its data is one line: a line break between the values of JSON is as good as a space.
fn event(name: &str, data: &[u8]) -> Bytes {
    let head = format!("event: {name}\ndata: ");
    let mut frame = Vec::with_capacity(head.len() + data.len() + 2);
    frame.extend_from_slice(head.as_bytes());
    frame.extend(data.iter().map(|octet| if matches!(octet, b'\n' | b'\r') { b' ' } else { *octet }));
    frame.extend_from_slice(b"\n\n");
    frame.into()
}

/// Waits for the next frame.
type Wait = Pin<Box<dyn Future<Output = watch::Receiver<Numbered>>>>;

/// The events for one client.
pub struct Stream {
    events: Rc<Events>,
    epoch: u64,
    /// The number of the last frame or snapshot, and the wait for the next; `None` before the first.
    seen: Option<(u64, Wait)>,
}

impl Stream {
    /// The next bytes. They are asked for only once the client has taken the ones before, but for some kilobytes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some((seen, wait)) = &mut self.seen else {
            return Poll::Ready(Some(self.resync(self.events.newest.subscribe())));
        };
        let mut newest = ready!(wait.as_mut().poll(cx));
        if self.epoch != self.events.epoch.get() {
            return Poll::Ready(None);
        }
        let Numbered { number, frame } = newest.borrow_and_update().clone();
        if number == *seen + 1 {
            *seen = number;
            *wait = Box::pin(next(newest));
            return Poll::Ready(Some(frame));
        }
        self.events.resyncs.update(|n| n + 1);
        Poll::Ready(Some(self.resync(newest)))
    }

    /// A snapshot, after which the frames go on.
    fn resync(&mut self, newest: watch::Receiver<Numbered>) -> Bytes {
        let (number, frame) = self.events.with_snapshot(|snapshot| (snapshot.number, snapshot.frame.clone()));
        self.seen = Some((number, Box::pin(next(newest))));
        frame
    }
}

/// Gives the receiver back once there is a frame that it has not seen.
async fn next(mut newest: watch::Receiver<Numbered>) -> watch::Receiver<Numbered> {
    // It fails only where the sender is gone, and the stream has that.
    let _ = newest.changed().await;
    newest
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.events.clients.update(|n| n.saturating_sub(1));
    }
}
