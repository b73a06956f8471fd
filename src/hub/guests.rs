//! Who is connected: how many at most, how many of them without having said who they are, and how much they
//! may leave unfinished.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use tokio::task::AbortHandle;

/// One in so many of all connections may be in its handshake.
const HANDSHAKES: usize = 4;

/// Bytes of messages that have begun and not ended, of all connections: two of the longest, or this.
const UNFINISHED: usize = 64 * 1024 * 1024;

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
    /// Connection and bytes of each message that has begun, the oldest first.
    unfinished: BTreeMap<u64, (u64, usize)>,
    /// Their bytes in all.
    bytes: usize,
    /// Connections that were ended to make room.
    evicted: u64,
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    guests: Rc<Guests>,
    number: u64,
    /// By which number its unfinished message is known.
    unfinished: Option<u64>,
}

impl Guests {
    /// At most so many, with messages of at most so many bytes.
    pub fn new(most: usize, message_bytes: usize) -> Self {
        let most_unfinished = UNFINISHED.max(2 * message_bytes);
        Self { most, most_unfinished, number: Cell::new(0), state: RefCell::default() }
    }

    /// A place for a connection in its handshake; none where all are taken.
    ///
    /// Where too many are in their handshake, the one that has been so for longest goes: whoever means it
    /// is through within two round trips, so that those who do not cannot keep them out.
    pub fn enter(self: &Rc<Self>) -> Option<Place> {
        let number = self.next_number();
        let mut state = self.state.borrow_mut();
        if state.here.len() >= self.most {
            return None;
        }
        if state.new.len() >= (self.most / HANDSHAKES).max(1)
            && let Some(oldest) = state.new.pop_first()
        {
            state.end(oldest);
        }
        state.here.insert(number, None);
        state.new.insert(number);
        Some(Place { guests: self.clone(), number, unfinished: None })
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
        if let Some(Some(handle)) = self.here.get(&number) {
            handle.abort();
            self.evicted += 1;
        }
    }

    fn finish(&mut self, unfinished: u64) {
        if let Some((_, bytes)) = self.unfinished.remove(&unfinished) {
            self.bytes -= bytes;
        }
    }
}

impl Place {
    /// Its number, which no other has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The handshake is done.
    pub fn is_known(&self) {
        self.guests.state.borrow_mut().new.remove(&self.number);
    }

    /// So many bytes of a message are kept until it ends. Where those of all connections are too many, the
    /// message that has been unfinished for longest goes, with its connection.
    pub fn keeps(&mut self, bytes: usize) {
        if bytes == 0 {
            if let Some(unfinished) = self.unfinished.take() {
                self.guests.state.borrow_mut().finish(unfinished);
            }
            return;
        }
        let mut state = self.guests.state.borrow_mut();
        let unfinished = *self.unfinished.get_or_insert_with(|| self.guests.next_number());
        let before = state.unfinished.insert(unfinished, (self.number, bytes)).map_or(0, |(_, bytes)| bytes);
        state.bytes = state.bytes + bytes - before;
        while state.bytes > self.guests.most_unfinished
            && let Some((_, (oldest, bytes))) = state.unfinished.pop_first()
        {
            state.bytes -= bytes;
            state.end(oldest);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.keeps(0);
        self.is_known();
        self.guests.state.borrow_mut().here.remove(&self.number);
    }
}
