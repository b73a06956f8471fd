//! Reports from an [`Outbox`] through a [`Client`]: what lies between the two, for every owner.
//!
//! Tickets of the outbox are the client's delivery tags. Bodies are JSON: a report, or an array of some with
//! consecutive numbers ([`publish_batches`]), whose message id is that of the first.
//!
//! ```text
//! after each change:  while let Some(event) = settle(...) { ... }    answers leave the outbox
//!                     publish_waiting(...), or publish_batches(...)  reports go to the client
//! after the end:      outbox.rewind()                                before the next client
//! ```

use core::fmt::Write as _;

use heapless::{String, Vec};

use crate::amqp::{Client, Event, Properties, Publish, Table, Value, Violation};
use crate::limits;
use crate::link::Link;
use crate::outbox::{Outbox, Record, Run, UnknownTicket};
use crate::time::{Instant, is_clock_set};

/// What is the same on every message of a publisher.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Those that have made the reports; a message id is a run's id, a hyphen, and the report's number in it.
    pub runs: &'a [Run<'a>],
    /// `app-id`.
    pub app_id: &'a str,
    /// Further headers.
    pub headers: Table<'a>,
    /// Delivery mode 2.
    pub persistent: bool,
}

/// How several reports become one message.
#[derive(Debug)]
pub struct Batch<'a> {
    /// So many reports are a message; fewer where no more fit into `body`, or their numbers are not consecutive ones of
    /// one run.
    pub most: usize,
    /// Whether fewer are one too, since no more come.
    pub is_last: bool,
    /// Where the body is made: at least the largest report, and 2 bytes.
    pub body: &'a mut [u8],
}

/// The client's next event, in place of [`Link::poll_event`]. What it says of reports in flight is done to the outbox
/// already.
pub fn settle<B: AsRef<[u8]> + AsMut<[u8]>>(
    client: &mut Client<'_>,
    outbox: &mut Outbox<B>,
    now: Instant,
) -> Option<Event> {
    let Some(event) = client.poll_event(now) else {
        if outbox.in_flight() > 0 {
            return None;
        }
        if client.has_returned() {
            outbox.send_again();
            client.settled();
        }
        if client.idle(now) {
            outbox.abandon();
            client.answered(None, now);
        }
        return None;
    };
    let (settled, tag) = match event {
        Event::Confirmed { tag, multiple } => (outbox.confirm(tag, multiple), tag),
        Event::Refused { tag, multiple } | Event::Doubtful { tag, multiple } => {
            (outbox.refuse(tag, multiple), tag)
        }
        _ => return Some(event),
    };
    if let Err(UnknownTicket) = settled {
        client.fail(Violation::UnknownTag(tag).into(), now);
    }
    client.answered(outbox.unanswered(), now);
    Some(event)
}

/// Hands reports to the client while it takes them: after every [`settle`] that gave no more events, and again after
/// the transport has taken octets.
pub fn publish_waiting<B: AsRef<[u8]> + AsMut<[u8]>>(
    client: &mut Client<'_>,
    outbox: &mut Outbox<B>,
    envelope: Envelope<'_>,
    now: Instant,
) {
    let dropped = outbox.counters().dropped;
    if client.can_publish_again()
        && let Some(record) = outbox.refused()
        && let Some(tag) = publish(Client::publish_again, client, record, envelope, dropped, now)
    {
        outbox.mark_sent_again(tag);
    }
    while client.can_publish()
        && let Some(record) = outbox.unsent()
    {
        let Some(tag) = publish(Client::publish, client, record, envelope, dropped, now) else { break };
        outbox.mark_sent(tag);
    }
}

/// The same in place of [`publish_waiting`], with reports in messages of several. How many messages they are.
pub fn publish_batches<B: AsRef<[u8]> + AsMut<[u8]>>(
    client: &mut Client<'_>,
    outbox: &mut Outbox<B>,
    envelope: Envelope<'_>,
    batch: &mut Batch<'_>,
    now: Instant,
) -> u64 {
    let (dropped, mut messages) = (outbox.counters().dropped, 0);
    let alone = &mut Batch { most: 1, is_last: true, body: &mut *batch.body };
    if client.can_publish_again()
        && let Some((record, _)) =
            outbox.refused().and_then(|record| array([record].into_iter(), envelope.runs, alone))
        && let Some(tag) = publish(Client::publish_again, client, record, envelope, dropped, now)
    {
        outbox.mark_sent_again(tag);
        messages += 1;
    }
    while client.can_publish()
        && let Some((record, count)) = array(outbox.waiting(), envelope.runs, batch)
    {
        let Some(tag) = publish(Client::publish, client, record, envelope, dropped, now) else { break };
        for _ in 0..count {
            outbox.mark_sent(tag);
        }
        messages += 1;
    }
    messages
}

/// Whether [`publish_batches`] would make a message of what waits, which these runs have made.
pub fn is_due<B: AsRef<[u8]> + AsMut<[u8]>>(
    outbox: &mut Outbox<B>,
    runs: &[Run<'_>],
    batch: &mut Batch<'_>,
) -> bool {
    array(outbox.waiting(), runs, batch).is_some()
}

/// The oldest of the reports as one, whose body is an array, and how many they are. None while there are too few.
fn array<'o, 'b>(
    reports: impl Iterator<Item = Record<'o>>,
    runs: &[Run<'_>],
    batch: &'b mut Batch<'_>,
) -> Option<(Record<'b>, usize)> {
    let mut reports = reports.peekable();
    let Record { sequence, sampled_ms, .. } = *reports.peek()?;
    let (run, mut last) = (Run::of(runs, sequence), sequence);
    let (mut length, mut count) = (0, 0);
    while let Some(report) = reports.next_if(|report| {
        let is_next = count == 0 || report.sequence == last + 1 && Run::of(runs, report.sequence) == run;
        is_next
            && count < batch.most
            && length + report.body.len() + 2 <= batch.body.len()
            && is_clock_set(report.sampled_ms) == is_clock_set(sampled_ms)
    }) {
        let end = length + 1 + report.body.len();
        let [mark, room @ ..] = batch.body.get_mut(length..end)? else { return None };
        *mark = if count == 0 { b'[' } else { b',' };
        room.copy_from_slice(report.body);
        (last, length, count) = (report.sequence, end, count + 1);
    }
    let is_whole = count == batch.most || reports.peek().is_some() || batch.is_last;
    if count == 0 || !is_whole {
        return None;
    }
    *batch.body.get_mut(length)? = b']';
    Some((Record { sequence, sampled_ms, body: batch.body.get(..=length)? }, count))
}

fn publish<'c>(
    put: fn(&mut Client<'c>, &Publish<'_>, Instant) -> Option<u64>,
    client: &mut Client<'c>,
    record: Record<'_>,
    envelope: Envelope<'_>,
    dropped: u64,
    now: Instant,
) -> Option<u64> {
    let mut message_id = String::<{ limits::SHORTSTR }>::new();
    let run = Run::of(envelope.runs, record.sequence);
    // Too long an id would lose the number, not the message.
    let _ = write!(message_id, "{}-{}", run.id, run.number(record.sequence));
    // `timestamp` has no fractions; this is the header that RabbitMQ itself adds where it is told to.
    let ms = (record.sampled_ms >= 0).then_some(("timestamp_in_ms", Value::Int(record.sampled_ms)));
    let clock = (!is_clock_set(record.sampled_ms)).then_some(("clock", Value::Octets(b"unsynchronised")));
    // Nothing is lost silently: from the first loss on, every message says how many there were.
    let losses = i64::try_from(dropped).ok().filter(|losses| *losses > 0);
    let losses = losses.map(|losses| ("dropped", Value::Int(losses)));
    let headers: Vec<_, 3> = [ms, clock, losses].into_iter().flatten().collect();
    let properties = Properties {
        content_type: "application/json",
        content_encoding: "utf-8",
        headers: &headers,
        fixed_headers: envelope.headers,
        persistent: envelope.persistent,
        message_id: &message_id,
        timestamp: record.unix_seconds(),
        app_id: envelope.app_id,
    };
    put(client, &Publish { properties, body: record.body }, now)
}
