//! Reports from an [`Outbox`] through a [`Client`]: what lies between the two, for every owner.
//!
//! Tickets of the outbox are the client's delivery tags. Bodies are JSON.
//!
//! ```text
//! after each change:  while let Some(event) = settle(...) { ... }    answers leave the outbox
//!                     publish_waiting(...)                           reports go to the client
//! after the end:      outbox.rewind()                                before the next client
//! ```

use core::fmt::Write as _;

use heapless::String;

use crate::amqp::{Client, Event, Properties, Publish, Table, Violation};
use crate::limits;
use crate::link::Link;
use crate::outbox::{Outbox, Record, Run, UnknownTicket};
use crate::time::Instant;

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
    // Nothing is lost silently: from the first loss on, every message says how many there were. `timestamp` has no
    // fractions; this is the header that RabbitMQ itself adds where it is told to.
    let sampled_ms = u64::try_from(record.sampled_ms);
    let headers = [("timestamp_in_ms", sampled_ms.unwrap_or(0)), ("dropped", dropped)];
    let headers = headers.get(usize::from(sampled_ms.is_err())..1 + usize::from(dropped > 0));
    let properties = Properties {
        content_type: "application/json",
        content_encoding: "utf-8",
        headers: headers.unwrap_or_default(),
        fixed_headers: envelope.headers,
        persistent: envelope.persistent,
        message_id: &message_id,
        timestamp: record.unix_seconds(),
        app_id: envelope.app_id,
    };
    put(client, &Publish { properties, body: record.body }, now)
}
