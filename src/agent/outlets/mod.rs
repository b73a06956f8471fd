//! Where reports and messages go.
//!
//! [`stdout`] prints. An outlet that holds a connection, as [`amqp`] and [`chasar`] do, is an [`Outlet`], of which
//! each connection is one [`Protocol`]; neither waits for anything. The one [`Driver`] does that for all of them:
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
use std::time::Duration;

use smol::future::{or, yield_now};

use crate::life::connection::{Connection, State};
use crate::life::context::Shared;
use crate::net::attempts::{Attempts, ConnectionError, Label, Plan};
use crate::net::channel::Channel;
use crate::net::reactor::{Notify, Timer, either};
use crate::net::resolve::Resolver;
use crate::settings::Settings;
use psistats_core::time::Instant;
use psistats_host::conf::hosts::Host;

/// Passes over one connection before the other futures have their turn: a peer that always has something to say
/// keeps neither sampling nor a stop waiting.
const PASSES_IN_A_ROW: u32 = 16;

/// What holds a connection to a peer, one after the other.
pub trait Outlet {
    /// Whether, and how, `settings` want a connection; makes room for it.
    ///
    /// # Errors
    /// Where there is no memory for it.
    fn prepare<'p>(&mut self, settings: &'p Settings) -> io::Result<Option<Plan<'p>>>;

    /// Whether a connection that `settings` have made is the one that is wanted now.
    fn is_current(&self, settings: &Settings) -> bool;

    /// Begins to speak over a new connection, after so many `failures` to make one.
    fn open<'p>(&'p mut self, settings: &'p Settings, failures: u32) -> Box<dyn Protocol + 'p>;

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
        let resolver = Resolver::new(shared.reactor);
        Ok(Self { shared, label, state, news, resolver, timer: shared.reactor.timer()? })
    }

    /// Serves `outlet` until the agent stops.
    ///
    /// # Errors
    /// Those of [`Outlet::prepare`].
    pub async fn run(&mut self, outlet: &mut dyn Outlet) -> io::Result<()> {
        while !self.shared.is_stopping() {
            let settings = self.shared.settings();
            match outlet.prepare(&settings)? {
                Some(plan) => self.keep_connected(outlet, &settings, plan).await,
                None => poll_fn(|cx| self.news.poll(cx)).await,
            }
        }
        Ok(())
    }

    /// Connects by `plan`, again and again, until there are other settings or the agent stops.
    async fn keep_connected(&mut self, outlet: &mut dyn Outlet, settings: &Rc<Settings>, plan: Plan<'_>) {
        let shared = self.shared;
        let has_changed = || shared.is_stopping() || !Rc::ptr_eq(settings, &shared.settings());
        let mut attempts = Attempts::new(self.label, plan);
        while let Some(host) = attempts.host() {
            self.state.connecting(host);
            let delivered = outlet.delivered();
            let ended = match self.connect(outlet, settings, host, plan.dead_after).await {
                Ok(Some(channel)) => self.speak(outlet.open(settings, attempts.failures()), channel).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            outlet.closed();
            self.state.set(Connection::Away);
            if outlet.delivered() > delivered {
                attempts.worked();
            }
            if let Err(error) = ended {
                self.state.failed(&error);
                let now = shared.reactor.now();
                let until = now + attempts.failed(host, &error, now);
                // New settings are tried at once: they are how an operator fixes what failed.
                poll_fn(|cx| either(self.timer.poll_at(Some(until), cx), self.news.poll_if(cx, has_changed)))
                    .await;
            }
            if has_changed() {
                return;
            }
        }
    }

    /// A connection to `host`; none where it is not wanted any more: neither a stop nor other settings wait for one
    /// that is still being made.
    async fn connect(
        &mut self,
        outlet: &dyn Outlet,
        settings: &Settings,
        host: &Host,
        dead_after: Duration,
    ) -> Result<Option<Channel<'r>>, ConnectionError> {
        let Self { shared, news, timer, resolver, .. } = self;
        let is_unwanted = || shared.is_stopping() || !outlet.is_current(settings);
        let unwanted = async {
            poll_fn(|cx| news.poll_if(cx, is_unwanted)).await;
            Ok(None)
        };
        let connected =
            async { Channel::connect(shared.reactor, timer, resolver, host, dead_after).await.map(Some) };
        or(unwanted, connected).await
    }

    /// Speaks `protocol` over `channel` until the connection ends.
    async fn speak(
        &self,
        mut protocol: Box<dyn Protocol + '_>,
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
}
