//! What is not confirmed yet: a fixed ring of encoded reports.
//!
//! Reports enter in order, each with its sequence number and sample time. A publisher walks the
//! ring ([`Outbox::unsent`], [`Outbox::mark_sent`]), handing every report a *ticket* of its own
//! choosing (AMQP's delivery tag), and settles tickets as the peer confirms them. Reports of one message
//! ([`Outbox::waiting`]) have one ticket. A settled report leaves once everything older has left. One that
//! the peer refuses stays, and is sent again by itself ([`Outbox::refused`], [`Outbox::mark_sent_again`])
//! while others go on. When there is no room for a new one, the oldest go and are counted. A new connection
//! starts with [`Outbox::rewind`]. Whoever keeps a copy of what is not confirmed elsewhere reads it by
//! [`Outbox::pending_from`].
//!
//! At all times `sampled = confirmed + dropped + pending` ([`Counters`]).

use core::fmt;
use core::iter;

use crate::bytes::{Reader, Short, Writer};

/// Bytes of a record before its body: length u32, sequence u64, sample time i64, ticket u64.
const HEADER: usize = 28;

/// Offset of the ticket in a record.
const TICKET: usize = 20;

/// The ticket of a report that has not been sent on this connection.
const UNSENT: u64 = 0;

/// The ticket of a report that the peer refused: it stays, until it is sent again.
const REFUSED: u64 = u64::MAX;

/// The ticket of a report that is confirmed, but waits for an older one before it leaves.
const SETTLED: u64 = u64::MAX - 1;

/// The ticket of the one report that was refused and sent again; its own is in [`Outbox::again`].
const AGAIN: u64 = u64::MAX - 2;

/// A report in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Counts up by one from 1; some are missing where reports were restored ([`Outbox::restore`]).
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

/// Where a report lies in the ring, for as long as it does. The default is before all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    sequence: u64,
    at: usize,
}

impl Place {
    /// The sequence number of the report; 0: before all.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
}

/// A run of the program, whose reports have the sequence numbers from `first` on, up to those of the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// The sequence number of its report number 1. More than 0.
    pub first: u64,
    /// Unique to the run.
    pub id: &'a str,
}

impl<'a> Run<'a> {
    /// Which of `runs`, in their order, has made the report `sequence`.
    pub fn of(runs: &[Self], sequence: u64) -> Self {
        let run = runs.iter().rfind(|run| run.first <= sequence).or(runs.first());
        run.copied().unwrap_or(Self { first: 1, id: "" })
    }

    /// The number of the report `sequence` among those of this run, from 1 on.
    pub fn number(&self, sequence: u64) -> u64 {
        sequence.saturating_sub(self.first).saturating_add(1)
    }
}

/// What became of the reports. `sampled = confirmed + dropped + pending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reports that entered, those that were restored with them.
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
    /// Records refused, and not sent again.
    refused: usize,
    /// Ticket of the refused record that was sent again, until it is answered, though it may be dropped meanwhile.
    again: Option<u64>,
    /// Highest ticket issued since the last rewind, and highest that was dropped in flight.
    last_ticket: u64,
    dropped_ticket: u64,
    /// The highest sequence number.
    last: u64,
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
            refused: 0,
            again: None,
            last_ticket: 0,
            dropped_ticket: 0,
            last: 0,
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
        self.restore(self.last + 1, sampled_ms, body)
    }

    /// Takes in a report, as [`Outbox::push`] does, which had its sequence number before; that of the next one is
    /// higher, as this one is to be higher than those before.
    pub fn restore(&mut self, sequence: u64, sampled_ms: i64, body: &[u8]) -> Result<u64, TooLarge> {
        let sequence = sequence.max(self.last + 1);
        let need = HEADER.saturating_add(body.len());
        let length = u32::try_from(body.len()).map_err(|_| TooLarge)?;
        if need > self.buf.as_ref().len() {
            return Err(TooLarge);
        }
        self.make_room(need);
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
        self.sampled += 1;
        self.last = sequence;
        Ok(sequence)
    }

    /// The sequence number of the youngest report that there has been; 0: none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The reports that are not confirmed, from the one at `from` on or, where that has left, from the oldest on.
    pub fn pending_from(&self, from: Place) -> impl Iterator<Item = (Place, Record<'_>)> {
        let is_here = from.sequence >= self.record(self.head).sequence && from.sequence > 0;
        let first = (self.count > 0).then_some(if is_here { from.at } else { self.head });
        let next = |at: &usize| (self.record(*at).sequence < self.last).then(|| self.after(*at));
        iter::successors(first, next).filter(|at| self.ticket(*at) != SETTLED).map(|at| {
            let record = self.record(at);
            (Place { sequence: record.sequence, at }, record)
        })
    }

    /// Drops the reports before `sequence`, and counts those that were not confirmed.
    pub fn drop_before(&mut self, sequence: u64) {
        while self.count > 0 && self.record(self.head).sequence < sequence {
            self.drop_oldest();
        }
    }

    /// The oldest report that waits to be sent.
    pub fn unsent(&mut self) -> Option<Record<'_>> {
        // After a rewind, reports that were confirmed out of order lie among the unsent ones.
        while self.unsent > 0 && self.ticket(self.cursor) == SETTLED {
            self.advance_cursor();
        }
        (self.unsent > 0).then(|| self.record(self.cursor))
    }

    /// The reports that wait to be sent, the oldest first, up to one that is confirmed already.
    pub fn waiting(&mut self) -> impl Iterator<Item = Record<'_>> {
        self.unsent();
        let offsets = iter::successors(Some(self.cursor), |at| Some(self.after(*at))).take(self.unsent);
        offsets.take_while(|at| self.ticket(*at) != SETTLED).map(|at| self.record(at))
    }

    /// The report of [`Outbox::unsent`] was sent under `ticket`, which is higher than every
    /// earlier one since the last rewind; or in one message with the one before it, whose ticket it is.
    pub fn mark_sent(&mut self, ticket: u64) {
        if self.unsent().is_some() && ticket >= self.last_ticket.max(1) && ticket < AGAIN {
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
    /// reports stay, to be sent again one by one, or after the next rewind.
    pub fn refuse(&mut self, ticket: u64, multiple: bool) -> Result<(), UnknownTicket> {
        self.answer(ticket, multiple, REFUSED)
    }

    /// Reports that were refused, and not sent again.
    pub fn refused_count(&self) -> usize {
        self.refused
    }

    /// The oldest report that was refused; none while one that was is being sent again.
    pub fn refused(&self) -> Option<Record<'_>> {
        self.oldest_refused().map(|at| self.record(at))
    }

    /// The report of [`Outbox::refused`] was sent again under `ticket`, as in [`Outbox::mark_sent`].
    pub fn mark_sent_again(&mut self, ticket: u64) {
        if let Some(at) = self.oldest_refused()
            && ticket > self.last_ticket
            && ticket < AGAIN
        {
            self.set_ticket(at, AGAIN);
            (self.again, self.last_ticket) = (Some(ticket), ticket);
            self.in_flight += 1;
            self.refused -= 1;
        }
    }

    fn oldest_refused(&self) -> Option<usize> {
        if self.refused == 0 || self.again.is_some() {
            return None;
        }
        self.sent().find(|at| self.ticket(*at) == REFUSED)
    }

    /// The earliest ticket that has no answer yet.
    pub fn unanswered(&self) -> Option<u64> {
        // Among many that were refused there may be none to look for.
        let find = || self.sent().map(|at| self.ticket(at)).find(|this| *this < AGAIN);
        let oldest = if self.in_flight > 0 { find() } else { None };
        oldest.into_iter().chain(self.again).min()
    }

    /// The connection is gone: everything unconfirmed is unsent again, and tickets begin anew.
    pub fn rewind(&mut self) {
        self.send_again();
        self.again = None;
        self.last_ticket = 0;
        self.dropped_ticket = 0;
    }

    /// No ticket that was given so far will be answered any more.
    pub fn abandon(&mut self) {
        self.again = None;
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
        (self.in_flight, self.refused) = (0, 0);
    }

    /// Marks what `ticket` names among the reports in flight with `answer`.
    fn answer(&mut self, ticket: u64, multiple: bool, answer: u64) -> Result<(), UnknownTicket> {
        if ticket == UNSENT || ticket > self.last_ticket {
            return Err(UnknownTicket);
        }
        let is_named = |this| this == ticket || (multiple && this < ticket);
        let mut again = self.again.take_if(|this| is_named(*this)).is_some();
        let mut known = again || ticket <= self.dropped_ticket;
        let mut at = self.head;
        for _ in 0..self.count - self.unsent {
            let this = self.ticket(at);
            if is_named(this) || (again && this == AGAIN) {
                known = true;
                again &= this != AGAIN;
                self.set_ticket(at, answer);
                self.in_flight -= 1;
                self.settled += u64::from(answer == SETTLED);
                self.refused += usize::from(answer == REFUSED);
            }
            // Tickets ascend, but for those of what is answered or sent again, which are above all others.
            if this > ticket && this < AGAIN && !again {
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
                self.drop_oldest();
            } else {
                return;
            }
        }
    }

    fn drop_oldest(&mut self) {
        let ticket = self.ticket(self.head);
        if ticket != SETTLED {
            self.dropped += 1;
        }
        if ticket != UNSENT && ticket < AGAIN {
            self.dropped_ticket = self.dropped_ticket.max(ticket);
        }
        self.in_flight -= usize::from(ticket != UNSENT && ticket <= AGAIN);
        self.remove_oldest();
    }

    fn remove_oldest(&mut self) {
        match self.ticket(self.head) {
            SETTLED => self.settled -= 1,
            REFUSED => self.refused -= 1,
            _ => {}
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

    /// Offsets of the records that were sent, the oldest first.
    fn sent(&self) -> impl Iterator<Item = usize> {
        iter::successors(Some(self.head), |at| Some(self.after(*at))).take(self.count - self.unsent)
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
