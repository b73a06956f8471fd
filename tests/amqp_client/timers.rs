//! Heartbeats and deadlines.

use std::time::Duration;

use psistats_core::amqp::{Error, Options, Step};
use psistats_core::link::{Link, Retry};

use super::peer::{self, AMQPFrame, Conversation, OPTIONS};
use super::{MESSAGE, SECOND};

/// A client that has agreed on a heartbeat of `heartbeat_s`, as its broker proposed none.
fn with_heartbeat(heartbeat_s: u16) -> Conversation<'static> {
    let options = Options { heartbeat_s, confirm_timeout: Duration::ZERO, ..OPTIONS };
    let mut c = Conversation::at(options, Step::Login);
    c.say(&peer::tune(131_072, 0));
    c.finish_handshake();
    c
}

#[test]
fn a_heartbeat_is_sent_after_half_the_interval_of_silence_and_then_again() {
    let mut c = with_heartbeat(10);
    for _ in 0..20 {
        c.pass(SECOND * 49 / 10);
        assert_eq!(c.hear_all(), []);
        c.pass(SECOND / 10);
        assert_eq!(c.hear_all(), [AMQPFrame::Heartbeat]);
        c.say(&AMQPFrame::Heartbeat);
    }
    assert!(c.events().is_empty());
}

#[test]
fn whatever_is_sent_counts_as_a_heartbeat() {
    let mut c = with_heartbeat(10);
    for _ in 0..10 {
        c.pass(4 * SECOND);
        c.client.publish(&MESSAGE, c.now).unwrap();
        c.settle();
        c.say(&AMQPFrame::Heartbeat);
    }
    assert!(!c.hear_all().contains(&AMQPFrame::Heartbeat));
}

#[test]
fn a_peer_that_is_silent_for_two_heartbeats_is_dead_and_any_octet_is_life() {
    let mut c = with_heartbeat(10);
    c.pass(SECOND * 199 / 10);
    c.say_octets(&[8]);
    c.pass(SECOND * 199 / 10);
    assert!(c.events().is_empty());
    c.pass(SECOND / 10);
    let error = c.error();
    assert_eq!(error, Error::Silent { heartbeat_s: 10 });
    assert_eq!(error.retry(), Retry::Soon);
    assert!(error.to_string().contains("two heartbeats of 10 s"));
}

#[test]
fn nothing_received_is_no_life() {
    let mut c = with_heartbeat(10);
    c.pass(19 * SECOND);
    c.client.received(0, c.now);
    c.pass(SECOND);
    assert_eq!(c.error(), Error::Silent { heartbeat_s: 10 });
}

#[test]
fn fault_4_a_frozen_peer_is_dead_though_everything_can_be_written_to_it() {
    let mut c = with_heartbeat(10);
    for _ in 0..19 {
        c.pass(SECOND);
        c.client.publish(&MESSAGE, c.now).unwrap();
        c.settle();
    }
    assert!(c.events().is_empty());
    c.pass(SECOND);
    assert_eq!(c.error(), Error::Silent { heartbeat_s: 10 });
}

#[test]
fn fault_6_writes_that_stall_for_two_heartbeats_are_the_end_though_the_peer_talks() {
    let mut c = with_heartbeat(10);
    c.pass(3 * SECOND);
    c.stalled = true;
    c.client.publish(&MESSAGE, c.now).unwrap();
    for _ in 0..19 {
        c.pass(SECOND);
        c.say(&AMQPFrame::Heartbeat);
        // More that waits does not make it wait for less long.
        c.client.publish(&MESSAGE, c.now).unwrap();
    }
    assert!(c.events().is_empty());
    c.pass(SECOND);
    assert_eq!(c.error(), Error::Stalled { heartbeat_s: 10 });
}

#[test]
fn a_slow_but_moving_write_is_no_stall() {
    let mut c = with_heartbeat(10);
    c.stalled = true;
    c.client.publish(&MESSAGE, c.now).unwrap();
    for _ in 0..10 {
        c.pass(15 * SECOND);
        c.say(&AMQPFrame::Heartbeat);
        c.client.sent(1, c.now);
    }
    assert!(c.events().is_empty());
}

#[test]
fn a_heartbeat_that_cannot_be_written_stalls_too() {
    let mut c = with_heartbeat(10);
    c.stalled = true;
    for _ in 0..24 {
        c.pass(SECOND);
        c.say(&AMQPFrame::Heartbeat);
    }
    assert!(c.events().is_empty());
    c.pass(SECOND);
    assert_eq!(c.error(), Error::Stalled { heartbeat_s: 10 });
}

#[test]
fn without_a_heartbeat_nothing_is_ever_due() {
    let mut c = with_heartbeat(0);
    assert_eq!(c.client.deadline(), None);
    c.client.publish(&MESSAGE, c.now).unwrap();
    assert_eq!(c.client.deadline(), None);
}

#[test]
fn who_wants_no_heartbeat_has_none_whatever_the_broker_proposes() {
    let mut c = Conversation::at(Options { heartbeat_s: 0, ..OPTIONS }, Step::Login);
    c.say(&peer::tune(131_072, 60));
    c.finish_handshake();
    c.pass(1000 * SECOND);
    assert!(c.hear_all().is_empty() && c.events().is_empty());
    assert_eq!(c.client.deadline(), None);
}

#[test]
fn a_process_that_slept_past_every_deadline_ends_with_one_close_and_nothing_after_it() {
    let mut c = with_heartbeat(10);
    c.client.publish(&MESSAGE, c.now).unwrap();
    c.settle();
    c.say(&peer::nack(1, false));
    c.event();
    c.hear_all();
    // No timer on the way: the time jumps, as after a suspend.
    c.now = c.now + 1000 * SECOND;
    c.client.timed_out(c.now);
    c.settle();
    assert_eq!(c.hear_all(), [peer::close(200, "end")]);
    assert_eq!(c.error(), Error::Silent { heartbeat_s: 10 });
}

/// A client with a deadline for confirms, which has published `n` messages.
fn awaiting(n: u64) -> Conversation<'static> {
    let mut c = Conversation::ready(Options { heartbeat_s: 0, ..OPTIONS });
    (1..=n).for_each(|tag| assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag)));
    c.settle();
    c.hear_all();
    c
}

#[test]
fn a_node_that_lives_and_confirms_nothing_is_given_up_after_the_time_for_confirms() {
    let mut c = awaiting(1);
    for tag in 2..=30 {
        c.pass(SECOND);
        c.say(&AMQPFrame::Heartbeat);
        assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag));
        c.settle();
    }
    assert!(c.events().is_empty());
    c.hear_all();
    c.pass(SECOND);
    assert_eq!(c.hear_all(), [peer::close(200, "end")]);
    c.say(&peer::close_ok());
    let error = c.error();
    assert_eq!((error.retry(), &error), (Retry::Soon, &Error::Unconfirmed { timeout: 30 * SECOND }));
    assert_eq!(error.to_string(), "a report has not been confirmed for 30 s");
}

#[test]
fn one_message_that_is_never_answered_is_noticed_though_others_are() {
    let mut c = awaiting(1);
    for tag in 2..=30 {
        c.pass(SECOND);
        c.client.publish(&MESSAGE, c.now).unwrap();
        c.settle();
        c.say(&peer::ack(tag, false));
        // The owner knows that the first is unanswered.
        c.client.answered(Some(1), c.now);
    }
    assert_eq!(c.events().len(), 29);
    c.pass(SECOND);
    c.say(&peer::close_ok());
    assert!(matches!(c.error(), Error::Unconfirmed { .. }));
}

#[test]
fn a_backlog_over_a_link_that_crawls_has_the_time_for_each_message() {
    let mut c = awaiting(20);
    for tag in 1..=19 {
        c.pass(29 * SECOND);
        c.say(&peer::ack(tag, false));
        c.client.answered(Some(tag + 1), c.now);
        assert_eq!(c.client.deadline(), Some(c.now + 30 * SECOND));
    }
    c.say(&peer::ack(20, false));
    c.client.answered(None, c.now);
    assert_eq!((c.client.deadline(), c.events().len()), (None, 20));
}

#[test]
fn while_the_broker_blocks_nothing_has_to_be_confirmed_in_time() {
    let mut c = awaiting(1);
    c.pass(29 * SECOND);
    c.say(&peer::blocked("low on memory"));
    c.pass(1000 * SECOND);
    c.say(&peer::unblocked());
    assert_eq!(c.events().len(), 2);
    c.pass(29 * SECOND);
    assert!(c.events().is_empty());
    c.pass(SECOND);
    c.say(&peer::close_ok());
    assert!(matches!(c.error(), Error::Unconfirmed { .. }));
}

#[test]
fn a_process_that_slept_looks_at_its_confirms_before_it_misses_them() {
    let mut c = awaiting(1);
    c.now = c.now + 1000 * SECOND;
    c.client.timed_out(c.now);
    c.say(&peer::ack(1, false));
    assert_eq!(c.events(), [psistats_core::amqp::Event::Confirmed { tag: 1, multiple: false }]);
}

#[test]
fn time_that_passes_without_anything_due_changes_nothing() {
    let mut c = with_heartbeat(10);
    let due = c.client.deadline();
    c.client.timed_out(c.now);
    c.client.timed_out(c.now + SECOND);
    assert_eq!(c.client.deadline(), due);
    c.settle();
    assert!(c.hear_all().is_empty() && c.events().is_empty());
}
