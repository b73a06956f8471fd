//! How long the answers to what is published may take, and when what was refused is published again.

use core::time::Duration;

use crate::time::{Backoff, Instant};

/// A process that comes this late to a deadline has slept, and not yet looked at what came meanwhile.
const SLEPT: Duration = Duration::from_secs(5);

/// The deadline for answers, and the pace of what was refused.
///
/// One deadline, not one a message: what was published up to some moment is to be answered within the time after
/// it, and then what was published meanwhile. So a missing answer is noticed after once to twice the time, or after
/// the time where none come at all.
#[derive(Clone, Copy, Debug)]
pub struct Confirms {
    /// Zero: there is no deadline.
    timeout: Duration,
    /// The delivery tag that was published last.
    last: u64,
    /// All up to this delivery tag are to be answered by then.
    due: Option<(u64, Instant)>,
    retry: Retry,
    backoff: Backoff,
}

/// When the oldest that was refused is published again, alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    At(Instant),
    Now,
    /// It waits for its answer, under this delivery tag.
    Tried(u64),
}

impl Confirms {
    /// What was refused is tried again after `retry`, and then after waits that grow.
    pub fn new(timeout: Duration, retry: Duration) -> Self {
        Self { timeout, last: 0, due: None, retry: Retry::Now, backoff: Backoff::new(retry) }
    }

    /// The message with this delivery tag was published; `again`: it had been refused.
    pub fn published(&mut self, tag: u64, again: bool, now: Instant) {
        self.last = tag;
        if self.due.is_none() && !self.timeout.is_zero() {
            self.due = Some((tag, now + self.timeout));
        }
        if again {
            self.retry = Retry::Tried(tag);
        }
    }

    /// Answers are due up to this delivery tag, if any.
    pub fn awaited(&self) -> Option<u64> {
        self.due.map(|(tag, _)| tag)
    }

    /// All up to [`Confirms::awaited`] are answered.
    pub fn answered(&mut self, now: Instant) {
        self.due = self.due.and_then(|(tag, _)| (self.last > tag).then(|| (self.last, now + self.timeout)));
    }

    /// The time begins anew: the broker did not answer because it had said that it would not.
    pub fn restart(&mut self, now: Instant) {
        if let Some((_, at)) = &mut self.due {
            *at = now + self.timeout;
        }
    }

    /// When an answer is overdue.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.map(|(_, at)| at)
    }

    /// The time is over. How much it was; none where nobody has looked meanwhile, so that it begins anew.
    pub fn timed_out(&mut self, now: Instant) -> Option<Duration> {
        if self.deadline().is_some_and(|at| now.since(at) > SLEPT) {
            self.restart(now);
            return None;
        }
        Some(self.timeout)
    }

    /// An Ack or Nack came: what was tried waits longer, or lets the next one be tried.
    pub fn heard(&mut self, is_ack: bool, tag: u64, multiple: bool, now: Instant) {
        let is_tried = match self.retry {
            Retry::Tried(tried) => tried == tag || (multiple && tried < tag),
            Retry::At(_) | Retry::Now => false,
        };
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
            Retry::At(at) => Some(at),
            Retry::Now | Retry::Tried(_) => None,
        }
    }

    /// What was refused may be tried now.
    pub fn retry_due(&mut self) {
        self.retry = Retry::Now;
    }
}
