//! A broker that refuses the queue of our own, or does not answer about it: publishing goes on without.

use std::time::Duration;

use psistats_core::amqp::{Error, Event, Exchange, Options, Step};
use psistats_core::bytes::Text;

use super::peer::{self, AMQPClass, AMQPFrame, Conversation, OPTIONS, basic};
use super::{MESSAGE, SECOND};

const PATIENT: Options<'static> = Options { heartbeat_s: 0, retry: RETRY, ..OPTIONS };

const RETRY: Duration = Duration::from_secs(4);

const LOCKED: &str = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'psistats.raspi'";

/// Answers `n` requests as usual; the steps to which they led.
fn answer(c: &mut Conversation<'_>, n: usize) -> Vec<(u16, Step)> {
    let asked = std::iter::from_fn(|| {
        let frame = c.hear();
        c.say(&peer::usual_answer(&frame).unwrap_or_else(|| panic!("{frame:?}")));
        let AMQPFrame::Method(channel, _) = frame else { panic!("{frame:?}") };
        Some((channel, peer::step_after(&frame).unwrap_or(Step::Closing)))
    });
    asked.take(n).collect()
}

/// A client that publishes on channel 1, whose queue has just been refused.
fn refused(options: Options<'static>) -> Conversation<'static> {
    let mut c = Conversation::at(options, Step::Queue);
    c.say(&peer::channel_close(405, LOCKED));
    assert_eq!(c.hear(), peer::channel_close_ok());
    assert_eq!(c.event(), Some(Event::QueueRefused { code: 405, text: Text::lossy(LOCKED.as_bytes()) }));
    assert_eq!(answer(&mut c, 2), [(1, Step::Channel), (1, Step::Confirms)], "the same connection");
    assert!(matches!(c.event(), Some(Event::Ready { .. })));
    c
}

fn publishes_on(c: &mut Conversation<'_>, channel: u16) {
    let tag = c.client.publish(&MESSAGE, c.now).expect("it publishes");
    c.settle();
    let frames = c.hear_all();
    let on = |frame: &AMQPFrame| match frame {
        AMQPFrame::Method(on, AMQPClass::Basic(basic::AMQPMethod::Publish(_))) => *on,
        AMQPFrame::Header(on, _) | AMQPFrame::Body(on, _) => *on,
        other => panic!("{other:?}"),
    };
    assert_eq!(frames.iter().map(on).collect::<Vec<_>>(), [channel; 3]);
    c.say(&peer::on(channel, peer::ack(tag, false)));
    assert_eq!(c.event(), Some(Event::Confirmed { tag, multiple: false }));
    c.client.answered(None, c.now);
}

#[test]
fn fault_18_a_queue_that_is_held_is_asked_for_again_on_a_second_channel_after_waits_that_grow() {
    let mut c = refused(PATIENT);
    let mut wait = PATIENT.retry;
    for _ in 0..8 {
        publishes_on(&mut c, 1);
        c.pass(wait - SECOND / 10);
        assert_eq!(c.hear_all(), [], "{wait:?}");
        c.pass(SECOND / 10);
        assert_eq!(answer(&mut c, 1), [(2, Step::Channel)], "{wait:?}");
        assert_eq!(peer::step_after(&c.hear()), Some(Step::Queue));
        publishes_on(&mut c, 1);
        c.say(&peer::on(2, peer::channel_close(405, LOCKED)));
        assert!(matches!(c.event(), Some(Event::QueueRefused { code: 405, .. })));
        assert_eq!(c.hear_all(), [peer::on(2, peer::channel_close_ok())]);
        wait = (wait * 3 / 2).min(8 * PATIENT.retry);
    }
    c.pass(wait);
    assert_eq!(answer(&mut c, 3), [(2, Step::Channel), (2, Step::Queue), (2, Step::Binding)]);
    assert_eq!(c.event(), Some(Event::QueueDeclared));
    assert_eq!(answer(&mut c, 1), [(2, Step::Closing)], "the second channel is for that only");
    c.pass(1000 * SECOND);
    publishes_on(&mut c, 1);
    // From now on a report that comes back means that the queue was deleted.
    c.say(&peer::basic_return());
    c.say(&peer::close_ok());
    assert!(matches!(c.error(), Error::Unroutable { .. }));
}

#[test]
fn a_queue_whose_node_is_down_is_refused_likewise() {
    let mut c = Conversation::at(PATIENT, Step::Queue);
    c.say(&peer::channel_close(404, "NOT_FOUND - home node 'rabbit@b' of durable queue is down"));
    assert!(matches!(c.event(), Some(Event::QueueRefused { code: 404, .. })));
    c.hear();
    answer(&mut c, 2);
    assert!(matches!(c.event(), Some(Event::Ready { .. })));
    publishes_on(&mut c, 1);
}

#[test]
fn a_declaration_without_an_answer_holds_nothing_back_and_counts_when_it_is_answered_after_all() {
    for step in [Step::Queue, Step::Binding] {
        let mut c = Conversation::at(PATIENT, step);
        let unanswered = if step == Step::Queue {
            peer::on_channel(AMQPClass::Queue(peer::queue::AMQPMethod::DeclareOk(Default::default())))
        } else {
            peer::on_channel(AMQPClass::Queue(peer::queue::AMQPMethod::BindOk(Default::default())))
        };
        c.pass(2 * SECOND);
        assert_eq!(c.event(), Some(Event::QueueUnanswered));
        assert_eq!(answer(&mut c, 2), [(2, Step::Channel), (2, Step::Confirms)]);
        assert!(matches!(c.event(), Some(Event::Ready { .. })));
        publishes_on(&mut c, 2);
        c.pass(100 * SECOND);
        assert_eq!(c.hear_all(), [], "it waits for the answer");
        c.say(&unanswered);
        if step == Step::Queue {
            assert_eq!(answer(&mut c, 1), [(1, Step::Binding)]);
        }
        assert_eq!(c.event(), Some(Event::QueueDeclared));
        assert_eq!(answer(&mut c, 1), [(1, Step::Closing)]);
        publishes_on(&mut c, 2);
    }
}

#[test]
fn an_answer_that_comes_while_the_other_channel_is_opened_is_as_good() {
    let mut c = Conversation::at(PATIENT, Step::Binding);
    c.pass(2 * SECOND);
    let open = c.hear();
    c.say(&peer::on_channel(AMQPClass::Queue(peer::queue::AMQPMethod::BindOk(Default::default()))));
    c.say(&peer::usual_answer(&open).unwrap());
    assert_eq!(answer(&mut c, 2), [(1, Step::Closing), (2, Step::Confirms)]);
    assert!(matches!(c.events()[..], [Event::QueueUnanswered, Event::QueueDeclared, Event::Ready { .. }]));
    publishes_on(&mut c, 2);
}

#[test]
fn while_the_queue_is_missing_reports_that_come_back_are_kept_until_it_is_there() {
    let mut c = refused(PATIENT);
    let tag = c.client.publish(&MESSAGE, c.now).unwrap();
    c.settle();
    c.hear_all();
    c.say(&peer::basic_return());
    c.say(&peer::ack(tag, false));
    assert!(matches!(c.events()[..], [Event::Returned { .. }, Event::Doubtful { .. }]));
    c.client.answered(None, c.now);
    c.client.settled();
    assert!(!c.client.can_publish());
    // The queue is asked for when the report is tried again; then it need not wait any longer.
    c.pass(PATIENT.retry);
    assert_eq!(answer(&mut c, 1), [(2, Step::Channel)]);
    let tag = c.client.publish(&MESSAGE, c.now).unwrap();
    c.settle();
    let declare = c.hear();
    c.hear_all();
    c.say(&peer::basic_return());
    c.say(&peer::ack(tag, false));
    c.client.settled();
    c.events();
    c.say(&peer::usual_answer(&declare).unwrap());
    answer(&mut c, 1);
    assert_eq!(c.event(), Some(Event::QueueDeclared));
    c.pass(Duration::ZERO);
    assert!(c.client.can_publish());
}

#[test]
fn a_queue_of_the_default_exchange_needs_no_binding() {
    let exchange = Exchange { name: "", ..OPTIONS.exchange };
    let mut c = refused(Options { exchange, ..PATIENT });
    c.pass(PATIENT.retry);
    assert_eq!(answer(&mut c, 3), [(2, Step::Channel), (2, Step::Queue), (2, Step::Closing)]);
    assert_eq!(c.event(), Some(Event::QueueDeclared));
}

#[test]
fn a_broker_that_allows_one_channel_is_not_asked_for_another() {
    let mut c = Conversation::at(PATIENT, Step::Login);
    let tune = peer::connection::Tune { channel_max: 1, frame_max: 131_072, heartbeat: 60 };
    c.say(&peer::on_connection(peer::connection::AMQPMethod::Tune(tune)));
    let AMQPFrame::Method(0, AMQPClass::Connection(peer::connection::AMQPMethod::TuneOk(tuned))) = c.hear()
    else {
        panic!("expected Tune-Ok")
    };
    assert_eq!(tuned.channel_max, 1);
    answer(&mut c, 3);
    assert_eq!(peer::step_after(&c.hear()), Some(Step::Queue));
    c.say(&peer::channel_close(405, LOCKED));
    c.hear();
    answer(&mut c, 2);
    c.events();
    publishes_on(&mut c, 1);
    c.pass(1000 * SECOND);
    assert_eq!(c.hear_all(), []);
}
