//! What to do about a connection that ended: the core's errors say what happened, and know no configuration.

use psistats_core::amqp::{self, Mechanism, Step};
use psistats_core::zmtp;

/// What follows an error of AMQP in its line; empty where there is nothing to do.
pub fn on_amqp(error: &amqp::Error) -> &'static str {
    use amqp::Error;
    match error {
        Error::Closed { code, text, step, transient_queue, .. } => {
            on_close(*code, text.as_str(), *step, *transient_queue)
        }
        Error::Unroutable { .. } => "; queue and binding will be declared again at the next connection",
        Error::Unconfirmed { .. } => {
            "; is the node cut off from its cluster, or overloaded? See [server] confirm_timeout"
        }
        Error::NotAmqp { first, .. } => on_octets(first),
        Error::NoMechanism(Mechanism::Plain) => "; enable it (auth_mechanisms.1 = PLAIN in rabbitmq.conf)",
        #[cfg(feature = "tls")]
        Error::NoMechanism(Mechanism::External) => {
            "; enable it (the plugin rabbitmq_auth_mechanism_ssl, and auth_mechanisms.1 = EXTERNAL in rabbitmq.conf)"
        }
        Error::FrameMax(_) => "; raise frame_max in rabbitmq.conf",
        Error::HandshakeTimeout(_) => "; is the broker overloaded or frozen?",
        Error::Disconnected(Step::Greeting) => {
            "; is this the AMQP port (5672, or 5671 with tls=yes), and the connection limit not reached?"
        }
        Error::Disconnected(Step::Login) => "; wrong user or password? Check [server] user and pass",
        Error::Disconnected(Step::VirtualHost) => "; no access to the virtual host? Check [server] path",
        _ => "",
    }
}

/// After a Close of the broker's with this reply code and text.
fn on_close(code: u16, text: &str, step: Step, transient_queue: bool) -> &'static str {
    match (code, step) {
        // In RabbitMQ's words, of connections, channels and queues.
        (406 | 530, _) if text.contains("limit") && text.contains("is reached") => {
            "; raise that limit (rabbitmqctl list_vhost_limits, list_user_limits), or use fewer of them"
        }
        (320, _) => "; an operator or a shutdown ended it; it is opened again",
        (403, Step::Login) => {
            "; check [server] user and pass; user guest may log in from the broker's own machine only"
        }
        (403, _) => {
            "; the user lacks a permission: rabbitmqctl set_permissions -p PATH USER CONFIGURE WRITE READ"
        }
        (404, Step::Ready) => {
            "; the exchange is gone; it is declared again; create it where [exchange] declare=no"
        }
        (404, _) => "; it does not exist: create it, or set declare=yes in its section",
        (406, Step::Exchange) => {
            "; the exchange exists with other arguments (received: ours, current: the broker's): make [exchange] equal, \
             delete the exchange, or set [exchange] declare=no"
        }
        (406, Step::Queue) => {
            "; the queue exists with other arguments (received: ours, current: the broker's): make [queue] equal, delete \
             the queue, or set [queue] declare=no"
        }
        (406, Step::Binding) if text.contains("must be an integer") => {
            "; this type of exchange takes a weight as its binding key: set [exchange] type=x-consistent-hash"
        }
        (530, Step::VirtualHost) => {
            "; check [server] path: the virtual host must exist and the user have access to it"
        }
        (541, Step::Queue) if transient_queue => {
            "; this RabbitMQ refuses queues that are neither durable nor exclusive, as 4.3 and later do, and earlier \
             ones by deprecated_features.permit.transient_nonexcl_queues: set [queue] exclusive=yes or durable=yes"
        }
        _ => "",
    }
}

/// After our own queue was refused with this reply code, while reports go on.
pub fn on_queue(code: u16) -> &'static str {
    match code {
        404 => "; is the node down on which it lies?",
        405 => {
            "; another connection holds this exclusive queue: an old psistats that still runs, a second board of the \
             same host name, or our own last connection, which the broker gives up within three heartbeats; stop \
             the old one, give each board a name of its own, or set [queue] prefix"
        }
        _ => "",
    }
}

/// After octets that are not AMQP 0-9-1: where the broker may be instead.
fn on_octets(first: &[u8; 8]) -> &'static str {
    match first {
        // Our own header.
        b"AMQP\0\0\x09\x01" => "; does something between here and there change the bytes?",
        [b'A', b'M', b'Q', b'P', ..] => "; a RabbitMQ is expected at this host and port",
        [b'H', b'T', b'T', b'P', ..] => {
            "; the AMQP port is usually 5672 (15672 is RabbitMQ's management page)"
        }
        // TLS.
        [0x15 | 0x16, 3, ..] => {
            "; set [server] tls=yes (amqps://), or port to that without TLS (usually 5672)"
        }
        _ => "; check [server] host and port",
    }
}

/// The same of ZMTP, where the other end should be a master node.
pub fn on_zmtp(error: &zmtp::Error, is_encrypted: bool) -> &'static str {
    match error {
        zmtp::Error::SocketType { .. } => "; check the port: 5555 takes client nodes, 6666 subscribers",
        zmtp::Error::Mechanism(_) => "; set [chasar] curve_server_key to the master node's public key",
        zmtp::Error::NotCurve(_) => {
            "; set [chasar] curve_key at the master node, or remove [chasar] curve_server_key here"
        }
        // A server ends the connection over a HELLO that its key does not open.
        zmtp::Error::Disconnected(zmtp::Step::Handshake) if is_encrypted => {
            " Is [chasar] curve_server_key the master node's?"
        }
        // What psistats-hub and libzmq say to a key that they do not take.
        zmtp::Error::Told(reason) if reason.as_str() == "400" => {
            "; this board's key ([chasar] curve_key) is not in the master node's curve_clients"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use psistats_core::amqp::{Error, Scope};
    use psistats_core::bytes::Text;

    use super::*;

    /// The line of a Close with this code and text at `step`.
    fn closed(code: u16, text: &str, step: Step, transient_queue: bool) -> String {
        let text = Text::lossy(text.as_bytes());
        let error = Error::Closed { scope: Scope::Channel, code, text, step, transient_queue };
        format!("{error}{}", on_amqp(&error))
    }

    #[test]
    fn each_close_of_the_broker_has_its_advice() {
        for (step, code, text, advice) in [
            (Step::Login, 403, "ACCESS_REFUSED", "check [server] user and pass"),
            (Step::VirtualHost, 530, "NOT_ALLOWED - vhost nope not found", "[server] path"),
            (Step::Ready, 320, "CONNECTION_FORCED - bye", "opened again"),
            (Step::Ready, 404, "NOT_FOUND - no exchange 'psistats'", "declared again"),
            (Step::Binding, 404, "NOT_FOUND - no exchange", "declare=yes"),
            (Step::Ready, 403, "ACCESS_REFUSED - access", "rabbitmqctl set_permissions"),
            (Step::Exchange, 403, "ACCESS_REFUSED", "rabbitmqctl set_permissions"),
            (Step::Exchange, 406, "PRECONDITION_FAILED - inequivalent arg", "make [exchange] equal"),
            (Step::Queue, 406, "PRECONDITION_FAILED - inequivalent arg", "make [queue] equal"),
            (
                Step::VirtualHost,
                530,
                "NOT_ALLOWED - access to vhost '/' refused for user 'u': connection limit (9) is reached",
                "raise that limit",
            ),
            (
                Step::Queue,
                406,
                "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (9) is reached",
                "raise that limit",
            ),
            (
                Step::Binding,
                406,
                "PRECONDITION_FAILED - The binding key must be an integer: 'q'",
                "type=x-consistent-hash",
            ),
            (
                Step::Queue,
                406,
                "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q'",
                "make [queue] equal",
            ),
        ] {
            let told = closed(code, text, step, false);
            let (happened, advised) = told.split_once("; ").unwrap();
            assert!(happened.ends_with(&format!("{code} {text}")), "{told}");
            assert!(advised.contains(advice), "{told}");
        }
    }

    #[test]
    fn a_close_that_is_not_understood_is_told_as_it_is() {
        let text = "PRECONDITION_FAILED - message size 4096 is larger than configured max size 1024";
        for (step, code) in
            [(Step::Ready, 406), (Step::Ready, 501), (Step::Confirms, 540), (Step::Queue, 541)]
        {
            let told = closed(code, text, step, false);
            assert!(told.ends_with(text), "{told}");
        }
    }

    #[test]
    fn a_541_is_about_a_transient_queue_only_where_we_declare_one() {
        let text = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated";
        let told = closed(541, text, Step::Queue, true);
        assert!(
            told.contains("exclusive=yes or durable=yes") && told.contains("deprecated_features"),
            "{told}"
        );
        assert!(closed(541, text, Step::Queue, false).ends_with(text));
    }

    #[test]
    fn other_ends_are_told_with_their_usual_cause() {
        let not_amqp = |first: &[u8; 8]| Error::NotAmqp { first: *first, len: 8 };
        for (error, line) in [
            (
                Error::Unconfirmed { timeout: std::time::Duration::from_secs(30) },
                "a report has not been confirmed for 30 s; is the node cut off from its cluster, or overloaded? See [server] confirm_timeout",
            ),
            (
                Error::Unroutable { code: 312, text: Text::lossy(b"NO_ROUTE") },
                "a report came back unroutable (312 NO_ROUTE): the queue or its binding was deleted; queue and binding will be declared again at the next connection",
            ),
            (
                Error::Disconnected(Step::Greeting),
                "the connection ended while waiting for the broker's greeting, without a reason; is this the AMQP port (5672, or 5671 with tls=yes), and the connection limit not reached?",
            ),
            (
                Error::Disconnected(Step::Login),
                "the connection ended while logging in, without a reason; wrong user or password? Check [server] user and pass",
            ),
            (
                Error::Disconnected(Step::VirtualHost),
                "the connection ended while opening the virtual host, without a reason; no access to the virtual host? Check [server] path",
            ),
            (Error::Disconnected(Step::Ready), "the connection ended while publishing, without a reason"),
            (
                not_amqp(b"AMQP\0\0\x09\x01"),
                "the server sends the protocol header of AMQP 0-9-1 back and refuses ours, which is the same; does something between here and there change the bytes?",
            ),
            (
                not_amqp(b"AMQP\0\0\x09\0"),
                "the server speaks AMQP 0-9-0 and not 0-9-1; a RabbitMQ is expected at this host and port",
            ),
            (
                not_amqp(b"HTTP/1.1"),
                "the server speaks HTTP; the AMQP port is usually 5672 (15672 is RabbitMQ's management page)",
            ),
            (
                not_amqp(b"\x15\x03\x01\0\x02\x02\x46\0"),
                "the server speaks TLS; set [server] tls=yes (amqps://), or port to that without TLS (usually 5672)",
            ),
            (
                not_amqp(b"SSH-2.0-"),
                "the server does not speak AMQP (it began with \"SSH-2.0-\"); check [server] host and port",
            ),
        ] {
            assert_eq!(format!("{error}{}", on_amqp(&error)), line);
        }
        let theirs = Text::lossy(b"PUB");
        let error = zmtp::Error::SocketType { theirs, expected: "SUB or XSUB" };
        let told = format!("{error}{}", on_zmtp(&error, false));
        assert!(
            told.ends_with("expected SUB or XSUB; check the port: 5555 takes client nodes, 6666 subscribers")
        );
    }
}
