//! A dead man's ping: another machine hears at intervals that the hub lives, and raises the alarm when it does not.

use std::time::Duration;

use log::{info, warn};
use tokio::time::{self, MissedTickBehavior};

use crate::alerts::target::Http;

/// `[heartbeat]`
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// `url`
    pub url: Http,
    /// `every`
    pub every: Duration,
}

impl Heartbeat {
    /// Gets the URL now and after each interval, without end. It has to be polled within a
    /// [`tokio::task::LocalSet`].
    pub async fn run(self) {
        let mut ticks = time::interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_failed = false;
        loop {
            ticks.tick().await;
            let pinged = self.url.ping().await;
            match &pinged {
                Err(failure) if !has_failed => {
                    warn!("[heartbeat]: {}; further failures are suppressed until it recovers", failure.why);
                }
                Ok(said) if has_failed => info!("[heartbeat]: {said}: it is heard again"),
                _ => {}
            }
            has_failed = pinged.is_err();
        }
    }
}
