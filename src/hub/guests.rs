//! Who is connected: how many at most, and how many of them without having said who they are.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::task::AbortHandle;

/// One in so many of all connections may be in its handshake.
const HANDSHAKES: usize = 4;

/// All connections.
#[derive(Debug)]
pub struct Guests {
    most: usize,
    here: Cell<usize>,
    number: Cell<u64>,
    /// Those in their handshake, the oldest first.
    new: RefCell<BTreeMap<u64, Option<AbortHandle>>>,
}

/// A connection's place. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    guests: Rc<Guests>,
    number: u64,
}

impl Guests {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self { most, here: Cell::new(0), number: Cell::new(0), new: RefCell::new(BTreeMap::new()) }
    }

    /// A place for a connection in its handshake; none where all are taken.
    ///
    /// Where too many are in their handshake, the one that has been so for longest goes: whoever means it
    /// is through within two round trips, so that those who do not cannot keep them out.
    pub fn enter(self: &Rc<Self>) -> Option<Place> {
        if self.here.get() >= self.most {
            return None;
        }
        let mut new = self.new.borrow_mut();
        if new.len() >= (self.most / HANDSHAKES).max(1)
            && let Some((_, Some(oldest))) = new.pop_first()
        {
            oldest.abort();
        }
        let number = self.number.get();
        self.number.set(number + 1);
        self.here.set(self.here.get() + 1);
        new.insert(number, None);
        Some(Place { guests: self.clone(), number })
    }

    /// How to end the connection of that number, should it stay in its handshake.
    pub fn end_by(&self, number: u64, handle: AbortHandle) {
        if let Some(new) = self.new.borrow_mut().get_mut(&number) {
            *new = Some(handle);
        }
    }

    /// How many connections there are, those in their handshake included.
    pub fn here(&self) -> usize {
        self.here.get()
    }
}

impl Place {
    /// Its number, which no other has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The handshake is done.
    pub fn is_known(&self) {
        self.guests.new.borrow_mut().remove(&self.number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_known();
        self.guests.here.set(self.guests.here.get().saturating_sub(1));
    }
}
