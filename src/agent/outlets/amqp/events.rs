//! What a broker does, in the log and in the state of the connection.

use std::fmt::Arguments;
use std::time::Duration;

use log::{Level, log};

use super::Publishing;
use crate::LOG_AMQP;
use crate::life::connection::Connection;
use crate::net::channel::Channel;
use crate::outlets::advice;
use psistats_core::amqp::Event;
use psistats_host::conf::hosts::Host;

/// While the broker refuses reports, between two warnings of it.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

impl Publishing<'_> {
    /// Says what is worth a line, and notes how the connection is.
    pub(super) fn on_event(&self, event: &Event, channel: &Channel<'_>) {
        let host = channel.host();
        match event {
            Event::Ready { heartbeat_s } => {
                // Blocked may have come during the declarations, and holds.
                if self.shared.connection.get() != Connection::Blocked {
                    self.shared.connection.set(Connection::Ready);
                }
                if !self.without_queue.get() {
                    self.missing.take();
                }
                let failed = match self.failures {
                    0 => String::new(),
                    failures => format!(" after {failures} failed attempts"),
                };
                // One that is made each time is news the first time, and after an outage.
                let is_usual = self.settings.server.connects_each_time
                    && self.failures == 0
                    && self.shared.outbox.borrow().counters().confirmed > 0;
                log!(
                    target: LOG_AMQP,
                    if is_usual { Level::Debug } else { Level::Info },
                    "connected to {host}{}{failed}, heartbeat {heartbeat_s} s: publishing to exchange \"{}\" as \"{}\"",
                    channel.over(), self.settings.exchange.name, self.routing_key,
                );
            }
            Event::Returned { code, text } => {
                self.unroutable.set(true);
                let remedy = if self.without_queue.get() {
                    "the agent's own is refused, and no other is there"
                } else {
                    "bind one, or set [queue] declare=yes"
                };
                self.set(
                    Connection::Blocked,
                    format_args!(
                        "{host}: reports are returned ({code} {text}): no queue is bound to exchange \"{}\" for \"{}\"; {remedy}. They are kept, and the oldest is retried from time to time",
                        self.settings.exchange.name, self.routing_key,
                    ),
                );
            }
            Event::QueueRefused { code, text } => {
                let advice = advice::on_queue(*code);
                self.without_queue(host, format_args!("refuses it with {code} {text}{advice}"));
            }
            Event::QueueUnanswered => {
                self.without_queue(host, format_args!("does not answer: is the node down on which it lies?"));
            }
            Event::QueueDeclared => {
                self.without_queue.set(false);
                self.missing.take();
                let line = format_args!("{host}: queue \"{}\" is declared and bound", self.queue);
                self.lines.say(Level::Info, line);
            }
            Event::Refused { .. } => self.refused(host),
            Event::Confirmed { .. } if self.unroutable.take() => {
                self.set(
                    Connection::Ready,
                    format_args!("{host}: a queue is bound, which accepts reports again"),
                );
            }
            Event::Confirmed { .. }
                if self.refused_at.get().is_some() && self.shared.outbox.borrow().refused_count() == 0 =>
            {
                self.refused_at.take();
                let line = format_args!("{host} has stored the reports that it had refused");
                self.lines.say(Level::Info, line);
            }
            Event::Blocked(reason) => {
                self.set(
                    Connection::Blocked,
                    format_args!("{host} accepts no reports for now ({reason}); they are kept"),
                );
                self.shared.connection.because(reason);
            }
            Event::Unblocked => {
                self.set(Connection::Ready, format_args!("{host} accepts reports again"));
            }
            // The outbox knows; the end is pass()'s.
            _ => {}
        }
    }

    /// The queue of our own is missing since the broker is as `reason` says: once, and once more where that is not
    /// our own previous connection's doing, on which the broker has given up by then.
    fn without_queue(&self, host: &Host, reason: Arguments<'_>) {
        self.without_queue.set(true);
        let (now, mut missing) = (self.shared.reactor.now(), self.missing.get());
        let ghost = 3 * match self.settings.server.heartbeat {
            0 => 60,
            heartbeat => u64::from(heartbeat),
        };
        let level = match missing.since {
            None => Level::Warn,
            Some(since) if !missing.is_error && now.since(since) > Duration::from_secs(ghost) => Level::Error,
            Some(_) => Level::Debug,
        };
        missing.since.get_or_insert(now);
        missing.is_error |= level == Level::Error;
        self.missing.set(missing);
        let queue = self.queue;
        self.lines.say(
            level,
            format_args!(
                "{host}: reports are published without queue \"{queue}\", which is asked for again from time to time: the broker {reason}"
            ),
        );
    }

    /// The broker has refused a report (Nack).
    fn refused(&self, host: &Host) {
        let now = self.shared.reactor.now();
        if self.refused_at.get().is_some_and(|at| now.since(at) < REFUSED_AGAIN) {
            return;
        }
        self.refused_at.set(Some(now));
        let count = self.shared.outbox.borrow().refused_count();
        self.lines.say(
            Level::Warn,
            format_args!(
                "{host} refuses to store reports (Nack): is a queue full or its node failing? {count} are kept, and the oldest is retried from time to time"
            ),
        );
    }

    /// From now on the connection is so, as `line` says.
    fn set(&self, connection: Connection, line: Arguments<'_>) {
        self.shared.connection.set(connection);
        let level = if connection == Connection::Ready { Level::Info } else { Level::Warn };
        self.lines.say(level, line);
    }
}
