//! What the agent's futures share. One thread, so cells.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use log::warn;

use crate::life::connection::State;
use crate::net::reactor::{Notify, Reactor};
use crate::settings::Settings;
use psistats_core::outbox::{Counters, Outbox};
use psistats_core::spool::PAGE;
use psistats_core::time::Instant;
use psistats_host::chasar::collector::Collector;
use psistats_host::limits;

/// What the command line wants of the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reports to a broker and messages to a master node, as the settings have it.
    Send,
    /// Reports to standard output instead.
    Print {
        /// Only the first one, which has every figure; then the program ends.
        once: bool,
    },
    /// Messages to a master node alone: a client node of chasar.
    ClientNode,
}

/// How the agent stands.
#[derive(Clone, Copy)]
pub struct Standing<'s, 'r> {
    /// What became of the reports; none where none are made.
    pub counters: Option<Counters>,
    /// The settings have switched the broker off.
    pub is_off: bool,
    /// How the connection to the broker is.
    pub connection: &'s State<'r>,
    /// What was written to the spool, where there is one.
    pub spooled: Option<Spooled>,
    /// What became of the messages to a master node, where that is configured.
    pub feed: Option<Sent<'s, 'r>>,
}

/// What was written to the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spooled {
    /// Reports that are in it.
    pub reports: u64,
    /// Pages that were written since the start.
    pub pages: u64,
}

/// What became of the messages.
#[derive(Clone, Copy)]
pub struct Sent<'s, 'r> {
    /// Taken by the connection.
    pub sent: u64,
    /// Not taken: beyond the high-water mark.
    pub dropped: u64,
    /// How the connection to the master node is.
    pub connection: &'s State<'r>,
}

const OFF: &str = "not publishing: [server] enabled=no";

/// In one line: the counters first, and what a peer said last.
impl fmt::Display for Standing<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        if let Some(counters) = self.counters {
            write!(f, "{counters} ({})", self.connection)?;
            before = " chasar: ";
        } else if self.is_off {
            f.write_str(OFF)?;
            before = "; chasar: ";
        }
        if let Some(sent) = self.feed {
            write!(f, "{before}{sent} ({})", sent.connection)?;
        }
        Ok(())
    }
}

impl Standing<'_, '_> {
    /// In lines, with times.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn lines(&self, f: &mut dyn fmt::Write, now: Instant) -> fmt::Result {
        if let Some(counters) = self.counters {
            self.connection.lines(f, now)?;
            writeln!(f, "{counters}")?;
            if let Some(Spooled { reports, pages }) = self.spooled {
                let kib = pages * (PAGE / 1024) as u64;
                writeln!(f, "spool: {reports} reports; {kib} KiB written since the start")?;
            }
        } else if self.is_off {
            writeln!(f, "{OFF}")?;
        }
        if let Some(sent) = self.feed {
            f.write_str("chasar: ")?;
            sent.connection.lines(f, now)?;
            writeln!(f, "chasar: {sent}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Sent<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sent={} dropped={}", self.sent, self.dropped)
    }
}

/// The shared state.
pub struct Shared<'r> {
    /// The loop that drives all of it.
    pub reactor: &'r Reactor,
    /// What the command line wants.
    pub mode: Mode,
    /// The host name, by which the queue and the routing key are called as the reports' bodies are.
    hostname: RefCell<Rc<str>>,
    /// Reports on their way to a broker.
    pub outbox: RefCell<Outbox<Box<[u8]>>>,
    /// Bytes of the outbox; 0 until settings switch the broker on.
    ring: Cell<usize>,
    /// What was written to the spool, where there is one.
    pub spooled: Cell<Option<Spooled>>,
    /// How the connection is.
    pub connection: State<'r>,
    /// Messages on their way.
    pub feed: Feed<'r>,
    settings: RefCell<Rc<Settings>>,
    stopping: Cell<bool>,
    /// Told when the settings have changed or the end is near, and when messages are wanted.
    pub sampling: Notify,
    /// Likewise, and when there is a new report.
    pub publishing: Notify,
}

/// What the sampling and the connection to a master node share.
pub struct Feed<'r> {
    /// What makes the messages, and keeps the last one; none where no master is configured.
    pub collector: RefCell<Option<Collector>>,
    /// Whether the last message has not been taken from there.
    pub fresh: Cell<bool>,
    /// How the connection is. Messages are made while it is `Connection::Ready`.
    pub connection: State<'r>,
    /// Messages that the connection has taken.
    pub sent: Cell<u64>,
    /// Messages beyond the high-water mark.
    pub dropped: Cell<u64>,
    /// Told when the settings have changed or the end is near, and when there is a new message.
    pub news: Notify,
}

impl<'r> Shared<'r> {
    /// The state at the start.
    ///
    /// # Errors
    /// Those of [`Shared::make_ring`].
    pub fn new(reactor: &'r Reactor, settings: Settings, mode: Mode) -> io::Result<Self> {
        let shared = Self {
            reactor,
            mode,
            hostname: RefCell::new(Rc::default()),
            outbox: RefCell::new(Outbox::new(Box::default())),
            ring: Cell::new(0),
            spooled: Cell::default(),
            connection: State::new(reactor, "blocked by the broker"),
            feed: Feed {
                collector: RefCell::default(),
                fresh: Cell::new(false),
                connection: State::new(reactor, "the master node has not subscribed"),
                sent: Cell::new(0),
                dropped: Cell::new(0),
                news: Notify::default(),
            },
            settings: RefCell::new(Rc::new(settings)),
            stopping: Cell::new(false),
            sampling: Notify::default(),
            publishing: Notify::default(),
        };
        shared.make_ring(&shared.settings())?;
        Ok(shared)
    }

    /// Makes the outbox's memory, once, where `settings` publish reports. Its size is that of the first that do.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub fn make_ring(&self, settings: &Settings) -> io::Result<()> {
        let bytes = settings.backlog.bytes;
        if self.mode != Mode::Send || !settings.server.enabled {
            return Ok(());
        }
        match self.ring.get() {
            0 => {
                *self.outbox.borrow_mut() = Outbox::new(memory(bytes, "[backlog] bytes")?);
                self.ring.set(bytes);
            }
            ring if ring != bytes => {
                warn!("[backlog] bytes takes effect at the next start: the ring is allocated once");
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether reports are made.
    pub fn makes_reports(&self) -> bool {
        match self.mode {
            Mode::Send => self.settings.borrow().server.enabled,
            Mode::Print { .. } => true,
            Mode::ClientNode => false,
        }
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
    pub fn standing(&self) -> Standing<'_, 'r> {
        let feed = &self.feed;
        let sent =
            || Sent { sent: feed.sent.get(), dropped: feed.dropped.get(), connection: &feed.connection };
        Standing {
            counters: self.makes_reports().then(|| self.outbox.borrow().counters()),
            is_off: self.mode == Mode::Send && !self.makes_reports(),
            connection: &self.connection,
            spooled: self.spooled.get(),
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
            let text = format!("no memory for {key}={bytes}: lower it, or raise the limit (ulimit -v)");
            io::Error::new(io::ErrorKind::OutOfMemory, text)
        })?;
    }
    Ok(vec![0; bytes].into_boxed_slice())
}
