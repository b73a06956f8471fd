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
pub mod stdout;

use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;

use smol::future::{or, yield_now};

use crate::life::connection::{Connection, State};
use crate::life::context::Shared;
use crate::net::attempts::{Attempts, ConnectionError, Label, Plan};
use crate::net::channel::Channel;
use crate::net::reactor::{Notify, Timer, either};
use crate::net::resolve::Resolver;
use crate::settings::Settings;
use psistats_core::time::Instant;

/// Passes over one connection before the other futures have their turn: a peer that always has something to say
/// keeps neither sampling nor a stop waiting.
const PASSES_IN_A_ROW: u32 = 16;

/// What holds a connection to a peer, one after the other.
pub trait Outlet {
    /// Whether, and how, `settings` want a connection; makes room for it.
    ///
    /// # Errors
    /// Where there is no memory for it.
    fn prepare(&mut self, settings: &Settings) -> io::Result<Option<Plan>>;

    /// Whether a connection that `settings` have made is the one that is wanted now.
    fn is_current(&self, settings: &Settings) -> bool;

    /// Begins to speak over a new connection, after so many `failures` to make one.
    fn open<'p>(&'p mut self, settings: &'p Settings, failures: u32) -> impl Protocol
    where
        Self: Sized;

    /// The connection has ended.
    fn closed(&mut self);

    /// What the peer has taken so far: where it grows, the outage is over.
    fn delivered(&self) -> u64;
}

/// The protocol of one connection: a [`psistats_core::link::Link`], what goes into it, and what comes of it.
pub trait Protocol {
    /// Does everything that can be done without waiting. `Break` where the connection has ended as it should.
    ///
    /// # Errors
    /// Why it has ended otherwise.
    fn pass(&mut self, channel: &mut Channel<'_>) -> Result<ControlFlow<()>, ConnectionError>;

    /// When there is another pass to be made at the latest.
    fn deadline(&self) -> Option<Instant>;

    /// Whether bytes wait for the channel.
    fn is_sending(&self) -> bool;
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
    /// What the peer had taken when the connection was begun.
    delivered: u64,
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
            delivered: 0,
        })
    }

    /// Serves `outlet` until the agent stops. Compiled for each of them, so that their protocols need no heap; so
    /// what there is to do is done by others.
    ///
    /// # Errors
    /// Those of [`Outlet::prepare`].
    pub async fn run(&mut self, outlet: &mut impl Outlet) -> io::Result<()> {
        while let Some(channel) = self.connect(outlet).await? {
            let (settings, failures) = (self.settings.clone(), self.failures());
            let ended = self.speak(&mut outlet.open(&settings, failures), channel).await;
            self.ended(outlet, ended).await;
        }
        Ok(())
    }

    fn failures(&self) -> u32 {
        self.attempts.as_ref().map_or(0, Attempts::failures)
    }

    /// The next connection that can be made; none once the agent stops.
    async fn connect(&mut self, outlet: &mut dyn Outlet) -> io::Result<Option<Channel<'r>>> {
        while !self.shared.is_stopping() {
            if self.attempts.is_none() || self.is_outdated() {
                self.settings = self.shared.settings();
                let plan = outlet.prepare(&self.settings)?;
                self.attempts = plan.and_then(|plan| Attempts::new(self.label, plan));
            }
            let Some(attempts) = &self.attempts else {
                poll_fn(|cx| self.news.poll(cx)).await;
                continue;
            };
            self.state.connecting(attempts.host());
            self.delivered = outlet.delivered();
            match self.attempt(outlet).await {
                Ok(Some(channel)) => return Ok(Some(channel)),
                Ok(None) => {}
                Err(error) => self.ended(outlet, Err(error)).await,
            }
        }
        Ok(None)
    }

    /// Tries the next host. None where that is not wanted any more: neither a stop nor other settings wait for a
    /// connection that is still being made.
    async fn attempt(&mut self, outlet: &dyn Outlet) -> Result<Option<Channel<'r>>, ConnectionError> {
        let Self { shared, news, timer, resolver, settings, attempts, .. } = self;
        let Some(attempts) = attempts else { return Ok(None) };
        let is_unwanted = || shared.is_stopping() || !outlet.is_current(settings);
        let unwanted = async {
            poll_fn(|cx| news.poll_if(cx, is_unwanted)).await;
            Ok(None)
        };
        let connected = async {
            let (host, dead_after) = (attempts.host(), attempts.dead_after());
            Channel::connect(shared.reactor, timer, resolver, host, dead_after).await.map(Some)
        };
        or(unwanted, connected).await
    }

    /// Speaks `protocol` over `channel` until the connection ends.
    async fn speak(
        &self,
        protocol: &mut dyn Protocol,
        mut channel: Channel<'_>,
    ) -> Result<(), ConnectionError> {
        loop {
            for _ in 0..PASSES_IN_A_ROW {
                if protocol.pass(&mut channel)?.is_break() {
                    return Ok(());
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

    /// Takes note of the end of an attempt or of a connection. After a failure it waits until there is another
    /// attempt to be made.
    async fn ended(&mut self, outlet: &mut dyn Outlet, ended: Result<(), ConnectionError>) {
        outlet.closed();
        self.state.set(Connection::Away);
        let Some(attempts) = &mut self.attempts else { return };
        if outlet.delivered() > self.delivered {
            attempts.worked();
        }
        if let Err(error) = ended {
            self.state.failed(&error);
            let now = self.shared.reactor.now();
            let until = now + attempts.failed(&error, now);
            // New settings are tried at once: they are how an operator fixes what failed.
            let is_over = || self.shared.is_stopping() || self.is_outdated();
            poll_fn(|cx| either(self.timer.poll_at(Some(until), cx), self.news.poll_if(cx, is_over))).await;
        }
    }

    /// Whether there are other settings.
    fn is_outdated(&self) -> bool {
        !Rc::ptr_eq(&self.settings, &self.shared.settings())
    }
}
