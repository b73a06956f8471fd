//! How long the answers to what is published may take, and when what was refused is published again.

use core::time::Duration;

use crate::time::{Backoff, Instant};

/// A process that comes this late to a deadline has slept, and not yet looked at what came meanwhile.
const SLEPT: Duration = Duration::from_secs(5);

/// Until everything in flight is answered, so that the channel can be replaced.
const SETTLE: Duration = Duration::from_secs(5);

/// The deadline for answers, and the pace of what was refused.
///
/// It is that of the earliest message without an answer, and begins when the one before it is answered: over a link
/// that crawls a backlog takes longer than any one message.
#[derive(Clone, Copy, Debug)]
pub struct Confirms {
    /// Zero: there is no deadline.
    timeout: Duration,
    /// The earliest delivery tag without an answer, and until when it is to have one.
    due: Option<(u64, Instant)>,
    /// Zero: there is no such deadline.
    refused_timeout: Duration,
    /// Since the first refusal after which nothing was confirmed: until when that may last.
    fruitless: Option<Instant>,
    retry: Retry,
    backoff: Backoff,
    /// The last answer was an Ack.
    is_fruitful: bool,
}

/// When the oldest that was refused is published again, alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    At(Instant),
    /// Once there is another channel, which nothing is in flight for, or then.
    Renewed(Instant),
    Now,
    /// It waits for its answer, under this delivery tag.
    Tried(u64),
}

impl Confirms {
    /// What was refused is tried again after `retry`, and then after waits that grow.
    pub fn new(timeout: Duration, refused_timeout: Duration, retry: Duration) -> Self {
        Self {
            timeout,
            refused_timeout,
            fruitless: None,
            due: None,
            retry: Retry::Now,
            backoff: Backoff::new(retry),
            is_fruitful: false,
        }
    }

    /// The message with this delivery tag was published; `again`: it had been refused.
    pub fn published(&mut self, tag: u64, again: bool, now: Instant) {
        if self.due.is_none() && !self.timeout.is_zero() {
            self.due = Some((tag, now + self.timeout));
        }
        if again {
            self.retry = Retry::Tried(tag);
        }
    }

    /// There were answers; the earliest delivery tag without one is now this, if any.
    pub fn answered(&mut self, earliest: Option<u64>, now: Instant) {
        if let Some((tag, at)) = self.due {
            self.due =
                earliest.map(|earliest| (earliest, if earliest == tag { at } else { now + self.timeout }));
        }
    }

    /// The time begins anew: the broker did not answer because it had said that it would not.
    pub fn restart(&mut self, now: Instant) {
        if let Some((_, at)) = &mut self.due {
            *at = now + self.timeout;
        }
        if let Some(at) = &mut self.fruitless {
            *at = now + self.refused_timeout;
        }
    }

    /// When an answer is overdue, or a confirm where there are refusals alone.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.map(|(_, at)| at).into_iter().chain(self.fruitless).min()
    }

    /// The time is over. How much it was; none where nobody has looked meanwhile, so that it begins anew.
    pub fn timed_out(&mut self, now: Instant) -> Option<Duration> {
        if self.deadline().is_some_and(|at| now.since(at) > SLEPT) {
            self.restart(now);
            return None;
        }
        let is_answer = self.due.is_some_and(|(_, at)| at <= now);
        Some(if is_answer { self.timeout } else { self.refused_timeout })
    }

    /// An Ack or Nack came: what was tried waits longer, or lets the next one be tried.
    pub fn heard(&mut self, is_ack: bool, tag: u64, multiple: bool, now: Instant) {
        let is_tried = match self.retry {
            Retry::Tried(tried) => tried == tag || (multiple && tried < tag),
            Retry::At(_) | Retry::Renewed(_) | Retry::Now => false,
        };
        if is_ack {
            self.fruitless = None;
        } else if !self.refused_timeout.is_zero() {
            self.fruitless.get_or_insert(now + self.refused_timeout);
        }
        self.is_fruitful = is_ack;
        if is_ack && is_tried {
            self.backoff.reset();
            self.retry = Retry::Now;
        } else if !is_ack && (is_tried || self.retry == Retry::Now) {
            // Each publisher has a time of its own, when its first message was refused: no need of chance.
            self.retry = Retry::At(now + self.backoff.next(u32::MAX, Duration::ZERO));
        }
    }

    /// Whether what was refused may be tried now.
    pub fn can_retry(&self) -> bool {
        self.retry == Retry::Now
    }

    /// When what was refused may be tried again.
    pub fn retry_deadline(&self) -> Option<Instant> {
        match self.retry {
            Retry::At(at) | Retry::Renewed(at) => Some(at),
            Retry::Now | Retry::Tried(_) => None,
        }
    }

    /// What was refused may be tried now, on another channel where this one has confirmed nothing since: RabbitMQ's
    /// go on to refuse where the leader of a quorum queue was down at their first message, though it is up again.
    pub fn retry_due(&mut self, now: Instant) {
        self.retry = match self.retry {
            Retry::At(_) if !self.is_fruitful => Retry::Renewed(now + SETTLE),
            _ => Retry::Now,
        };
    }

    /// Whether another channel is wanted, and nothing to be published until then.
    pub fn wants_channel(&self) -> bool {
        matches!(self.retry, Retry::Renewed(_))
    }

    /// There is another channel.
    pub fn renewed(&mut self) {
        self.retry = Retry::Now;
    }
}
