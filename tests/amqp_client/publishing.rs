//! Ready: publishes, confirms, and what holds them back.

use std::time::Duration;

use psistats_core::amqp::{Error, Event, Options, Step, Violation};
use psistats_core::limits;
use psistats_core::link::{Link, Retry};

use super::peer::{self, AMQPClass, AMQPFrame, Conversation, OPTIONS, basic};
use super::{MESSAGE, SECOND};

/// A client with `n` messages in flight.
fn in_flight(n: u64) -> Conversation<'static> {
    let mut c = Conversation::ready(OPTIONS);
    for tag in 1..=n {
        assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag));
    }
    c.settle();
    c.hear_all();
    c
}

#[test]
fn fault_20_confirms_and_refusals_are_told_tag_by_tag_as_they_come() {
    let mut c = in_flight(6);
    for frame in [peer::ack(3, false), peer::ack(2, true), peer::nack(5, false), peer::ack(6, true)] {
        c.say(&frame);
    }
    assert_eq!(
        c.events(),
        [
            Event::Confirmed { tag: 3, multiple: false },
            Event::Confirmed { tag: 2, multiple: true },
            Event::Refused { tag: 5, multiple: false },
            Event::Confirmed { tag: 6, multiple: true },
        ]
    );
}

#[test]
fn what_was_refused_is_published_again_alone_after_waits_that_grow_while_others_go_on() {
    let retry = 4 * SECOND;
    let mut c =
        Conversation::ready(Options { retry, heartbeat_s: 0, confirm_timeout: Duration::ZERO, ..OPTIONS });
    (1..=3).for_each(|tag| assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag)));
    c.settle();
    c.say(&peer::nack(2, true));
    c.say(&peer::ack(3, false));
    assert_eq!(c.events().len(), 2);
    let (mut wait, mut tag) = (retry, 3);
    for _ in 0..8 {
        c.pass(wait - SECOND / 10);
        assert_eq!(c.client.publish_again(&MESSAGE, c.now), None, "{wait:?}");
        tag += 1;
        assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag), "a new one need not wait");
        c.pass(SECOND / 10);
        tag += 1;
        assert_eq!(c.client.publish_again(&MESSAGE, c.now), Some(tag), "{wait:?}");
        assert_eq!(c.client.publish_again(&MESSAGE, c.now), None, "alone");
        c.settle();
        c.say(&peer::nack(tag, true));
        tag += 1;
        assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag));
        c.settle();
        c.say(&peer::ack(tag, false));
        wait = (wait * 3 / 2).min(8 * retry);
    }
    c.pass(8 * retry);
    assert_eq!(c.client.publish_again(&MESSAGE, c.now), Some(tag + 1));
    c.settle();
    c.say(&peer::ack(tag + 1, false));
    assert_eq!(c.client.publish_again(&MESSAGE, c.now), Some(tag + 2), "the next one at once");
    c.settle();
    c.say(&peer::nack(tag + 2, false));
    assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag + 3));
    c.settle();
    c.say(&peer::ack(tag + 3, false));
    c.pass(retry);
    assert!(c.client.can_publish_again(), "the first wait is short again");
}

#[test]
fn a_channel_that_has_confirmed_nothing_since_is_replaced_before_what_was_refused_is_tried_again() {
    let retry = 4 * SECOND;
    let options = Options { retry, heartbeat_s: 0, confirm_timeout: Duration::ZERO, ..OPTIONS };
    let refused = || {
        let mut c = Conversation::ready(options);
        (1..=2).for_each(|tag| assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag)));
        c.settle();
        c.say(&peer::nack(1, false));
        c.pass(retry);
        c.hear_all();
        assert_eq!(
            (c.client.publish_again(&MESSAGE, c.now), c.client.publish(&MESSAGE, c.now)),
            (None, None)
        );
        c.events();
        c
    };
    let mut c = refused();
    c.say(&peer::nack(2, false));
    c.client.idle(c.now);
    c.settle();
    for step in [None, Some(Step::Channel), Some(Step::Confirms)] {
        let asked = c.hear();
        assert_eq!(peer::step_after(&asked), step);
        c.say(&peer::usual_answer(&asked).unwrap());
    }
    assert_eq!(c.events(), [Event::Refused { tag: 2, multiple: false }], "nobody has to be told");
    assert_eq!(c.client.publish_again(&MESSAGE, c.now), Some(3));
    assert_eq!(c.client.publish(&MESSAGE, c.now), Some(4));
    c.settle();
    // The broker counts anew.
    c.say(&peer::ack(2, true));
    assert_eq!(c.events(), [Event::Confirmed { tag: 4, multiple: true }]);
    c.say(&peer::ack(3, false));
    c.say(&peer::close_ok());
    assert_eq!(c.error(), Error::Violation(Violation::UnknownTag(3)));

    // What is never answered does not hold the others back for ever.
    let mut c = refused();
    c.pass(5 * SECOND);
    assert_eq!(c.client.publish_again(&MESSAGE, c.now), Some(3));
}

#[test]
fn a_broker_that_answers_with_refusals_alone_is_given_up_where_another_may_do() {
    let never = Duration::ZERO;
    let options = Options { heartbeat_s: 0, confirm_timeout: never, retry: 3600 * SECOND, ..OPTIONS };
    for (refused_timeout, acked, until) in
        [(30 * SECOND, None, Some(30)), (30 * SECOND, Some(20), Some(50)), (never, None, None)]
    {
        let mut c = Conversation::ready(Options { refused_timeout, ..options });
        let mut given_up = None;
        for second in 0..100 {
            let Some(tag) = c.client.publish(&MESSAGE, c.now) else {
                given_up = given_up.or(Some(second));
                continue;
            };
            c.settle();
            c.say(&if acked == Some(second) { peer::ack(tag, false) } else { peer::nack(tag, false) });
            c.pass(SECOND);
        }
        assert_eq!(given_up, until.map(|until| until + u64::from(acked.is_some())));
    }
}

#[test]
fn fault_21_an_answer_for_tag_0_or_one_never_given_is_a_protocol_error() {
    for multiple in [false, true] {
        for tag in [0, 3, u64::MAX, u64::MAX - 1] {
            for frame in [peer::ack(tag, multiple), peer::nack(tag, multiple)] {
                let mut c = in_flight(2);
                c.say(&frame);
                let error = c.error();
                assert_eq!(error, Error::Violation(Violation::UnknownTag(tag)));
                assert_eq!(error.retry(), Retry::Soon);
                assert_eq!(c.hear_all(), [peer::close(406, "protocol error")]);
            }
        }
    }
}

#[test]
fn fault_21_an_answer_that_comes_twice_is_one_when_the_owner_says_so() {
    // Which tags are in flight is the outbox's knowledge; the owner passes its verdict on.
    let mut outbox = psistats_core::outbox::Outbox::new([0; 1024]);
    let mut c = Conversation::ready(OPTIONS);
    outbox.push(0, MESSAGE.body).unwrap();
    outbox.mark_sent(c.client.publish(&MESSAGE, c.now).unwrap());
    c.say(&peer::ack(1, false));
    c.say(&peer::ack(1, false));
    let mut verdicts = Vec::new();
    for event in c.events() {
        let Event::Confirmed { tag, multiple } = event else { panic!("{event:?}") };
        verdicts.push(outbox.confirm(tag, multiple));
    }
    assert_eq!(verdicts, [Ok(()), Err(psistats_core::outbox::UnknownTicket)]);
    c.client.fail(Violation::UnknownTag(1).into(), c.now);
    c.settle();
    assert_eq!(c.hear_all().last(), Some(&peer::close(406, "protocol error")));
    c.say(&peer::close_ok());
    assert_eq!(c.error(), Error::Violation(Violation::UnknownTag(1)));
}

#[test]
fn fault_19_a_returned_message_and_its_ack_do_not_count_as_stored() {
    let mut c = in_flight(2);
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 3, properties: Default::default() };
    c.say(&peer::basic_return());
    c.say(&AMQPFrame::Header(1, header));
    c.say(&AMQPFrame::Body(1, b"{}\n".to_vec()));
    c.say(&peer::ack(1, false));
    assert_eq!(c.events(), [], "no answer after a Return is believed");
    assert!(!c.client.can_publish());
    assert_eq!(c.hear_all(), [peer::close(200, "end")]);
    c.say(&peer::close_ok());
    let error = c.error();
    assert!(matches!(error, Error::Unroutable { code: 312, .. }));
    assert!(error.to_string().contains("the queue or its binding was deleted"), "{error}");
}

/// The broker returns a message.
fn give_back(c: &mut Conversation<'_>) {
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 3, properties: Default::default() };
    c.say(&peer::basic_return());
    c.say(&AMQPFrame::Header(1, header));
    c.say(&AMQPFrame::Body(1, b"{}\n".to_vec()));
}

#[test]
fn fault_19_without_a_queue_of_ours_the_connection_stays_and_messages_are_tried_alone_until_one_is_taken() {
    let retry = 4 * SECOND;
    let mut c = Conversation::ready(Options {
        queue: None,
        retry,
        heartbeat_s: 0,
        confirm_timeout: Duration::ZERO,
        ..OPTIONS
    });
    (1..=2).for_each(|tag| assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag)));
    c.settle();
    c.hear_all();
    for _ in 0..2 {
        give_back(&mut c);
    }
    c.say(&peer::ack(2, true));
    let Some(Event::Returned { code: 312, .. }) = c.event() else { panic!("expected Returned") };
    assert_eq!(c.events(), [Event::Doubtful { tag: 2, multiple: true }], "told once; no Ack is believed");
    c.client.settled();

    // 4 s, and each time half as much again, but not for ever.
    let mut wait = retry;
    for tag in 3..13 {
        c.pass(wait - SECOND / 10);
        assert_eq!(c.client.publish(&MESSAGE, c.now), None, "{wait:?}");
        c.pass(SECOND / 10);
        assert_eq!(c.client.publish(&MESSAGE, c.now), Some(tag), "{wait:?}");
        assert_eq!(c.client.publish(&MESSAGE, c.now), None, "alone");
        c.settle();
        c.hear_all();
        give_back(&mut c);
        c.say(&peer::ack(tag, false));
        assert_eq!(c.events(), [Event::Doubtful { tag, multiple: false }], "nobody has to be told again");
        c.client.settled();
        wait = (wait * 3 / 2).min(8 * retry);
    }
    c.pass(8 * retry);
    assert_eq!(c.client.publish(&MESSAGE, c.now), Some(13));
    c.say(&peer::ack(13, false));
    assert_eq!(c.events(), [Event::Confirmed { tag: 13, multiple: false }]);
    assert_eq!([0; 2].map(|_| c.client.publish(&MESSAGE, c.now)), [Some(14), Some(15)]);
    // Again, it is news, and the first wait is short.
    give_back(&mut c);
    assert!(matches!(c.events()[..], [Event::Returned { .. }]));
    c.client.settled();
    c.pass(retry);
    assert!(c.client.can_publish());
}

#[test]
fn blocked_and_unblocked_are_told_where_they_change_something() {
    let mut c = in_flight(0);
    c.say(&peer::unblocked());
    assert_eq!(c.events(), []);
    for _ in 0..3 {
        c.say(&peer::blocked("low on memory"));
    }
    for _ in 0..3 {
        c.say(&peer::unblocked());
    }
    assert!(matches!(c.events()[..], [Event::Blocked(_), Event::Unblocked]));
}

#[test]
fn fault_25_a_giant_return_is_passed_over_in_fixed_memory() {
    let mut c = in_flight(1);
    let properties = basic::AMQPProperties::default().with_app_id("x".repeat(255).into());
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 10_000_000, properties };
    c.say(&peer::basic_return());
    c.say(&AMQPFrame::Header(1, header));
    let piece = peer::encode(&AMQPFrame::Body(1, vec![0xCE; 100_000]));
    for _ in 0..100 {
        c.say_octets(&piece);
    }
    c.say(&peer::close_ok());
    assert!(matches!(c.error(), Error::Unroutable { .. }));
}

#[test]
fn content_that_no_return_announced_is_a_protocol_error() {
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 1, properties: Default::default() };
    for frame in [AMQPFrame::Header(1, header), AMQPFrame::Body(1, vec![0])] {
        let mut c = in_flight(1);
        c.say(&frame);
        assert_eq!(c.error(), Error::Violation(Violation::Content));
        assert_eq!(c.hear_all(), [peer::close(505, "protocol error")]);
    }
}

#[test]
fn fault_10_blocked_stops_publishing_but_confirms_and_heartbeats_go_on() {
    let mut c = in_flight(1);
    c.say(&peer::blocked("low on memory"));
    let Some(Event::Blocked(reason)) = c.event() else { panic!("expected Blocked") };
    assert_eq!(reason.as_str(), "low on memory");
    assert_eq!(c.client.publish(&MESSAGE, c.now), None);
    c.pass(30 * SECOND);
    assert_eq!(c.hear_all(), [AMQPFrame::Heartbeat]);
    c.say(&peer::ack(1, false));
    assert_eq!(c.event(), Some(Event::Confirmed { tag: 1, multiple: false }));
    c.say(&peer::unblocked());
    assert_eq!(c.event(), Some(Event::Unblocked));
    assert_eq!(c.client.publish(&MESSAGE, c.now), Some(2));
}

#[test]
fn channel_flow_stops_publishing_until_it_is_active_again() {
    let mut c = in_flight(1);
    c.say(&peer::flow(false));
    assert!(!c.client.can_publish());
    c.say(&peer::unblocked());
    assert!(!c.client.can_publish(), "Unblocked does not lift a flow");
    c.say(&peer::flow(true));
    assert!(c.client.can_publish());
    assert_eq!(c.hear_all().len(), 2);
}

#[test]
fn a_full_buffer_takes_no_message_in_part_and_goes_on_when_there_is_room() {
    let mut c = Conversation::ready(OPTIONS);
    c.stalled = true;
    let body = [b'x'; limits::REPORT];
    let message = psistats_core::amqp::Publish { body: &body, ..MESSAGE };
    let mut published = 0;
    while let Some(tag) = c.client.publish(&message, c.now) {
        published += 1;
        assert_eq!(tag, published);
    }
    let whole = (limits::AMQP_SEND / (limits::REPORT + 256)) as u64;
    assert!(published >= whole, "{published} of {whole} reports fit");
    assert!(c.client.outgoing().len() <= limits::AMQP_SEND);
    // Answers to the broker find room all the same.
    c.say(&peer::flow(true));
    assert!(c.events().is_empty());
    c.stalled = false;
    c.settle();
    let whole = c.hear_all().into_iter().filter(|f| matches!(f, AMQPFrame::Body(1, b) if *b == body));
    assert_eq!(whole.count() as u64, published);
    assert_eq!(c.client.publish(&message, c.now), Some(published + 1));
}

#[test]
fn a_partial_write_goes_on_where_it_stopped() {
    let mut whole = Conversation::ready(OPTIONS);
    whole.client.publish(&MESSAGE, whole.now);
    let expected = whole.client.outgoing().to_vec();
    for taken in 0..=expected.len() {
        let mut c = Conversation::ready(OPTIONS);
        c.client.publish(&MESSAGE, c.now);
        let mut written = c.client.outgoing()[..taken].to_vec();
        c.client.sent(taken, c.now);
        c.client.publish(&MESSAGE, c.now);
        written.extend_from_slice(c.client.outgoing());
        assert_eq!(written, [&expected[..], &expected[..]].concat());
        assert_eq!(peer::take_frames(&mut written).len(), 6);
    }
}

#[test]
fn a_broker_that_asks_without_reading_is_given_up() {
    let mut c = Conversation::ready(OPTIONS);
    c.stalled = true;
    let flow = peer::encode(&peer::flow(true));
    for _ in 0..limits::AMQP_SEND / flow.len() + 2 {
        c.say_octets(&flow);
    }
    assert_eq!(c.error(), Error::Violation(Violation::Flood));
}

#[test]
fn messages_are_published_to_the_default_exchange_by_the_queue_s_name() {
    let exchange = psistats_core::amqp::Exchange { name: "", ..OPTIONS.exchange };
    let mut c = Conversation::ready(Options { exchange, ..OPTIONS });
    c.client.publish(&MESSAGE, c.now);
    c.settle();
    let AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Publish(publish))) = c.hear() else {
        panic!("expected Basic.Publish")
    };
    assert_eq!((publish.exchange.as_str(), publish.routing_key.as_str()), ("", "psistats.raspi"));
}
