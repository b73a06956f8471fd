//! What is not confirmed yet: a fixed ring of encoded reports.
//!
//! Reports enter in order, each with its sequence number and sample time. A publisher walks the
//! ring ([`Outbox::unsent`], [`Outbox::mark_sent`]), handing every report a *ticket* of its own
//! choosing (AMQP's delivery tag), and settles tickets as the peer confirms them. A settled report
//! leaves once everything older has left. When there is no room for a new one, the oldest go and
//! are counted. A new connection starts with [`Outbox::rewind`].
//!
//! At all times `sampled = confirmed + dropped + pending` ([`Counters`]).

use core::fmt;

use crate::bytes::{Reader, Short, Writer};

/// Bytes of a record before its body: length u32, sequence u64, sample time i64, ticket u64.
const HEADER: usize = 28;

/// Offset of the ticket in a record.
const TICKET: usize = 20;

/// The ticket of a report that has not been sent on this connection.
const UNSENT: u64 = 0;

/// The ticket of a report that the peer refused: it stays, and is sent on the next connection.
const REFUSED: u64 = u64::MAX;

/// The ticket of a report that is confirmed, but waits for an older one before it leaves.
const SETTLED: u64 = u64::MAX - 1;

/// A report in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Counts up by one from 1.
    pub sequence: u64,
    /// Wall clock of the sample, Unix milliseconds.
    pub sampled_ms: i64,
    /// The encoded report.
    pub body: &'a [u8],
}

impl Record<'_> {
    /// The sample time in whole Unix seconds, as AMQP's `timestamp` has them: that is unsigned
    /// (AMQP 0-9-1 §4.2.5.4), so that a time before 1970 is none rather than a wrong one.
    pub fn unix_seconds(&self) -> Option<u64> {
        u64::try_from(self.sampled_ms.div_euclid(1000)).ok()
    }
}

/// What became of the reports. `sampled = confirmed + dropped + pending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reports that entered.
    pub sampled: u64,
    /// Reports that the peer has confirmed.
    pub confirmed: u64,
    /// Reports that made room for newer ones before they were confirmed.
    pub dropped: u64,
    /// Reports that are still here.
    pub pending: u64,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sampled, confirmed, dropped, pending } = self;
        write!(f, "sampled={sampled} confirmed={confirmed} dropped={dropped} pending={pending}")
    }
}

/// The report is larger than the whole ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl core::error::Error for TooLarge {}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the report is larger than the whole outbox")
    }
}

/// A confirmation for a ticket that is not in flight: never issued, or answered already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTicket;

impl core::error::Error for UnknownTicket {}

impl fmt::Display for UnknownTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no report in flight has this ticket")
    }
}

/// The ring. `B` is its storage, whose size never changes: a `Box<[u8]>` allocated once, or an array.
#[derive(Debug)]
pub struct Outbox<B> {
    buf: B,
    /// Offset of the oldest record.
    head: usize,
    /// Offset at which the next record is written.
    tail: usize,
    /// Where records end and continue at 0; the buffer's length while they do not.
    wrap: usize,
    /// Records in the ring.
    count: usize,
    /// Of these, the youngest ones that wait to be sent, and the offset of the first of them.
    unsent: usize,
    cursor: usize,
    /// Records whose ticket has no answer yet.
    in_flight: usize,
    /// Records settled, but kept in by an older one.
    settled: u64,
    /// Highest ticket issued since the last rewind, and highest that was dropped in flight.
    last_ticket: u64,
    dropped_ticket: u64,
    sampled: u64,
    dropped: u64,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Outbox<B> {
    /// An empty ring in `buf`.
    pub fn new(buf: B) -> Self {
        let wrap = buf.as_ref().len();
        Self {
            buf,
            head: 0,
            tail: 0,
            wrap,
            count: 0,
            unsent: 0,
            cursor: 0,
            in_flight: 0,
            settled: 0,
            last_ticket: 0,
            dropped_ticket: 0,
            sampled: 0,
            dropped: 0,
        }
    }

    /// What became of the reports so far.
    pub fn counters(&self) -> Counters {
        let pending = self.count as u64 - self.settled;
        Counters {
            sampled: self.sampled,
            confirmed: self.sampled - self.dropped - pending,
            dropped: self.dropped,
            pending,
        }
    }

    /// Reports that were sent and have no answer yet.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Takes in a report, dropping the oldest ones where room is needed. Returns its sequence number.
    pub fn push(&mut self, sampled_ms: i64, body: &[u8]) -> Result<u64, TooLarge> {
        let need = HEADER.saturating_add(body.len());
        let length = u32::try_from(body.len()).map_err(|_| TooLarge)?;
        if need > self.buf.as_ref().len() {
            return Err(TooLarge);
        }
        self.make_room(need);
        let sequence = self.sampled + 1;
        let room = self.buf.as_mut().get_mut(self.tail..self.tail + need).ok_or(TooLarge)?;
        let mut w = Writer::new(room);
        w.u32(length);
        w.u64(sequence);
        w.bytes(&sampled_ms.to_be_bytes());
        w.u64(UNSENT);
        w.bytes(body);
        w.finish().map_err(|Short| TooLarge)?;
        if self.unsent == 0 {
            self.cursor = self.tail;
        }
        self.tail += need;
        self.count += 1;
        self.unsent += 1;
        self.sampled = sequence;
        Ok(sequence)
    }

    /// The oldest report that waits to be sent.
    pub fn unsent(&mut self) -> Option<Record<'_>> {
        // After a rewind, reports that were confirmed out of order lie among the unsent ones.
        while self.unsent > 0 && self.ticket(self.cursor) == SETTLED {
            self.advance_cursor();
        }
        (self.unsent > 0).then(|| self.record(self.cursor))
    }

    /// The report of [`Outbox::unsent`] was sent under `ticket`, which is higher than every
    /// earlier one since the last rewind.
    pub fn mark_sent(&mut self, ticket: u64) {
        if self.unsent().is_some() && ticket > self.last_ticket && ticket < SETTLED {
            self.set_ticket(self.cursor, ticket);
            self.last_ticket = ticket;
            self.in_flight += 1;
            self.advance_cursor();
        }
    }

    /// The peer has confirmed `ticket` (`multiple`: and every earlier one).
    pub fn confirm(&mut self, ticket: u64, multiple: bool) -> Result<(), UnknownTicket> {
        self.answer(ticket, multiple, SETTLED)?;
        while self.count > 0 && self.ticket(self.head) == SETTLED {
            self.remove_oldest();
        }
        Ok(())
    }

    /// The peer has refused `ticket` (`multiple`: and every earlier one that is unanswered): the
    /// reports stay, and are sent again after the next rewind.
    pub fn refuse(&mut self, ticket: u64, multiple: bool) -> Result<(), UnknownTicket> {
        self.answer(ticket, multiple, REFUSED)
    }

    /// The connection is gone: everything unconfirmed is unsent again, and tickets begin anew.
    pub fn rewind(&mut self) {
        self.send_again();
        self.last_ticket = 0;
        self.dropped_ticket = 0;
    }

    /// Everything unconfirmed is unsent again, on the same connection: tickets go on.
    pub fn send_again(&mut self) {
        let mut at = self.head;
        for _ in 0..self.count {
            if self.ticket(at) != SETTLED {
                self.set_ticket(at, UNSENT);
            }
            at = self.after(at);
        }
        self.cursor = self.head;
        self.unsent = self.count;
        self.in_flight = 0;
    }

    /// Marks what `ticket` names among the reports in flight with `answer`.
    fn answer(&mut self, ticket: u64, multiple: bool, answer: u64) -> Result<(), UnknownTicket> {
        if ticket == UNSENT || ticket > self.last_ticket {
            return Err(UnknownTicket);
        }
        let mut known = ticket <= self.dropped_ticket;
        let mut at = self.head;
        for _ in 0..self.count - self.unsent {
            let this = self.ticket(at);
            if this == ticket || (multiple && this < ticket) {
                known = true;
                self.set_ticket(at, answer);
                self.in_flight -= 1;
                self.settled += u64::from(answer == SETTLED);
            }
            // Tickets ascend, but for the answered ones, which are above all others.
            if this >= ticket && this < SETTLED {
                break;
            }
            at = self.after(at);
        }
        if known { Ok(()) } else { Err(UnknownTicket) }
    }

    /// Drops the oldest records until `need` bytes are free at the tail, in one piece.
    fn make_room(&mut self, need: usize) {
        loop {
            if self.count == 0 {
                (self.head, self.tail, self.cursor) = (0, 0, 0);
                self.wrap = self.buf.as_ref().len();
                return;
            }
            let wrapped = self.tail <= self.head;
            if !wrapped && self.tail + need > self.buf.as_ref().len() {
                self.wrap = self.tail;
                self.tail = 0;
            } else if wrapped && self.tail + need > self.head {
                let ticket = self.ticket(self.head);
                if ticket != SETTLED {
                    self.dropped += 1;
                }
                if ticket != UNSENT && ticket < SETTLED {
                    self.dropped_ticket = self.dropped_ticket.max(ticket);
                    self.in_flight -= 1;
                }
                self.remove_oldest();
            } else {
                return;
            }
        }
    }

    fn remove_oldest(&mut self) {
        if self.ticket(self.head) == SETTLED {
            self.settled -= 1;
        }
        if self.unsent == self.count {
            self.advance_cursor();
        }
        let after = self.after(self.head);
        if after < self.head {
            self.wrap = self.buf.as_ref().len();
        }
        self.head = after;
        self.count -= 1;
    }

    fn advance_cursor(&mut self) {
        self.cursor = self.after(self.cursor);
        self.unsent -= 1;
    }

    /// Offset of the record after the one at `at`.
    fn after(&self, at: usize) -> usize {
        let end = at + HEADER + self.record(at).body.len();
        if end >= self.wrap { 0 } else { end }
    }

    fn record(&self, at: usize) -> Record<'_> {
        let mut r = Reader::new(self.buf.as_ref().get(at..).unwrap_or(&[]));
        let mut read = || -> Result<Record<'_>, Short> {
            let length = r.u32()? as usize;
            let sequence = r.u64()?;
            let sampled_ms = i64::from_be_bytes(r.array()?);
            let _ticket = r.u64()?;
            Ok(Record { sequence, sampled_ms, body: r.take(length)? })
        };
        // Offsets are only ever those of records that push() wrote.
        read().unwrap_or(Record { sequence: 0, sampled_ms: 0, body: &[] })
    }

    fn ticket(&self, at: usize) -> u64 {
        let bytes = self.buf.as_ref().get(at + TICKET..).and_then(|b| b.first_chunk());
        bytes.map_or(UNSENT, |b| u64::from_be_bytes(*b))
    }

    fn set_ticket(&mut self, at: usize, ticket: u64) {
        if let Some(room) = self.buf.as_mut().get_mut(at + TICKET..).and_then(|b| b.first_chunk_mut()) {
            *room = ticket.to_be_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(records: usize) -> Outbox<Vec<u8>> {
        Outbox::new(std::vec![0; records * (HEADER + 4)])
    }

    fn send(outbox: &mut Outbox<Vec<u8>>, ticket: u64) -> u64 {
        let sequence = outbox.unsent().expect("something is unsent").sequence;
        outbox.mark_sent(ticket);
        sequence
    }

    #[test]
    fn reports_come_out_in_order_with_their_sample_times() {
        let mut o = outbox(4);
        o.push(100, b"aaaa").unwrap();
        o.push(200, b"bbbb").unwrap();
        assert_eq!(o.unsent(), Some(Record { sequence: 1, sampled_ms: 100, body: b"aaaa" }));
        o.mark_sent(1);
        assert_eq!(o.unsent(), Some(Record { sequence: 2, sampled_ms: 200, body: b"bbbb" }));
    }

    #[test]
    fn fault_31_sample_times_are_kept_as_they_are_though_the_clock_steps() {
        let mut o = outbox(4);
        let stamps = [86_400_000, 1999, -1, i64::MIN];
        for stamp in stamps {
            o.push(stamp, b"xxxx").unwrap();
        }
        let seconds = stamps.map(|stamp| {
            let record = o.unsent().unwrap();
            let (sequence, seconds) = (record.sequence, record.unix_seconds());
            assert_eq!(record.sampled_ms, stamp);
            o.mark_sent(sequence);
            seconds
        });
        assert_eq!(seconds, [Some(86_400), Some(1), None, None]);
    }

    #[test]
    fn a_full_ring_drops_the_oldest_and_counts_them() {
        let mut o = outbox(3);
        for i in 0..10 {
            o.push(i, b"xxxx").unwrap();
        }
        assert_eq!(o.counters(), Counters { sampled: 10, confirmed: 0, dropped: 7, pending: 3 });
        assert_eq!(o.unsent().unwrap().sequence, 8);
    }

    #[test]
    fn confirmations_out_of_order_are_settled_one_by_one() {
        let mut o = outbox(4);
        for ticket in 1..=4 {
            o.push(0, b"xxxx").unwrap();
            send(&mut o, ticket);
        }
        o.confirm(3, false).unwrap();
        assert_eq!(o.counters().confirmed, 1);
        assert_eq!(o.confirm(3, false), Err(UnknownTicket));
        o.confirm(2, true).unwrap();
        assert_eq!(o.counters(), Counters { sampled: 4, confirmed: 3, dropped: 0, pending: 1 });
        assert_eq!(o.in_flight(), 1);
        assert_eq!(o.confirm(0, true), Err(UnknownTicket));
        assert_eq!(o.confirm(5, true), Err(UnknownTicket));
        assert_eq!(o.confirm(2, true), Err(UnknownTicket));
    }

    #[test]
    fn a_rewind_sends_again_what_is_not_confirmed_and_nothing_else() {
        let mut o = outbox(4);
        for ticket in 1..=4 {
            o.push(0, b"xxxx").unwrap();
            send(&mut o, ticket);
        }
        o.confirm(2, false).unwrap();
        o.refuse(3, false).unwrap();
        assert_eq!(o.in_flight(), 2);
        o.rewind();
        assert_eq!([send(&mut o, 1), send(&mut o, 2), send(&mut o, 3)], [1, 3, 4]);
        assert_eq!(o.unsent(), None);
        o.confirm(3, true).unwrap();
        assert_eq!(o.counters(), Counters { sampled: 4, confirmed: 4, dropped: 0, pending: 0 });
    }

    #[test]
    fn what_is_sent_again_on_the_same_connection_has_later_tickets() {
        let mut o = outbox(4);
        for ticket in 1..=3 {
            o.push(0, b"xxxx").unwrap();
            send(&mut o, ticket);
        }
        o.confirm(2, false).unwrap();
        o.refuse(3, true).unwrap();
        assert_eq!(o.in_flight(), 0);
        o.send_again();
        assert_eq!([send(&mut o, 4), send(&mut o, 5)], [1, 3]);
        assert_eq!(o.confirm(3, false), Err(UnknownTicket));
        o.confirm(5, true).unwrap();
        assert_eq!(o.counters(), Counters { sampled: 3, confirmed: 3, dropped: 0, pending: 0 });
    }

    #[test]
    fn a_late_confirmation_of_a_dropped_report_is_no_error_and_counts_once() {
        let mut o = outbox(2);
        o.push(0, b"aaaa").unwrap();
        send(&mut o, 1);
        o.push(0, b"bbbb").unwrap();
        send(&mut o, 2);
        o.push(0, b"cccc").unwrap();
        o.confirm(1, false).unwrap();
        assert_eq!(o.counters(), Counters { sampled: 3, confirmed: 0, dropped: 1, pending: 2 });
        o.confirm(2, true).unwrap();
        assert_eq!(o.counters().confirmed, 1);
    }

    #[test]
    fn a_report_larger_than_the_ring_is_refused() {
        let mut o = outbox(1);
        assert_eq!(o.push(0, b"12345"), Err(TooLarge));
        assert_eq!(o.counters(), Counters::default());
    }
}
