//! Which host is next, when, and what of it is worth a line in the log: one when the broker is lost, one when it is back.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use log::{error, info, warn};

use super::failure::Failure;
use crate::settings::Rabbitmq;
use psistats_core::time::Backoff;
use psistats_host::conf::hosts::Host;

/// The first wait, which grows to eight times that.
const RETRY: Duration = Duration::from_millis(500);

/// The shortest wait where an operator has to change something.
const SLOW: Duration = Duration::from_secs(15);

/// Different lines that are remembered as said.
const SAID: usize = 8;

pub struct Outage<'s> {
    settings: &'s Rabbitmq,
    /// Attempts that failed since the last connection, which pick the host.
    failures: usize,
    turn: usize,
    backoff: Backoff,
    said: Vec<String>,
}

impl<'s> Outage<'s> {
    pub fn new(settings: &'s Rabbitmq) -> Self {
        Self { settings, failures: 0, turn: 0, backoff: Backoff::new(RETRY), said: Vec::new() }
    }

    /// The host to try: they take turns. None where there is none at all.
    pub fn host(&self) -> Option<&'s Host> {
        self.settings.hosts.get(self.turn)
    }

    /// The hub consumes.
    pub fn is_over(&mut self, host: &Host) {
        let failed = match self.failures {
            0 => String::new(),
            n => format!(" after {n} failed attempts"),
        };
        let does = if self.settings.is_standby { "on standby for" } else { "consuming from" };
        info!("RabbitMQ at {host}: {does} queue \"{}\"{failed}", self.settings.queue);
        self.failures = 0;
        self.said.clear();
    }

    /// Reports came to the disk, or the connection was a long one: the next wait is a short one.
    pub fn worked(&mut self) {
        self.backoff.reset();
    }

    /// Says what went wrong, once. How long to wait before the next attempt.
    pub fn failed(&mut self, host: &Host, failure: &Failure) -> Duration {
        self.failures += 1;
        self.turn = (self.turn + 1) % self.settings.hosts.len().max(1);
        let floor = if failure.needs_operator { SLOW } else { Duration::ZERO };
        // Every host is tried before any wait.
        let wait = if self.turn == 0 { self.backoff.next(random(), floor) } else { Duration::ZERO };
        let line = format!("RabbitMQ at {host}: {}", failure.text);
        if !self.said.contains(&line) {
            let seconds = wait.as_secs_f32();
            let line = format!("{line}. Next attempt in {seconds:.1} s; reports wait in the queue");
            if failure.needs_operator {
                error!("{line}")
            } else {
                warn!("{line}")
            }
            if self.said.len() < SAID {
                self.said.push(format!("RabbitMQ at {host}: {}", failure.text));
            }
        }
        wait
    }
}

/// Any number, which spreads the attempts of many hubs.
fn random() -> u32 {
    let hash = RandomState::new().build_hasher().finish();
    u32::try_from(hash >> 32).unwrap_or_default()
}
