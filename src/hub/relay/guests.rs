//! Who is connected: how many at most, how many of them without having said who they are, and how much they
//! may leave unfinished.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::AbortHandle;

use psistats_core::time::Instant;

/// One in so many of all connections may be in its handshake.
const HANDSHAKES: usize = 4;

/// After so long whoever has neither sent nor subscribed to anything makes room for others, where there is no more.
const QUIET: Duration = Duration::from_secs(10);

/// Bytes of messages that have begun and not ended, of all connections of a side: two of the longest, or this.
const UNFINISHED: usize = 64 * 1024 * 1024;

/// After so many more or fewer of them a connection has made progress with its message.
const PROGRESS: usize = 16 * 1024;

/// Who connects to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Client nodes, whose messages are unfinished as long as they do not send the rest.
    Clients,
    /// Subscribers, to whom they are as long as they do not take it. Who connects there is not in the way here.
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
    /// Numbers are given once, so that they tell who was first.
    number: Cell<u64>,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How to end each connection, by its number; none until its task has begun.
    here: BTreeMap<u64, Option<AbortHandle>>,
    /// Those in their handshake, the oldest first.
    new: BTreeSet<u64>,
    /// Those that have done nothing since their handshake, and since when, the oldest first.
    quiet: BTreeMap<u64, Instant>,
    clients: Pool,
    subscribers: Pool,
    /// Connections that were ended to make room.
    evicted: u64,
}

/// The messages that have begun and not ended, of one side.
#[derive(Debug, Default)]
struct Pool {
    /// Connection and bytes of each, by a number: that without progress for longest first.
    unfinished: BTreeMap<u64, (u64, usize)>,
    /// Their bytes in all.
    bytes: usize,
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    guests: Rc<Guests>,
    side: Side,
    number: u64,
    /// Whether it has done something.
    is_heard: Cell<bool>,
    /// By which number its unfinished message is known, and bytes of it then.
    unfinished: Option<(u64, usize)>,
}

impl Guests {
    /// At most so many, with messages of at most so many bytes.
    pub fn new(most: usize, message_bytes: usize) -> Self {
        let most_unfinished = UNFINISHED.max(2 * message_bytes);
        Self { most, most_unfinished, number: Cell::new(0), state: RefCell::default() }
    }

    /// A place for a connection in its handshake; none where all are taken by others that do something.
    ///
    /// Where too many are in their handshake, the one that has been so for longest goes: honest peers finish it
    /// within two round trips, so that the others cannot keep them out.
    pub fn enter(self: &Rc<Self>, side: Side, now: Instant) -> Option<Place> {
        let mut state = self.state.borrow_mut();
        if state.here.len() >= self.most {
            let oldest = state.quiet.first_entry().filter(|oldest| now.since(*oldest.get()) >= QUIET)?;
            let (oldest, _) = oldest.remove_entry();
            state.end(oldest);
        }
        if state.new.len() >= (self.most / HANDSHAKES).max(1)
            && let Some(oldest) = state.new.pop_first()
        {
            state.end(oldest);
        }
        let number = self.next_number();
        state.here.insert(number, None);
        state.new.insert(number);
        Some(Place { guests: self.clone(), side, number, is_heard: Cell::new(false), unfinished: None })
    }

    /// How to end the connection of that number.
    pub fn end_by(&self, number: u64, handle: AbortHandle) {
        if let Some(here) = self.state.borrow_mut().here.get_mut(&number) {
            *here = Some(handle);
        }
    }

    /// How many connections there are, those in their handshake included.
    pub fn here(&self) -> usize {
        self.state.borrow().here.len()
    }

    /// How many were ended to make room for others.
    pub fn evicted(&self) -> u64 {
        self.state.borrow().evicted
    }

    fn next_number(&self) -> u64 {
        self.number.replace(self.number.get() + 1)
    }
}

impl State {
    fn end(&mut self, number: u64) {
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

    /// Of more than `most` bytes, the connection that goes.
    fn excess(&mut self, most: usize) -> Option<u64> {
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
    /// Its number, which no other has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The handshake is done.
    pub fn is_known(&self, now: Instant) {
        let mut state = self.guests.state.borrow_mut();
        state.new.remove(&self.number);
        state.quiet.insert(self.number, now);
    }

    /// It has sent a message, or subscribed to what is published.
    pub fn is_heard(&self) {
        if !self.is_heard.replace(true) {
            self.guests.state.borrow_mut().quiet.remove(&self.number);
        }
    }

    /// So many bytes of a message are kept until it ends; `has_moved_on` where it has made progress, whatever they
    /// were before. Where those of all connections of its side are too many, the one that has made none for longest
    /// goes.
    pub fn keeps(&mut self, bytes: usize, has_moved_on: bool) {
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
        while let Some(oldest) = state.pool(self.side).excess(self.guests.most_unfinished) {
            state.end(oldest);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.keeps(0, false);
        let mut state = self.guests.state.borrow_mut();
        state.new.remove(&self.number);
        state.quiet.remove(&self.number);
        state.here.remove(&self.number);
    }
}
