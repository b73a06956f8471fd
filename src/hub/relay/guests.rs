//! Who is connected, within three limits: the number of connections, that of unfinished handshakes, and the bytes of
//! unfinished messages.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;

use psistats_core::time::Instant;
use psistats_host::output::once::Once;

/// One in so many of the maximum number of connections may be in its handshake.
const HANDSHAKES: usize = 4;

/// Where there is no more room, a connection that has neither sent nor subscribed to anything for so long is evicted.
const QUIET: Duration = Duration::from_secs(10);

/// Bytes of the unfinished messages of all connections of a side: this, or twice the longest message.
const UNFINISHED: usize = 64 * 1024 * 1024;

/// A connection has made progress with its message when it has so many bytes more or fewer of it.
const PROGRESS: usize = 16 * 1024;

/// The two kinds of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Client nodes: a message is unfinished while they have not sent the rest of it.
    Clients,
    /// Subscribers: a message is unfinished while they have not taken the rest of it. They have a limit of their own,
    /// so that neither side can evict the other's.
    Subscribers,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clients => "client node",
            Self::Subscribers => "subscriber",
        })
    }
}

/// All connections.
#[derive(Debug)]
pub struct Guests {
    most: usize,
    most_unfinished: usize,
    /// The next number. None is given twice, and so their order is that of time.
    number: Cell<u64>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The task of each connection, by its number; `None` until it is spawned.
    here: BTreeMap<u64, Option<AbortHandle>>,
    /// Those in their handshake, the oldest first.
    new: BTreeSet<u64>,
    /// Those that have done nothing since their handshake, and when that was done; the oldest first.
    quiet: BTreeMap<u64, Instant>,
    clients: Pool,
    subscribers: Pool,
    /// Connections that were ended to make room for others.
    evicted: u64,
}

/// The unfinished messages of one side.
#[derive(Debug, Default)]
struct Pool {
    /// Connection and bytes of each, by a number; the one without progress for longest is the first.
    unfinished: BTreeMap<u64, (u64, usize)>,
    /// Their bytes in all.
    bytes: usize,
}

/// A connection's place, which is freed when this is dropped.
#[derive(Debug)]
pub struct Place {
    guests: Rc<Guests>,
    side: Side,
    number: u64,
    /// It has sent a message, or subscribed to what is published.
    active: Once,
    /// The number of its unfinished message, and the bytes that it had when it was given.
    unfinished: Option<(u64, usize)>,
}

impl Guests {
    /// Nobody yet; at most so many connections, with messages of at most so many bytes.
    pub fn new(most: usize, message_bytes: usize) -> Self {
        let most_unfinished = UNFINISHED.max(2 * message_bytes);
        Self { most, most_unfinished, number: Cell::new(0), state: RefCell::default() }
    }

    /// A place for a new connection, in its handshake; `None` where all are taken by active ones.
    ///
    /// Where too many are in their handshake, the oldest of them is evicted: honest peers finish within two round
    /// trips, so that the others cannot keep them out.
    pub fn enter(self: &Rc<Self>, side: Side, now: Instant) -> Option<Place> {
        let mut state = self.state.borrow_mut();
        if state.here.len() >= self.most {
            let oldest = state.quiet.first_entry().filter(|oldest| now.since(*oldest.get()) >= QUIET)?;
            let (oldest, _) = oldest.remove_entry();
            state.evict(oldest);
        }
        if state.new.len() >= (self.most / HANDSHAKES).max(1)
            && let Some(oldest) = state.new.pop_first()
        {
            state.evict(oldest);
        }
        let number = self.next_number();
        state.here.insert(number, None);
        state.new.insert(number);
        Some(Place { guests: self.clone(), side, number, active: Once::default(), unfinished: None })
    }

    /// The task of the connection of that number, by which it is evicted.
    pub fn set_task(&self, number: u64, handle: AbortHandle) {
        if let Some(here) = self.state.borrow_mut().here.get_mut(&number) {
            *here = Some(handle);
        }
    }

    /// How many connections there are, those in their handshake included.
    pub fn connections(&self) -> usize {
        self.state.borrow().here.len()
    }

    /// How many were evicted to make room for others.
    pub fn evicted(&self) -> u64 {
        self.state.borrow().evicted
    }

    fn next_number(&self) -> u64 {
        self.number.replace(self.number.get() + 1)
    }
}

impl State {
    fn evict(&mut self, number: u64) {
        if let Some(Some(handle)) = self.here.remove(&number) {
            handle.abort();
            self.evicted += 1;
        }
    }

    fn pool(&mut self, side: Side) -> &mut Pool {
        match side {
            Side::Clients => &mut self.clients,
            Side::Subscribers => &mut self.subscribers,
        }
    }
}

impl Pool {
    fn remove(&mut self, unfinished: u64) {
        if let Some((_, bytes)) = self.unfinished.remove(&unfinished) {
            self.bytes -= bytes;
        }
    }

    fn insert(&mut self, unfinished: u64, connection: u64, bytes: usize) {
        self.bytes += bytes;
        self.unfinished.insert(unfinished, (connection, bytes));
    }

    /// Where there are more than `most` bytes, the connection that is to be evicted; its message counts no more.
    fn take_excess(&mut self, most: usize) -> Option<u64> {
        let (unfinished, connection) = self
            .unfinished
            .first_key_value()
            .map(|(unfinished, (connection, _))| (*unfinished, *connection))?;
        (self.bytes > most).then(|| {
            self.remove(unfinished);
            connection
        })
    }
}

impl Place {
    /// Its number, which no other connection has or had.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Ends its handshake.
    pub fn finish_handshake(&self, now: Instant) {
        let mut state = self.guests.state.borrow_mut();
        state.new.remove(&self.number);
        state.quiet.insert(self.number, now);
    }

    /// Keeps it from being evicted as one that does nothing: it has sent a message, or subscribed to what is published.
    pub fn mark_active(&self) {
        if self.active.first() {
            self.guests.state.borrow_mut().quiet.remove(&self.number);
        }
    }

    /// Sets the bytes of its unfinished message; `has_moved_on` where it has made progress with it, however many they
    /// were before. Where those of its side become too many, the connection without progress for longest is evicted.
    pub fn set_unfinished(&mut self, bytes: usize, has_moved_on: bool) {
        if bytes == 0 && self.unfinished.is_none() {
            return;
        }
        let mut state = self.guests.state.borrow_mut();
        let pool = state.pool(self.side);
        let before = self.unfinished.take();
        if let Some((number, _)) = before {
            pool.remove(number);
        }
        if bytes == 0 {
            return;
        }
        let same = before.filter(|(_, then)| !has_moved_on && bytes.abs_diff(*then) < PROGRESS);
        let unfinished = same.unwrap_or_else(|| (self.guests.next_number(), bytes));
        pool.insert(unfinished.0, self.number, bytes);
        self.unfinished = Some(unfinished);
        while let Some(oldest) = state.pool(self.side).take_excess(self.guests.most_unfinished) {
            state.evict(oldest);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.set_unfinished(0, false);
        let mut state = self.guests.state.borrow_mut();
        state.new.remove(&self.number);
        state.quiet.remove(&self.number);
        state.here.remove(&self.number);
    }
}
