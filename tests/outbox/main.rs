//! The outbox against a model: a queue of reports with their states, as naive as it can be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod spool;

use std::collections::VecDeque;

use proptest::prelude::*;
use psistats_core::outbox::{Counters, Outbox, Record, TooLarge, UnknownTicket};

/// Bytes of a record besides its body.
const HEADER: usize = 28;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unsent,
    InFlight(u64),
    Refused,
    /// Refused, and sent again.
    Again(u64),
    Confirmed,
}

#[derive(Clone, Debug)]
struct Report {
    sequence: u64,
    sampled_ms: i64,
    body: Vec<u8>,
    state: State,
}

/// What the outbox should be: order, states and counters, but not where bytes lie. Which reports
/// a push drops depends on that, so the model is told, and checks that they are the oldest.
#[derive(Default)]
struct Model {
    reports: VecDeque<Report>,
    sampled: u64,
    confirmed: u64,
    dropped: u64,
    last_ticket: u64,
    dropped_ticket: u64,
    /// What was sent again and dropped before its answer.
    dropped_again: Option<u64>,
}

impl Model {
    fn counters(&self) -> Counters {
        let pending = self.reports.iter().filter(|r| r.state != State::Confirmed).count() as u64;
        Counters { sampled: self.sampled, confirmed: self.confirmed, dropped: self.dropped, pending }
    }

    fn push(&mut self, sampled_ms: i64, body: &[u8]) {
        self.sampled += 1;
        let report = Report { sequence: self.sampled, sampled_ms, body: body.to_vec(), state: State::Unsent };
        self.reports.push_back(report);
    }

    /// Drops the oldest until as many have been dropped unconfirmed as the outbox says.
    fn drop_oldest(&mut self, dropped: u64) {
        while self.dropped < dropped {
            let oldest = self.reports.pop_front().expect("more was dropped than there was");
            if let State::InFlight(ticket) = oldest.state {
                self.dropped_ticket = self.dropped_ticket.max(ticket);
            }
            if let State::Again(ticket) = oldest.state {
                self.dropped_again = Some(ticket);
            }
            self.dropped += u64::from(oldest.state != State::Confirmed);
        }
    }

    fn unsent(&mut self) -> Option<&mut Report> {
        self.reports.iter_mut().find(|r| r.state == State::Unsent)
    }

    fn in_flight(&self) -> usize {
        self.reports.iter().filter(|r| matches!(r.state, State::InFlight(_) | State::Again(_))).count()
    }

    /// The oldest that was refused; none while one is being sent again.
    fn refused(&mut self) -> Option<&mut Report> {
        let is_busy = self.reports.iter().any(|r| matches!(r.state, State::Again(_)));
        if is_busy || self.dropped_again.is_some() {
            return None;
        }
        self.reports.iter_mut().find(|r| r.state == State::Refused)
    }

    fn unanswered(&self) -> Option<u64> {
        let tickets = self.reports.iter().filter_map(|r| match r.state {
            State::InFlight(ticket) | State::Again(ticket) => Some(ticket),
            _ => None,
        });
        tickets.chain(self.dropped_again).min()
    }

    fn answer(&mut self, ticket: u64, multiple: bool, state: State) -> Result<(), UnknownTicket> {
        let mut known = ticket <= self.dropped_ticket;
        if ticket == 0 || ticket > self.last_ticket {
            return Err(UnknownTicket);
        }
        if self.dropped_again.take_if(|this| *this == ticket || (multiple && *this < ticket)).is_some() {
            known = true;
        }
        for report in &mut self.reports {
            match report.state {
                State::InFlight(this) | State::Again(this)
                    if this == ticket || (multiple && this < ticket) =>
                {
                    report.state = state;
                    known = true;
                    self.confirmed += u64::from(state == State::Confirmed);
                }
                _ => {}
            }
        }
        if known { Ok(()) } else { Err(UnknownTicket) }
    }

    fn rewind(&mut self) {
        for report in self.reports.iter_mut().filter(|r| r.state != State::Confirmed) {
            report.state = State::Unsent;
        }
        (self.last_ticket, self.dropped_ticket, self.dropped_again) = (0, 0, None);
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Push {
        length: usize,
    },
    /// Sends up to so many as one message, with a ticket that is so much higher than the last.
    Send {
        step: u64,
        count: usize,
    },
    /// Answers a ticket: one in flight, picked by `pick`, or that number itself.
    Answer {
        pick: u64,
        in_flight: bool,
        multiple: bool,
        refuse: bool,
    },
    /// Sends the oldest again that was refused.
    SendAgain,
    Rewind,
}

fn operation(longest: usize) -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (0..=longest).prop_map(|length| Operation::Push { length }),
        6 => (prop_oneof![9 => Just(1_u64), 1 => 1..5_u64], prop_oneof![2 => Just(1_usize), 1 => 1..5_usize])
            .prop_map(|(step, count)| Operation::Send { step, count }),
        5 => (any::<u64>(), prop::bool::weighted(0.8), prop::bool::weighted(0.3), prop::bool::weighted(0.4))
            .prop_map(|(pick, in_flight, multiple, refuse)| Operation::Answer { pick, in_flight, multiple, refuse }),
        2 => Just(Operation::SendAgain),
        1 => Just(Operation::Rewind),
    ]
}

fn capacity_and_operations() -> impl Strategy<Value = (usize, Vec<Operation>)> {
    // Bodies up to a little more than the ring: some are too large.
    (0..400_usize).prop_flat_map(|capacity| {
        let longest = if capacity % 2 == 0 { capacity } else { capacity / 8 };
        (Just(capacity), prop::collection::vec(operation(longest), 1..120))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_a_queue_of_reports_would_do((capacity, operations) in capacity_and_operations()) {
        let mut outbox = Outbox::new(vec![0_u8; capacity]);
        let mut model = Model::default();
        for (i, operation) in operations.into_iter().enumerate() {
            match operation {
                Operation::Push { length } => {
                    let body: Vec<u8> = (0..length).map(|at| (at + i) as u8).collect();
                    let sampled_ms = i as i64 - 40;
                    if HEADER + length > capacity {
                        prop_assert_eq!(outbox.push(sampled_ms, &body), Err(TooLarge));
                    } else {
                        model.push(sampled_ms, &body);
                        prop_assert_eq!(outbox.push(sampled_ms, &body), Ok(model.sampled));
                        model.drop_oldest(outbox.counters().dropped);
                        let pending = model.reports.iter().filter(|r| r.state != State::Confirmed);
                        let stays: usize = pending.map(|r| HEADER + r.body.len()).sum();
                        prop_assert!(stays <= capacity);
                    }
                }
                Operation::Send { step, count } => {
                    let ticket = model.last_ticket + step;
                    let waiting: Vec<u64> = outbox.waiting().take(count).map(|report| report.sequence).collect();
                    prop_assert_eq!(waiting.is_empty(), model.unsent().is_none());
                    for sequence in waiting {
                        let report = model.unsent().unwrap();
                        prop_assert_eq!(sequence, report.sequence);
                        report.state = State::InFlight(ticket);
                        model.last_ticket = ticket;
                        outbox.mark_sent(ticket);
                    }
                }
                Operation::Answer { pick, in_flight, multiple, refuse } => {
                    let tickets: Vec<u64> = model.reports.iter().filter_map(|r| match r.state {
                        State::InFlight(ticket) | State::Again(ticket) => Some(ticket),
                        _ => None,
                    }).collect();
                    let ticket = match tickets.get(pick as usize % tickets.len().max(1)) {
                        Some(ticket) if in_flight => *ticket,
                        _ => pick % (model.last_ticket + 3),
                    };
                    if refuse {
                        let expected = model.answer(ticket, multiple, State::Refused);
                        prop_assert_eq!(outbox.refuse(ticket, multiple), expected);
                    } else {
                        let expected = model.answer(ticket, multiple, State::Confirmed);
                        prop_assert_eq!(outbox.confirm(ticket, multiple), expected);
                    }
                }
                Operation::SendAgain => {
                    let ticket = model.last_ticket + 1;
                    let expected = model.refused().map(|report| {
                        report.state = State::Again(ticket);
                        report.sequence
                    });
                    prop_assert_eq!(outbox.refused().map(|record| record.sequence), expected);
                    model.last_ticket += u64::from(expected.is_some());
                    outbox.mark_sent_again(ticket);
                }
                Operation::Rewind => {
                    model.rewind();
                    outbox.rewind();
                }
            }
            let counters = outbox.counters();
            prop_assert_eq!(counters, model.counters());
            prop_assert_eq!(counters.sampled, counters.confirmed + counters.dropped + counters.pending);
            prop_assert_eq!(outbox.in_flight(), model.in_flight());
            let refused = model.reports.iter().filter(|r| r.state == State::Refused).count();
            prop_assert_eq!(outbox.refused_count(), refused);
            prop_assert_eq!(outbox.unanswered(), model.unanswered());
            let expected = model.unsent().map(|r| Record {
                sequence: r.sequence,
                sampled_ms: r.sampled_ms,
                body: &r.body,
            });
            prop_assert_eq!(outbox.unsent(), expected);
        }
        // At the end everything that is pending comes out once more, in order and intact.
        model.rewind();
        outbox.rewind();
        for (ticket, report) in (1..).zip(model.reports.iter().filter(|r| r.state == State::Unsent)) {
            let expected =
                Record { sequence: report.sequence, sampled_ms: report.sampled_ms, body: &report.body };
            prop_assert_eq!(outbox.unsent(), Some(expected));
            outbox.mark_sent(ticket);
        }
        prop_assert_eq!(outbox.unsent(), None);
    }
}

/// Pushes reports of `length` octets and returns the fewest that the full ring held.
fn fewest_held(capacity: usize, length: usize) -> u64 {
    let mut outbox = Outbox::new(vec![0_u8; capacity]);
    let mut fewest = u64::MAX;
    for i in 0..2000 {
        outbox.push(0, &vec![b'x'; length]).unwrap();
        if i > 1000 {
            fewest = fewest.min(outbox.counters().pending);
        }
    }
    fewest
}

#[test]
fn a_full_ring_drops_no_more_than_it_must() {
    for length in [0, 1, 13, 100, 120, 333] {
        // Less than one record is lost at the end of the buffer, and less than one at the tail.
        let record = HEADER + length;
        let fit = (8192 / record) as u64;
        assert!(fewest_held(8192, length) + 1 >= fit, "reports of {length} octets");
    }
}

#[test]
fn late_answers_of_dropped_reports_are_no_error_however_they_come() {
    let mut outbox = Outbox::new(vec![0_u8; 4 * (HEADER + 4)]);
    for ticket in 1..=4 {
        outbox.push(0, b"sent").unwrap();
        outbox.mark_sent(ticket);
    }
    for _ in 0..3 {
        outbox.push(0, b"more").unwrap();
    }
    assert_eq!(outbox.counters(), Counters { sampled: 7, confirmed: 0, dropped: 3, pending: 4 });
    assert_eq!(outbox.in_flight(), 1);
    assert_eq!(outbox.confirm(2, false), Ok(()));
    assert_eq!(outbox.refuse(3, true), Ok(()));
    assert_eq!(outbox.confirm(4, true), Ok(()));
    assert_eq!(outbox.in_flight(), 0);
    assert_eq!(outbox.counters(), Counters { sampled: 7, confirmed: 1, dropped: 3, pending: 3 });
    assert_eq!(outbox.confirm(4, true), Err(UnknownTicket));
    // On the next connection these tickets are new ones.
    outbox.rewind();
    assert_eq!(outbox.confirm(2, false), Err(UnknownTicket));
    outbox.mark_sent(1);
    assert_eq!(outbox.confirm(1, false), Ok(()));
}

#[test]
fn tickets_that_do_not_ascend_are_not_taken() {
    let mut outbox = Outbox::new([0_u8; 256]);
    for _ in 0..3 {
        outbox.push(0, b"x").unwrap();
    }
    outbox.mark_sent(0);
    assert_eq!(outbox.in_flight(), 0);
    outbox.mark_sent(5);
    outbox.mark_sent(4);
    outbox.mark_sent(u64::MAX);
    assert_eq!((outbox.in_flight(), outbox.unsent().unwrap().sequence), (1, 2));
    outbox.mark_sent(5);
    assert_eq!(outbox.confirm(5, false), Ok(()), "two of one message");
    assert_eq!(outbox.counters().confirmed, 2);
}

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
fn what_was_refused_is_sent_again_alone_and_the_oldest_first_while_others_go_on() {
    let mut o = outbox(6);
    for ticket in 1..=4 {
        o.push(0, b"xxxx").unwrap();
        send(&mut o, ticket);
    }
    o.refuse(3, true).unwrap();
    o.confirm(4, false).unwrap();
    assert_eq!((o.in_flight(), o.refused_count(), o.refused().unwrap().sequence), (0, 3, 1));
    o.push(0, b"new!").unwrap();
    assert_eq!(send(&mut o, 5), 5);
    o.mark_sent_again(6);
    assert_eq!((o.in_flight(), o.refused()), (2, None));
    assert_eq!(o.unanswered(), Some(5));
    o.refuse(6, false).unwrap();
    assert_eq!(o.refused().unwrap().sequence, 1, "the oldest, until it is taken");
    o.mark_sent_again(7);
    o.confirm(7, true).unwrap();
    assert_eq!(o.unanswered(), None);
    assert_eq!(o.refused().unwrap().sequence, 2);
    assert_eq!(o.counters(), Counters { sampled: 5, confirmed: 3, dropped: 0, pending: 2 });
    o.mark_sent_again(8);
    for _ in 0..6 {
        o.push(0, b"more").unwrap();
    }
    assert_eq!(o.confirm(8, false), Ok(()), "late, for one that made room");
    assert_eq!(o.confirm(8, false), Err(UnknownTicket));
    assert_eq!(o.counters(), Counters { sampled: 11, confirmed: 3, dropped: 2, pending: 6 });
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
