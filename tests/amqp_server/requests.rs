//! What a publisher asks for beside publishing: everything is agreed to, and what is a broker's is refused.

use psistats_core::amqp::ServerError;

use super::guest::{Guest, REFUSAL, channel_open};
use super::peer::{AMQPClass, AMQPFrame, FieldTable, basic, channel, exchange, queue};

fn on(class: AMQPClass) -> AMQPFrame {
    AMQPFrame::Method(1, class)
}

fn exchange_declare(passive: bool, nowait: bool) -> AMQPFrame {
    on(AMQPClass::Exchange(exchange::AMQPMethod::Declare(exchange::Declare {
        exchange: "psistats".into(),
        kind: "topic".into(),
        passive,
        durable: true,
        auto_delete: true,
        internal: true,
        nowait,
        arguments: super::guest::table([("x", super::peer::AMQPValue::LongInt(1))]),
    })))
}

fn queue_declare(name: &str, passive: bool, nowait: bool) -> AMQPFrame {
    on(AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare {
        queue: name.into(),
        passive,
        durable: true,
        exclusive: true,
        auto_delete: true,
        nowait,
        arguments: FieldTable::default(),
    })))
}

fn declared(name: &str) -> AMQPFrame {
    let ok = queue::DeclareOk { queue: name.into(), message_count: 0, consumer_count: 0 };
    on(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)))
}

#[test]
fn every_declaration_is_agreed_to_unless_no_answer_is_wanted() {
    use exchange::AMQPMethod as Exchange;
    use queue::AMQPMethod as Queue;
    let text = || "psistats".into();
    let arguments = FieldTable::default;
    for nowait in [false, true] {
        let delete = exchange::Delete { exchange: text(), if_unused: true, nowait };
        let bind = exchange::Bind {
            destination: text(),
            source: text(),
            routing_key: text(),
            nowait,
            arguments: arguments(),
        };
        let unbind = exchange::Unbind {
            destination: text(),
            source: text(),
            routing_key: text(),
            nowait,
            arguments: arguments(),
        };
        let queue_bind = queue::Bind {
            queue: text(),
            exchange: text(),
            routing_key: text(),
            nowait,
            arguments: arguments(),
        };
        let queue_delete = queue::Delete { queue: text(), if_unused: true, if_empty: true, nowait };
        let purged = queue::PurgeOk { message_count: 0 };
        let deleted = queue::DeleteOk { message_count: 0 };
        for (request, answer) in [
            (
                exchange_declare(false, nowait),
                AMQPClass::Exchange(Exchange::DeclareOk(exchange::DeclareOk {})),
            ),
            (
                exchange_declare(true, nowait),
                AMQPClass::Exchange(Exchange::DeclareOk(exchange::DeclareOk {})),
            ),
            (
                on(AMQPClass::Exchange(Exchange::Delete(delete))),
                AMQPClass::Exchange(Exchange::DeleteOk(exchange::DeleteOk {})),
            ),
            (
                on(AMQPClass::Exchange(Exchange::Bind(bind))),
                AMQPClass::Exchange(Exchange::BindOk(exchange::BindOk {})),
            ),
            (
                on(AMQPClass::Exchange(Exchange::Unbind(unbind))),
                AMQPClass::Exchange(Exchange::UnbindOk(exchange::UnbindOk {})),
            ),
            (
                on(AMQPClass::Queue(Queue::Bind(queue_bind))),
                AMQPClass::Queue(Queue::BindOk(queue::BindOk {})),
            ),
            (
                on(AMQPClass::Queue(Queue::Purge(queue::Purge { queue: text(), nowait }))),
                AMQPClass::Queue(Queue::PurgeOk(purged)),
            ),
            (on(AMQPClass::Queue(Queue::Delete(queue_delete))), AMQPClass::Queue(Queue::DeleteOk(deleted))),
        ] {
            let mut g = Guest::ready();
            g.say(&request);
            let expected = if nowait { vec![] } else { vec![on(answer)] };
            assert_eq!(g.hear_all(), expected, "{request:?}");
            assert!(g.events.is_empty());
        }
    }
    let mut g = Guest::ready();
    g.say(&on(AMQPClass::Queue(Queue::Unbind(queue::Unbind {
        queue: text(),
        exchange: text(),
        routing_key: text(),
        arguments: arguments(),
    }))));
    assert_eq!(g.hear_all(), [on(AMQPClass::Queue(Queue::UnbindOk(queue::UnbindOk {})))]);
    let qos = basic::Qos { prefetch_count: 10, global: false };
    g.say(&on(AMQPClass::Basic(basic::AMQPMethod::Qos(qos))));
    assert_eq!(g.hear_all(), [on(AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})))]);
    for active in [false, true] {
        g.say(&on(AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active }))));
        let ok = channel::AMQPMethod::FlowOk(channel::FlowOk { active });
        assert_eq!(g.hear_all(), [on(AMQPClass::Channel(ok))]);
    }
}

#[test]
fn a_queue_is_called_as_was_asked_and_gets_a_name_where_it_has_none() {
    let mut g = Guest::ready();
    g.say(&queue_declare("psistats.pi-1", false, false));
    g.say(&queue_declare("psistats.pi-1", true, false));
    assert_eq!(g.hear_all(), [declared("psistats.pi-1"), declared("psistats.pi-1")]);
    let longest = "é".repeat(127);
    g.say(&queue_declare(&longest, false, false));
    assert_eq!(g.hear_all(), [declared(&longest)]);
    g.say(&queue_declare("", false, false));
    g.say(&queue_declare("", false, false));
    let (first, second) = (g.hear(), g.hear());
    assert_ne!(first, second);
    let AMQPFrame::Method(1, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))) = first else { panic!() };
    assert!(ok.queue.as_str().starts_with("amq.gen-"), "{ok:?}");
    g.say(&queue_declare("q", false, true));
    assert_eq!(g.hear_all(), []);
}

#[test]
fn whatever_only_consumers_use_is_540_with_the_owners_words() {
    use basic::AMQPMethod as Basic;
    let consume = basic::Consume {
        queue: "q".into(),
        consumer_tag: "".into(),
        no_local: false,
        no_ack: false,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    let tx = |method| on(AMQPClass::Tx(method));
    use amq_protocol::protocol::tx;
    for request in [
        on(AMQPClass::Basic(Basic::Consume(consume))),
        on(AMQPClass::Basic(Basic::Cancel(basic::Cancel { consumer_tag: "c".into(), nowait: true }))),
        on(AMQPClass::Basic(Basic::Get(basic::Get { queue: "q".into(), no_ack: true }))),
        on(AMQPClass::Basic(Basic::Reject(basic::Reject { delivery_tag: 1, requeue: false }))),
        on(AMQPClass::Basic(Basic::Recover(basic::Recover { requeue: false }))),
        on(AMQPClass::Basic(Basic::Ack(basic::Ack { delivery_tag: 1, multiple: false }))),
        tx(tx::AMQPMethod::Select(tx::Select {})),
        tx(tx::AMQPMethod::Commit(tx::Commit {})),
        tx(tx::AMQPMethod::Rollback(tx::Rollback {})),
    ] {
        let mut g = Guest::ready();
        g.say(&request);
        let (text, error) = g.closed_with(540);
        assert_eq!(text, REFUSAL);
        assert!(matches!(error, ServerError::NotImplemented(_)), "{error:?}");
    }
}

#[test]
fn an_old_clients_request_for_access_gets_its_ticket() {
    let mut g = Guest::ready();
    // Access.Request of AMQP 0-8: realm and bits.
    g.say_octets(b"\x01\0\x01\0\0\0\x0b\0\x1e\0\x0a\x05/data\x1d\xce");
    g.say(&channel_open(2));
    let heard = g.hear_all();
    assert_eq!(heard.len(), 2, "{heard:?}");
}

#[test]
fn channels_have_their_rules() {
    for (frames, code) in [
        (vec![channel_open(1)], 504),
        (vec![channel_open(5)], 504),
        (vec![channel_open(u16::MAX)], 504),
        (vec![super::guest::basic_publish(2)], 504),
        (
            vec![AMQPFrame::Method(2, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})))],
            504,
        ),
        (vec![super::guest::content_header(3, 1)], 504),
        (vec![AMQPFrame::Body(0, vec![1])], 504),
        (vec![super::peer::channel_close_ok()], 503),
        (vec![super::guest::content_header(1, 1)], 505),
        (vec![AMQPFrame::Body(1, vec![1])], 505),
        (vec![super::guest::basic_publish(1), super::guest::basic_publish(1)], 505),
        (vec![super::guest::basic_publish(1), AMQPFrame::Body(1, vec![1])], 505),
        (
            vec![
                super::guest::basic_publish(1),
                super::guest::content_header(1, 1),
                exchange_declare(false, false),
            ],
            505,
        ),
        (
            vec![
                super::guest::basic_publish(1),
                super::guest::content_header(1, 1),
                AMQPFrame::Body(1, vec![1, 2]),
            ],
            505,
        ),
    ] {
        let mut g = Guest::ready();
        for frame in &frames {
            g.say(frame);
        }
        let (text, error) = g.closed_with(code);
        assert!(text.len() > 20 && g.came.is_empty(), "{frames:?}: {text}, {error}");
    }
}

#[test]
fn a_channel_that_was_closed_can_be_opened_again() {
    let mut g = Guest::ready();
    for _ in 0..3 {
        g.say(&super::peer::channel_close(200, "done"));
        assert_eq!(g.hear_all(), [super::peer::channel_close_ok()]);
        g.open_channel(1);
    }
    for number in 2..=4 {
        g.open_channel(number);
    }
}

#[test]
fn a_peer_that_sends_requests_without_reading_the_replies_ends() {
    let mut g = Guest::ready();
    g.stalled = true;
    for _ in 0..1000 {
        g.say(&exchange_declare(false, false));
    }
    assert_eq!(g.end(), Err(psistats_core::amqp::Violation::Flood.into()));
}
