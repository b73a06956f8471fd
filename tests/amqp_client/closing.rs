//! The ends: ours, the broker's, the transport's.

use psistats_core::amqp::{Error, Event, Mechanism, Scope, Step, Violation};
use psistats_core::link::Link;
use psistats_core::time::Instant;

use super::peer::{self, AMQPFrame, Conversation, OPTIONS};
use super::{MESSAGE, SECOND};

#[test]
fn an_orderly_close_ends_well_with_close_ok() {
    let mut c = Conversation::ready(OPTIONS);
    c.client.publish(&MESSAGE, c.now);
    c.client.close(c.now);
    assert!(!c.client.can_publish());
    c.settle();
    let heard = c.hear_all();
    assert_eq!(heard.len(), 4, "what was published goes first: {heard:?}");
    assert_eq!(heard.last(), Some(&peer::close(200, "end")));
    assert_eq!(c.events(), []);
    c.say(&peer::close_ok());
    assert_eq!(c.end(), Ok(()));
}

#[test]
fn an_orderly_close_is_bounded_in_time_also_while_blocked_or_stalled() {
    for (blocked, stalled) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut c = Conversation::ready(OPTIONS);
        if blocked {
            c.say(&peer::blocked("memory"));
            c.event();
        }
        c.stalled = stalled;
        c.client.close(c.now);
        c.settle();
        assert_eq!(c.client.deadline(), Some(c.now + SECOND));
        c.pass(SECOND);
        assert_eq!(c.end(), Ok(()));
        assert_eq!(c.client.deadline(), None);
    }
}

#[test]
fn while_closing_all_but_close_and_close_ok_is_passed_over() {
    let mut c = Conversation::ready(OPTIONS);
    c.client.publish(&MESSAGE, c.now);
    c.client.close(c.now);
    c.settle();
    c.hear_all();
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 1, properties: Default::default() };
    for frame in [
        peer::ack(1, false),
        peer::ack(99, false),
        peer::basic_return(),
        AMQPFrame::Header(1, header),
        AMQPFrame::Body(1, vec![1]),
        AMQPFrame::Heartbeat,
        peer::blocked("memory"),
        peer::unblocked(),
        peer::flow(false),
        peer::channel_close(404, "NOT_FOUND"),
        peer::tune(0, 0),
    ] {
        c.say(&frame);
        assert_eq!((c.events(), c.hear_all()), (vec![], vec![]), "{frame:?}");
    }
    c.say(&peer::close_ok());
    assert_eq!(c.end(), Ok(()));
}

#[test]
fn a_close_that_crosses_ours_is_answered_and_our_reason_stands() {
    let mut c = Conversation::ready(OPTIONS);
    c.client.close(c.now);
    c.settle();
    c.hear_all();
    c.say(&peer::close(320, "CONNECTION_FORCED"));
    assert_eq!(c.hear_all(), [peer::close_ok()]);
    assert_eq!(c.end(), Ok(()));

    let mut c = Conversation::ready(OPTIONS);
    c.client.fail(Error::NoMechanism(Mechanism::Plain), c.now);
    c.say(&peer::close(541, "INTERNAL_ERROR"));
    assert_eq!(c.error(), Error::NoMechanism(Mechanism::Plain));
}

#[test]
fn fault_14_a_close_of_the_connection_is_answered_at_every_step() {
    for step in [
        Step::Login,
        Step::VirtualHost,
        Step::Channel,
        Step::Exchange,
        Step::Queue,
        Step::Binding,
        Step::Confirms,
        Step::Ready,
    ] {
        let mut c = Conversation::at(OPTIONS, step);
        c.hear_all();
        c.say(&peer::close(320, "CONNECTION_FORCED"));
        assert_eq!(c.hear_all(), [peer::close_ok()]);
        let error = c.error();
        let Error::Closed { scope: Scope::Connection, code: 320, step: at, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(at, step);
    }
}

#[test]
fn a_close_of_the_channel_is_answered_and_the_connection_closed_after_it() {
    for step in [Step::Channel, Step::Exchange, Step::Queue, Step::Binding, Step::Confirms, Step::Ready] {
        let mut c = Conversation::at(OPTIONS, step);
        c.hear_all();
        c.say(&peer::channel_close(403, "ACCESS_REFUSED"));
        assert_eq!(c.hear_all(), [peer::channel_close_ok(), peer::close(200, "end")]);
        assert!(!c.client.can_publish());
        assert_eq!(c.events(), []);
        c.say(&peer::close_ok());
        let error = c.error();
        let Error::Closed { scope: Scope::Channel, code: 403, step: at, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(at, step);
    }
}

#[test]
fn closing_before_the_virtual_host_is_open_needs_no_words() {
    for step in [Step::Greeting, Step::Login] {
        let mut c = Conversation::at(OPTIONS, step);
        c.hear_all();
        c.client.close(c.now);
        c.settle();
        assert_eq!(c.hear_all(), []);
        assert_eq!(c.end(), Ok(()));
    }
    for step in [Step::VirtualHost, Step::Exchange] {
        let mut c = Conversation::at(OPTIONS, step);
        c.hear_all();
        c.client.close(c.now);
        c.settle();
        assert_eq!(c.hear_all(), [peer::close(200, "end")]);
        c.say(&peer::close_ok());
        assert_eq!(c.end(), Ok(()));
    }
}

#[test]
fn an_end_that_no_octet_brings_is_due_at_once() {
    let now = Instant::default() + 5 * SECOND;
    let mut client = peer::client(OPTIONS, now);
    client.close(now);
    assert!(client.deadline().is_some_and(|due| due <= now), "its owner would wait for ever");
    client.timed_out(now);
    assert_eq!(client.poll_event(now), Some(Event::Ended(Ok(()))));
    assert_eq!(client.deadline(), None);
}

#[test]
fn the_end_is_told_once_and_nothing_moves_after_it() {
    let mut c = Conversation::ready(OPTIONS);
    c.client.disconnected();
    c.client.disconnected();
    c.client.close(c.now);
    c.client.fail(Violation::Content.into(), c.now);
    c.settle();
    assert_eq!(c.events(), [Event::Ended(Err(Error::Disconnected(Step::Ready)))]);
    c.client.close(c.now);
    c.client.received(100, c.now);
    c.client.timed_out(c.now + 100 * SECOND);
    c.client.disconnected();
    c.settle();
    assert_eq!(c.events(), []);
    assert_eq!(c.hear_all(), []);
    assert_eq!(c.client.publish(&MESSAGE, c.now), None);
    assert!(c.client.recv_space().is_empty());
    assert_eq!(c.client.deadline(), None);
}

#[test]
fn a_transport_that_ends_while_closing_is_no_error() {
    let mut c = Conversation::ready(OPTIONS);
    c.client.close(c.now);
    c.client.disconnected();
    c.settle();
    assert_eq!(c.end(), Ok(()));
}

#[test]
fn what_lies_behind_a_close_in_the_same_read_is_not_looked_at() {
    let mut octets = peer::encode(&peer::close(320, "CONNECTION_FORCED"));
    octets.extend(peer::encode(&peer::ack(1, false)));
    octets.extend(b"and garbage");
    let mut c = Conversation::ready(OPTIONS);
    c.say_octets(&octets);
    assert!(matches!(c.error(), Error::Closed { code: 320, .. }));
    assert_eq!(c.events(), []);
}
