//! Where reports and messages go.
//!
//! [`stdout`] prints. An outlet that holds a connection, as [`amqp`] and [`chasar`] do, is an [`Outlet`], of which
//! each connection is one [`Protocol`]; neither waits for anything. A [`Driver`] does that, the same for all of
//! them:
//!
//! ```text
//! settings -> prepare -> connect -> open -> pass, wait, pass, wait ... -> closed
//!                 ^         ^                                               |
//!                 |         +------------- back off, tell once <------------+
//!                 +----------------------- other settings <-----------------+
//! ```

pub mod advice;
pub mod amqp;
pub mod chasar;
#[cfg(feature = "spool")]
pub mod spool;
#[cfg(not(feature = "spool"))]
#[path = "no_spool.rs"]
pub mod spool;
pub mod stdout;

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use smol::future::{or, yield_now};

use crate::life::connection::{Connection, State};
use crate::life::context::Shared;
use crate::net::attempts::{Attempts, ConnectionError, Label, Plan};
use crate::net::channel::Channel;
use crate::net::reactor::{Notify, Timer, either};
use crate::net::resolve::Resolver;
use crate::net::tls::Buffers;
use crate::settings::Settings;
use psistats_core::time::Instant;

/// Passes over one connection before the other futures have their turn: a peer that always has something to say
/// keeps neither sampling nor a stop waiting.
const PASSES_IN_A_ROW: u32 = 16;

/// For the last connection before the end.
const LAST: Duration = Duration::from_secs(1);

/// What holds a connection to a peer, one after the other.
pub trait Outlet {
    /// Whether, and how, `settings` want a connection; makes room for it.
    ///
    /// # Errors
    /// Where there is no memory for it.
    fn prepare(&mut self, settings: &Settings) -> io::Result<Option<Plan>>;

    /// Whether a connection that `settings` have made is the one that is wanted now.
    fn is_current(&self, settings: &Settings) -> bool;

    /// Whether there is something to connect for.
    fn is_due(&self) -> bool {
        true
    }

    /// Begins to speak over a new connection, which these `attempts` have made.
    fn open<'p>(&'p mut self, settings: &'p Settings, attempts: &Attempts) -> Opened<'p>;

    /// The connection has ended.
    fn closed(&mut self);

    /// What the peer has taken so far: where it grows, the outage is over.
    fn delivered(&self) -> u64;
}

/// The protocol of one connection: a [`psistats_core::link::Link`], what goes into it, and what comes of it.
pub trait Protocol {
    /// Does everything that can be done without waiting. `Break` where the connection has ended as it should: the
    /// next one, if any, is made at home.
    ///
    /// # Errors
    /// Why it has ended otherwise.
    fn pass(&mut self, channel: &mut Channel<'_>) -> Result<ControlFlow<()>, ConnectionError>;

    /// When there is another pass to be made at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Whether bytes wait for the channel.
    fn is_sending(&self) -> bool;
}

/// The protocol of one connection, of whichever outlet. By value, so that it lies in the driver's future and not on
/// the heap, whose free room would be another after each connection.
pub enum Opened<'p> {
    /// To a broker.
    Amqp(amqp::Publishing<'p>),
    /// To a master node.
    Chasar(chasar::Feeding<'p>),
}

impl Opened<'_> {
    fn protocol(&mut self) -> &mut dyn Protocol {
        match self {
            Self::Amqp(publishing) => publishing,
            Self::Chasar(feeding) => feeding,
        }
    }
}

/// Connects an outlet, lets it speak, and connects it again.
pub struct Driver<'s, 'r> {
    shared: &'s Shared<'r>,
    label: &'static Label,
    state: &'s State<'r>,
    news: &'s Notify,
    resolver: Resolver<'r>,
    timer: Timer<'r>,
    /// By which the outlet was prepared.
    settings: Rc<Settings>,
    /// None while no connection is wanted.
    attempts: Option<Attempts>,
}

impl<'s, 'r> Driver<'s, 'r> {
    /// A driver to whom `label` is how the log calls the peer, `state` how the connection is, and `news` what tells
    /// that the settings have changed, that the end is near, or that there is something to send.
    ///
    /// # Errors
    /// Where there is no room for another deadline.
    pub fn new(
        shared: &'s Shared<'r>,
        label: &'static Label,
        state: &'s State<'r>,
        news: &'s Notify,
    ) -> io::Result<Self> {
        Ok(Self {
            shared,
            label,
            state,
            news,
            resolver: Resolver::new(shared.reactor),
            timer: shared.reactor.timer()?,
            settings: shared.settings(),
            attempts: None,
        })
    }

    /// Serves `outlet` until the agent stops.
    ///
    /// # Errors
    /// Those of [`Outlet::prepare`].
    pub async fn run(&mut self, outlet: &mut dyn Outlet) -> io::Result<()> {
        let mut buffers = Buffers::default();
        loop {
            let is_stopping = self.shared.is_stopping();
            // What waits to be sent together with more is sent before the end.
            if is_stopping && !(self.state.get() == Connection::Idle && outlet.is_due()) {
                return Ok(());
            }
            if self.attempts.is_none() || self.is_outdated() {
                self.settings = self.shared.settings();
                let plan = outlet.prepare(&self.settings)?;
                if plan.as_ref().is_some_and(|plan| plan.tls.is_some()) {
                    buffers.prepare();
                }
                self.attempts = plan.and_then(|plan| Attempts::new(self.label, plan));
            }
            let Some(attempts) = &self.attempts else {
                poll_fn(|cx| self.news.poll(cx)).await;
                continue;
            };
            let is_due = || self.shared.is_stopping() || self.is_outdated() || outlet.is_due();
            if !is_due() {
                self.state.set(Connection::Idle);
                poll_fn(|cx| self.news.poll_if(cx, is_due)).await;
                continue;
            }
            self.state.connecting(attempts.host());
            let delivered = outlet.delivered();
            let ended = match self.connect(outlet, &mut buffers).await {
                Ok(Some(channel)) => self.speak(outlet, channel).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            outlet.closed();
            self.state.set(Connection::Away);
            if let Some(until) = self.next_attempt(outlet.delivered() > delivered, ended)
                && !is_stopping
            {
                // New settings are tried at once: they are how an operator fixes what failed.
                let is_over = || self.shared.is_stopping() || self.is_outdated();
                poll_fn(|cx| either(self.timer.poll_at(Some(until), cx), self.news.poll_if(cx, is_over)))
                    .await;
            }
        }
    }

    /// A connection to the next host. None where that is not wanted any more: neither a stop nor other settings wait for a
    /// connection that is still being made, and the last one before the end has a second.
    async fn connect<'c>(
        &mut self,
        outlet: &dyn Outlet,
        buffers: &'c mut Buffers,
    ) -> Result<Option<Channel<'c>>, ConnectionError>
    where
        'r: 'c,
    {
        let Self { shared, news, timer, resolver, settings, attempts, .. } = self;
        let Some(attempts) = attempts else { return Ok(None) };
        let is_unwanted = || shared.is_stopping() || !outlet.is_current(settings);
        let unwanted = async {
            if shared.is_stopping()
                && let Ok(timer) = shared.reactor.timer()
            {
                timer.until(shared.reactor.now() + LAST).await;
            } else {
                poll_fn(|cx| news.poll_if(cx, is_unwanted)).await;
            }
            Ok(None)
        };
        let connected = async {
            let (host, dead_after) = (attempts.host(), attempts.dead_after());
            let tls = attempts.tls().map(|tls| (tls, buffers));
            Channel::connect(shared.reactor, timer, resolver, host, dead_after, tls).await.map(Some)
        };
        or(unwanted, connected).await
    }

    /// Speaks over `channel` until the connection ends.
    async fn speak(&self, outlet: &mut dyn Outlet, mut channel: Channel<'_>) -> Result<(), ConnectionError> {
        let Some(attempts) = &self.attempts else { return Ok(()) };
        let mut opened = outlet.open(&self.settings, attempts);
        let protocol = opened.protocol();
        loop {
            for _ in 0..PASSES_IN_A_ROW {
                let passed = protocol.pass(&mut channel);
                if !matches!(passed, Ok(ControlFlow::Continue(()))) {
                    channel.close();
                    return passed.map(drop).map_err(|error| channel.explain(error));
                }
                let (deadline, is_sending) = (protocol.deadline(), protocol.is_sending());
                poll_fn(|cx| {
                    let told = either(self.timer.poll_at(deadline, cx), self.news.poll(cx));
                    either(channel.poll(is_sending, cx), told)
                })
                .await;
            }
            yield_now().await;
        }
    }

    /// When to connect again after a connection that has `worked`, or not, and `ended` so; none: at once.
    fn next_attempt(&mut self, worked: bool, ended: Result<(), ConnectionError>) -> Option<Instant> {
        let attempts = self.attempts.as_mut()?;
        if worked {
            attempts.worked();
        }
        let Err(error) = ended else {
            attempts.go_home();
            return None;
        };
        self.state.failed(&error);
        let now = self.shared.reactor.now();
        Some(now + attempts.failed(&error, now))
    }

    /// Whether there are other settings.
    fn is_outdated(&self) -> bool {
        !Rc::ptr_eq(&self.settings, &self.shared.settings())
    }
}
