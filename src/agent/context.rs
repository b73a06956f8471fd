//! What the agent's futures share. One thread, so cells.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

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
    /// The broker wants no publishes for now.
    Blocked,
}

/// How the agent stands, in one line.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What became of the reports.
    pub counters: Counters,
    /// How the connection is.
    pub connection: Connection,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters { sampled, confirmed, dropped, pending } = self.counters;
        let connection = self.connection;
        write!(
            f,
            "sampled={sampled} confirmed={confirmed} dropped={dropped} pending={pending} connection={connection:?}"
        )
    }
}

/// The shared state.
pub struct Shared<'r> {
    /// The loop that drives all of it.
    pub reactor: &'r Reactor,
    /// Reports on their way.
    pub outbox: RefCell<Outbox<Box<[u8]>>>,
    /// How the connection is.
    pub connection: Cell<Connection>,
    settings: RefCell<Rc<Settings>>,
    stopping: Cell<bool>,
    /// Told when the settings have changed or the end is near.
    pub sampling: Notify,
    /// Likewise, and when there is a new report.
    pub publishing: Notify,
}

impl<'r> Shared<'r> {
    /// The state at the start. The ring's size is that of `settings` for as long as it lives.
    ///
    /// # Errors
    /// Where there is no memory for the ring.
    pub fn new(reactor: &'r Reactor, settings: Settings) -> io::Result<Self> {
        Ok(Self {
            reactor,
            outbox: RefCell::new(Outbox::new(ring(settings.backlog.bytes)?)),
            connection: Cell::new(Connection::Away),
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

    /// How the agent stands now.
    pub fn standing(&self) -> Standing {
        Standing { counters: self.outbox.borrow().counters(), connection: self.connection.get() }
    }

    /// Whether the agent is to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Ready when something was told to the publishing and `relevant` says yes. What is told of no
    /// relevance is forgotten.
    pub fn poll_publishing(&self, cx: &Context<'_>, relevant: impl Fn() -> bool) -> Poll<()> {
        while self.publishing.poll(cx).is_ready() {
            if relevant() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
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
    }
}

/// Memory for the outbox: by `vec!`, because the kernel then gives pages of zeros once they are used,
/// and no earlier. But `vec!` ends the program where there is none, so that more than the default,
/// which fits wherever the program does, is asked for on trial first.
fn ring(bytes: usize) -> io::Result<Box<[u8]>> {
    if bytes > limits::BACKLOG_DEFAULT {
        Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
            let text = format!(
                "no memory for [backlog] bytes={bytes}: expected less, or a higher limit (ulimit -v)"
            );
            io::Error::new(io::ErrorKind::OutOfMemory, text)
        })?;
    }
    Ok(vec![0; bytes].into_boxed_slice())
}
