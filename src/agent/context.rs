//! What the agent's futures share. One thread, so cells.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use super::chasar::collector::Collector;
use super::reactor::{Notify, Reactor};
use crate::config::Settings;
use crate::limits;
use crate::outbox::{Counters, Outbox};

/// The connection's state, for the counters' line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Being made, or waiting for the next attempt.
    Away,
    /// Ready to publish.
    Ready,
    /// The broker wants no publishes for now; the master node has not subscribed.
    Blocked,
}

/// How the agent stands, in one line.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What became of the reports; none where none are made.
    pub counters: Option<Counters>,
    /// How the connection to the broker is.
    pub connection: Connection,
    /// What became of the messages to a master node, where that is configured.
    pub feed: Option<Sent>,
}

/// What became of the messages.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Taken by the connection.
    pub sent: u64,
    /// Not taken: beyond the high-water mark.
    pub dropped: u64,
    /// How the connection to the master node is.
    pub connection: Connection,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Counters { sampled, confirmed, dropped, pending }) = self.counters {
            let connection = self.connection;
            write!(
                f,
                "sampled={sampled} confirmed={confirmed} dropped={dropped} pending={pending} connection={connection:?}"
            )?;
        }
        if let Some(Sent { sent, dropped, connection }) = self.feed {
            f.write_str(if self.counters.is_some() { " chasar: " } else { "" })?;
            write!(f, "sent={sent} dropped={dropped} connection={connection:?}")?;
        }
        Ok(())
    }
}

/// The shared state.
pub struct Shared<'r> {
    /// The loop that drives all of it.
    pub reactor: &'r Reactor,
    /// Whether reports are made: not by a client node of chasar alone.
    pub reports: bool,
    /// The host name, by which the queue and the routing key are called as the reports' bodies are.
    hostname: RefCell<Rc<str>>,
    /// Reports on their way.
    pub outbox: RefCell<Outbox<Box<[u8]>>>,
    /// How the connection is.
    pub connection: Cell<Connection>,
    /// Messages on their way.
    pub feed: Feed,
    settings: RefCell<Rc<Settings>>,
    stopping: Cell<bool>,
    /// Told when the settings have changed or the end is near, and when messages are wanted.
    pub sampling: Notify,
    /// Likewise, and when there is a new report.
    pub publishing: Notify,
}

/// What the sampling and the connection to a master node share.
pub struct Feed {
    /// What makes the messages, and keeps the last one; none where no master is configured.
    pub collector: RefCell<Option<Collector>>,
    /// Whether the last message has not been taken from there.
    pub fresh: Cell<bool>,
    /// How the connection is. Messages are made while it is [`Connection::Ready`].
    pub connection: Cell<Connection>,
    /// Messages that the connection has taken.
    pub sent: Cell<u64>,
    /// Messages beyond the high-water mark.
    pub dropped: Cell<u64>,
    /// Told when the settings have changed or the end is near, and when there is a new message.
    pub news: Notify,
}

impl<'r> Shared<'r> {
    /// The state at the start. The ring's size is that of `settings` for as long as it lives.
    ///
    /// # Errors
    /// Where there is no memory for the ring.
    pub fn new(reactor: &'r Reactor, settings: Settings) -> io::Result<Self> {
        Ok(Self {
            reactor,
            reports: true,
            hostname: RefCell::new(Rc::default()),
            outbox: RefCell::new(Outbox::new(memory(settings.backlog.bytes, "[backlog] bytes")?)),
            connection: Cell::new(Connection::Away),
            feed: Feed {
                collector: RefCell::default(),
                fresh: Cell::new(false),
                connection: Cell::new(Connection::Away),
                sent: Cell::new(0),
                dropped: Cell::new(0),
                news: Notify::default(),
            },
            settings: RefCell::new(Rc::new(settings)),
            stopping: Cell::new(false),
            sampling: Notify::default(),
            publishing: Notify::default(),
        })
    }

    /// The settings of now. Whoever holds on to them sees whether they are still the same by
    /// [`Rc::ptr_eq`].
    pub fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }

    /// The host name of now.
    pub fn hostname(&self) -> Rc<str> {
        self.hostname.borrow().clone()
    }

    /// From now on reports are of a machine of that name.
    pub fn replace_hostname(&self, hostname: &str) {
        if **self.hostname.borrow() != *hostname {
            *self.hostname.borrow_mut() = hostname.into();
            self.publishing.notify();
        }
    }

    /// How the agent stands now.
    pub fn standing(&self) -> Standing {
        let feed = &self.feed;
        let sent =
            || Sent { sent: feed.sent.get(), dropped: feed.dropped.get(), connection: feed.connection.get() };
        Standing {
            counters: self.reports.then(|| self.outbox.borrow().counters()),
            connection: self.connection.get(),
            feed: self.settings.borrow().chasar.enabled.then(sent),
        }
    }

    /// Whether the agent is to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// From now on these settings hold.
    pub fn replace_settings(&self, settings: Settings) {
        *self.settings.borrow_mut() = Rc::new(settings);
        self.tell();
    }

    /// From now on everything ends.
    pub fn stop(&self) {
        self.stopping.set(true);
        self.tell();
    }

    fn tell(&self) {
        self.sampling.notify();
        self.publishing.notify();
        self.feed.news.notify();
    }
}

/// Memory of so many bytes, which `key` asks for: by `vec!`, because the kernel then gives pages of zeros
/// once they are used, and no earlier. But `vec!` ends the program where there is none, so that more than the
/// default of the backlog, which fits wherever the program does, is asked for on trial first.
pub fn memory(bytes: usize, key: &str) -> io::Result<Box<[u8]>> {
    if bytes > limits::BACKLOG_DEFAULT {
        Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
            let text = format!("no memory for {key}={bytes}: expected less, or a higher limit (ulimit -v)");
            io::Error::new(io::ErrorKind::OutOfMemory, text)
        })?;
    }
    Ok(vec![0; bytes].into_boxed_slice())
}
