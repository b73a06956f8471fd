//! What an error says, and how soon it is tried again.

use psistats_core::amqp::{Error, Event, Options, Queue, Step, Violation};
use psistats_core::link::{Link, Retry};
use psistats_core::time::Instant;

use super::peer::{self, Conversation, OPTIONS, QUEUE};

/// The error after the broker's Close at `step`: of the connection, or of the channel.
fn closed_with(options: Options<'_>, step: Step, channel: bool, code: u16, text: &str) -> Error {
    let mut c = Conversation::at(options, step);
    if channel {
        c.say(&peer::channel_close(code, text));
        c.say(&peer::close_ok());
    } else {
        c.say(&peer::close(code, text));
    }
    c.error()
}

#[test]
fn each_close_of_the_broker_is_told_whole_and_has_its_patience() {
    let connection = false;
    let channel = true;
    // As RabbitMQ words them.
    for (step, scope, code, text, retry) in [
        // Fault 12
        (
            Step::Login,
            connection,
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.",
            Retry::Slow,
        ),
        // Fault 13
        (Step::VirtualHost, connection, 530, "NOT_ALLOWED - vhost nope not found", Retry::Slow),
        // Fault 14
        (Step::Ready, connection, 320, "CONNECTION_FORCED - bye", Retry::Soon),
        // Fault 15
        (Step::Ready, channel, 404, "NOT_FOUND - no exchange 'psistats'", Retry::Soon),
        (Step::Binding, channel, 404, "NOT_FOUND - no exchange", Retry::Slow),
        // Fault 16
        (Step::Ready, channel, 403, "ACCESS_REFUSED - access", Retry::Slow),
        (Step::Exchange, channel, 403, "ACCESS_REFUSED", Retry::Slow),
        // Fault 17
        (
            Step::Exchange,
            channel,
            406,
            "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'psistats' in vhost '/': received 'false' but current is 'true'",
            Retry::Slow,
        ),
        (
            Step::Queue,
            channel,
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'psistats.raspi' in vhost '/': received '10000' but current is '5000'",
            Retry::Slow,
        ),
        (Step::Ready, connection, 501, "FRAME_ERROR", Retry::Soon),
        (Step::Confirms, connection, 540, "NOT_IMPLEMENTED", Retry::Slow),
        (Step::Queue, connection, 541, "INTERNAL_ERROR", Retry::Soon),
    ] {
        let error = closed_with(OPTIONS, step, scope, code, text);
        let scope = if scope { "channel" } else { "connection" };
        let told = format!("while {step}, the broker closed the {scope} with {code} {text}");
        assert_eq!(error.to_string(), told);
        assert_eq!(error.retry(), retry, "{told}");
    }
}

#[test]
fn a_541_is_about_a_transient_queue_only_where_we_declare_one() {
    let text = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated";
    for (queue, transient, retry) in [
        (Queue { exclusive: false, ..QUEUE }, true, Retry::Slow),
        (QUEUE, false, Retry::Soon),
        (Queue { durable: true, exclusive: false, ..QUEUE }, false, Retry::Soon),
    ] {
        let options = Options { queue: Some(queue), ..OPTIONS };
        let error = closed_with(options, Step::Queue, false, 541, text);
        assert_eq!(error.retry(), retry);
        let Error::Closed { transient_queue, .. } = error else { panic!("{error:?}") };
        assert_eq!(transient_queue, transient);
    }
}

#[test]
fn a_connection_that_ends_without_a_word_says_at_which_step() {
    for step in [Step::Greeting, Step::Login, Step::VirtualHost, Step::Ready] {
        let mut c = Conversation::at(OPTIONS, step);
        c.client.disconnected();
        c.settle();
        let error = c.error();
        assert_eq!(error, Error::Disconnected(step));
        assert_eq!(error.to_string(), format!("the connection ended while {step}, without a reason"));
        assert_eq!(error.retry(), Retry::Soon);
    }
}

#[test]
fn every_breach_of_protocol_says_what_came_and_what_was_expected() {
    for (peer, words) in [
        (Violation::Version { major: 0, minor: 8 }, "0-8, expected 0-9"),
        (Violation::FrameTooLarge { size: 9, limit: 8 }, "9 octets, expected at most 8"),
        (Violation::FrameEnd(0), "0x00, expected 0xce"),
        (Violation::FrameType(7), "type 7, expected 1, 2, 3 or 8"),
        (Violation::Heartbeat { channel: 1, size: 2 }, "2 octets on channel 1"),
        (Violation::Unexpected { channel: 1, id: (60, 60) }, "60.60 on channel 1"),
        (Violation::Content, "Basic.Return"),
        (Violation::Short((10, 30)), "10.30 ends before"),
        (Violation::UnknownTag(7), "delivery tag 7"),
        (Violation::Flood, "sends requests"),
    ] {
        let told = Error::from(peer).to_string();
        assert!(told.starts_with("protocol error of the broker: ") && told.contains(words), "{told}");
    }
}

/// `secret` as text, and as Debug shows octets.
fn shows(shown: &str, secret: &str) -> bool {
    let octets: Vec<String> = secret.bytes().map(|b| b.to_string()).collect();
    shown.contains(secret) || shown.contains(&octets.join(", "))
}

#[test]
fn the_password_is_in_no_debug_output_at_any_moment() {
    assert!(!shows(&format!("{OPTIONS:?}"), OPTIONS.password));
    assert!(!shows(&format!("{OPTIONS:#?}"), OPTIONS.password));
    let mut client = peer::client(OPTIONS, Instant::default());
    let start = peer::encode(&peer::start());
    client.recv_space()[..start.len()].copy_from_slice(&start);
    client.received(start.len(), Instant::default());
    assert_eq!(client.poll_event(Instant::default()), None);
    let waiting = client.outgoing().to_vec();
    assert!(waiting.windows(13).any(|w| w == OPTIONS.password.as_bytes()), "the login waits to be sent");
    assert!(!shows(&format!("{client:?}"), OPTIONS.password));
    client.sent(waiting.len(), Instant::default());
    assert!(!shows(&format!("{client:?}"), OPTIONS.password));
}

#[test]
fn the_password_is_in_no_error() {
    for step in [Step::Login, Step::VirtualHost, Step::Ready] {
        let error = closed_with(OPTIONS, step, false, 403, "ACCESS_REFUSED");
        assert!(!shows(&format!("{error} {error:?}"), OPTIONS.password));
    }
}

#[test]
fn a_text_of_the_broker_that_repeats_the_password_is_withheld_and_any_other_is_told() {
    let echo = format!("\0guest\0{}", OPTIONS.password);
    for channel in [false, true] {
        let error = closed_with(OPTIONS, Step::Ready, channel, 403, &echo);
        assert!(!shows(&format!("{error} {error:?}"), OPTIONS.password), "{error}");
        assert!(error.to_string().contains("withheld"), "{error}");
    }
    let mut c = Conversation::ready(OPTIONS);
    c.say(&peer::blocked(&echo));
    let event = c.event();
    assert!(matches!(event, Some(Event::Blocked(_))) && !shows(&format!("{event:?}"), OPTIONS.password));
    let guest = Options { password: "guest", ..OPTIONS };
    for options in [guest, Options { password: "", ..OPTIONS }] {
        let error = closed_with(options, Step::Login, false, 403, "refused for user 'guest'").to_string();
        assert!(error.contains("refused for user 'guest'"), "{error}");
    }
}
