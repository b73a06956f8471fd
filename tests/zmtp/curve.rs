//! CURVE: two endpoints in memory, with an attacker between them, and libzmq over TCP in every role.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use psistats_core::bytes::Writer;
use psistats_core::zmtp::{
    Curve, Error, Event, Outcome, PublicKey, Publisher, PublisherEvent, RANDOM, Sealed, SecretKey, Session,
    SocketType, Step, Violation, put_message,
};

use crate::endpoints::{HEARTBEAT, LIMIT, START, Subscriber, TOPIC, give, publisher, take};
use crate::libzmq::{connect, now, publish_by, read};
use crate::messages::{greeting, greeting_2};
use support::PATIENCE;
use support::master::python;
use support::process::Stream;

/// The pairs of zmq_curve(7).
const SERVER: [&str; 2] =
    ["rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7", "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"];
const CLIENT: [&str; 2] =
    ["Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"];

fn secret(pair: [&str; 2]) -> SecretKey {
    pair[1].parse().unwrap()
}

fn public(pair: [&str; 2]) -> PublicKey {
    pair[0].parse().unwrap()
}

/// What a connection's keys are made of, and other octets for its nonces.
fn random(key: u8) -> [u8; RANDOM] {
    std::array::from_fn(|at| if at < 64 { key } else { 0 })
}

/// A client's keys on one connection, of many that `number` tells apart.
fn client(number: u8) -> Curve {
    Curve::client(&secret(CLIENT), public(SERVER), &mut random(number))
}

fn server(number: u8) -> Curve {
    Curve::server(&secret(SERVER), &mut random(number ^ 0x80))
}

/// A PUB that is the client.
fn board(number: u8) -> Publisher<'static> {
    publisher(START).with_curve(client(number))
}

/// A SUB that is the server.
fn master(number: u8) -> Subscriber {
    Subscriber::of(Session::new(SocketType::Sub, LIMIT, HEARTBEAT, START).with_curve(server(number)))
}

/// A greeting of libzmq, which says of no side that it is a server.
fn curve() -> Vec<u8> {
    let mut greeting = greeting(1);
    greeting[12..17].copy_from_slice(b"CURVE");
    greeting
}

/// What a board sends after its greeting.
fn hello(board: &mut Publisher<'_>) -> Vec<u8> {
    assert_eq!(give(board, &curve(), START), []);
    take(board, usize::MAX, START).split_off(64)
}

fn greeted(mut master: Subscriber) -> Subscriber {
    master.receive(&curve(), START);
    assert_eq!(master.take_outgoing().len(), 64);
    master
}

/// What a connection of that number sends. The same number makes the same keys, and so the same octets.
struct Recorded {
    hello: Vec<u8>,
    welcome: Vec<u8>,
    initiate: Vec<u8>,
    ready: Vec<u8>,
    subscription: Vec<u8>,
    messages: [Vec<u8>; 2],
}

fn record(number: u8) -> Recorded {
    let (mut board, mut master) = (board(number), greeted(master(number)));
    let hello = hello(&mut board);
    master.receive(&hello, START);
    let welcome = master.take_outgoing();
    assert_eq!(give(&mut board, &welcome, START), []);
    let initiate = take(&mut board, usize::MAX, START);
    master.receive(&initiate, START);
    let ready = master.take_outgoing();
    assert_eq!((give(&mut board, &ready, START), master.ready), (vec![PublisherEvent::Ready], true));
    master.session.subscribe(b"");
    let subscription = master.take_outgoing();
    assert_eq!(give(&mut board, &subscription, START), [PublisherEvent::Wanted(true)]);
    let messages = [b"{\"n\":1}", b"{\"n\":2}"].map(|body| {
        assert_eq!(board.publish(body, START), Outcome::Queued);
        take(&mut board, usize::MAX, START)
    });
    messages.iter().for_each(|message| master.receive(message, START));
    assert_eq!(master.messages, [[TOPIC, b"{\"n\":1}"], [TOPIC, b"{\"n\":2}"]]);
    Recorded { hello, welcome, initiate, ready, subscription, messages }
}

/// A board of that number to which all of `given` has come.
fn board_after(number: u8, given: &[&[u8]]) -> (Publisher<'static>, Vec<PublisherEvent>) {
    let mut board = board(number);
    hello(&mut board);
    let told = given.iter().flat_map(|bytes| give(&mut board, bytes, START)).collect();
    (board, told)
}

/// Likewise a master.
fn master_after(number: u8, given: &[&[u8]]) -> Subscriber {
    let mut master = greeted(master(number));
    given.iter().for_each(|bytes| master.receive(bytes, START));
    master
}

fn ends_with(told: &[PublisherEvent]) -> Option<Error> {
    match told.last() {
        Some(PublisherEvent::Ended(error)) => Some(error.clone()),
        _ => None,
    }
}

#[test]
fn what_is_published_arrives_and_nothing_of_it_is_to_be_seen_on_the_way() {
    let Recorded { hello, welcome, initiate, ready, subscription, messages } = record(1);
    let wire = [&hello, &welcome, &initiate, &ready, &subscription, &messages[0]].map(Vec::as_slice).concat();
    for secret in
        [&b"PUB"[..], b"SUB", TOPIC, b"{\"n\"", public(CLIENT).as_bytes(), public(SERVER).as_bytes()]
    {
        assert!(!wire.windows(secret.len()).any(|octets| octets == secret), "{}", secret.escape_ascii());
    }
    // RFC 26: 200 and 168 octets, and 257 with what follows.
    assert_eq!([hello.len(), welcome.len()], [2 + 200, 2 + 168]);
    assert_eq!(initiate.len(), 9 + 257 + b"\x0bSocket-Type\0\0\0\x03PUB".len());
}

#[test]
fn the_server_knows_the_clients_key_and_may_refuse_it_before_it_is_ready() {
    let recorded = record(1);
    let master = master_after(1, &[&recorded.hello, &recorded.initiate]);
    assert_eq!((master.ready, master.session.client()), (true, Some(public(CLIENT))));

    let mut refusing = greeted(self::master(1)).session;
    let mut bytes = [&recorded.hello[..], &recorded.initiate].concat();
    let mut input = &mut bytes[..];
    assert_eq!(refusing.decode(&mut input), Some(Event::Ready));
    refusing.control_sent(recorded.welcome.len());
    refusing.refuse();
    assert_eq!(refusing.decode(&mut input), Some(Event::Ended(Error::Refused)));
    let (_, told) = board_after(1, &[&recorded.welcome, refusing.control()]);
    assert!(matches!(ends_with(&told), Some(Error::Told(code)) if code.as_str() == "400"), "{told:?}");
}

#[test]
fn keys_that_do_not_fit_are_told_where_they_are_found() {
    // A board that expects another server.
    let mut board =
        publisher(START).with_curve(Curve::client(&secret(CLIENT), public(CLIENT), &mut random(1)));
    let master = master_after(1, &[&hello(&mut board)]);
    assert_eq!(master.ended, Some(Error::Unopened(Sealed::Hello)));
    // A server that is another than the one expected.
    let (_, told) = board_after(1, &[&record(2).welcome]);
    assert_eq!(ends_with(&told), Some(Error::Unopened(Sealed::Welcome)));
}

#[test]
fn a_cookie_of_another_connection_is_refused() {
    let [one, other] = [record(1), record(2)];
    let master = master_after(2, &[&other.hello, &one.initiate]);
    assert_eq!((master.ended, master.ready), (Some(Error::Unopened(Sealed::Cookie)), false));
    // Its own box behind that cookie does not help.
    let cookie = 9 + 9..9 + 9 + 96;
    let mut mixed = other.initiate.clone();
    mixed[cookie.clone()].copy_from_slice(&one.initiate[cookie]);
    let master = master_after(2, &[&other.hello, &mixed]);
    assert_eq!((master.ended, master.ready), (Some(Error::Unopened(Sealed::Cookie)), false));
}

#[test]
fn commands_that_come_again_or_out_of_order_end_the_handshake() {
    let Recorded { hello, welcome, initiate, ready, subscription, messages } = &record(1);
    let unexpected = Error::Violation(Violation::Unexpected(Step::Handshake));
    for (given, error) in [
        (&[initiate][..], unexpected.clone()),
        (&[ready], unexpected.clone()),
        (&[&messages[0]], unexpected.clone()),
        (&[hello, hello], Error::Roles),
        (&[hello, &messages[0]], unexpected.clone()),
        (&[hello, initiate, initiate], Violation::Clear.into()),
        (&[hello, initiate, hello], Violation::Clear.into()),
        (&[hello, initiate, &messages[0], &messages[0]], Violation::Replayed.into()),
        (&[hello, initiate, &messages[1], &messages[0]], Violation::Replayed.into()),
        (&[hello, initiate, subscription], Violation::Replayed.into()),
        (&[hello, initiate, &b"\x04\x07\x04PING\0\0".to_vec()], Violation::Clear.into()),
        (&[hello, initiate, &b"\0\x02{}".to_vec()], Violation::Clear.into()),
    ] {
        let given: Vec<&[u8]> = given.iter().map(|bytes| bytes.as_slice()).collect();
        let master = master_after(1, &given);
        let lengths: Vec<usize> = given.iter().map(|bytes| bytes.len()).collect();
        assert_eq!(master.ended, Some(error), "{lengths:?}");
    }
    for (given, error) in [
        (&[ready][..], unexpected.clone()),
        (&[subscription], unexpected.clone()),
        (&[hello], Error::Roles),
        (&[welcome, welcome], unexpected.clone()),
        (&[welcome, subscription], unexpected),
        (&[welcome, ready, ready], Violation::Clear.into()),
        (&[welcome, ready, subscription, subscription], Violation::Replayed.into()),
        // Its own words, sent back to it.
        (&[welcome, ready, &messages[0]], Error::Unopened(Sealed::Message)),
        (&[welcome, ready, &b"\x04\x07\x05ERROR\x03400".to_vec()], Violation::Clear.into()),
    ] {
        let given: Vec<&[u8]> = given.iter().map(|bytes| bytes.as_slice()).collect();
        let (_, told) = board_after(1, &given);
        assert_eq!(ends_with(&told), Some(error), "{told:?}");
    }
}

#[test]
fn in_clear_meets_encrypted_with_an_error_on_both_sides() {
    let null = |error: Option<Error>| matches!(error, Some(Error::NotCurve(name)) if name.as_str() == "NULL");
    let mut board = board(1);
    assert!(null(ends_with(&give(&mut board, &greeting(1), START))));
    let mut master = master(1);
    master.receive(&greeting(0), START);
    assert!(null(master.ended));
    // ZMTP 2.0 would be ready after its greeting.
    let mut master = self::master(1);
    master.receive(&greeting_2(1, b""), START);
    assert!(!master.ready && null(master.ended));
    let mut plain = publisher(START);
    let told = give(&mut plain, &curve(), START);
    assert!(matches!(ends_with(&told), Some(Error::Mechanism(name)) if name.as_str() == "CURVE"), "{told:?}");
}

#[test]
fn keys_are_in_no_debug_output() {
    let recorded = record(1);
    let mut waiting = master_after(1, &[&recorded.hello]);
    waiting.take_outgoing();
    let texts = [
        format!("{:?}", board(1)),
        format!("{:?}", master(1).session),
        format!("{:?}", waiting.session),
        format!("{:?}", board_after(1, &[&recorded.welcome, &recorded.ready]).0),
        format!("{:?}", secret(CLIENT)),
    ];
    for text in texts {
        // What the keys of the connection are made of, and of the secret keys.
        assert!(!text.contains("1, 1, 1, 1") && !text.contains("129, 129"), "{text}");
        assert!(!text.contains(CLIENT[1]) && !text.contains(SERVER[1]), "{text}");
    }
}

#[test]
fn what_is_sealed_frame_by_frame_is_what_was_published() {
    let recorded = record(1);
    let mut master = master_after(1, &[&recorded.hello, &recorded.initiate]);
    master.take_outgoing();
    let mut session = Session::new(SocketType::Pub, LIMIT, HEARTBEAT, START).with_curve(client(1));
    for (mut bytes, event) in
        [(curve(), None), (recorded.welcome, None), (recorded.ready, Some(Event::Ready))]
    {
        assert_eq!(session.decode(&mut &mut bytes[..]), event);
        session.control_sent(usize::MAX);
    }
    // Around where a size takes eight octets: in clear, and sealed.
    for length in [0, 1, 222, 223, 255, 256, 9000] {
        let (body, mut plain, mut sealed) = (vec![b'x'; length], vec![0; 10_000], vec![0; 10_000]);
        let mut w = Writer::new(&mut plain);
        put_message(&mut w, TOPIC, &body);
        let octets = w.finish().unwrap();
        let mut w = Writer::new(&mut sealed);
        session.seal(&plain[..octets], &mut w);
        let longer = w.finish().unwrap();
        assert!(longer <= octets + 2 * (Session::SEAL + 7), "{length}");
        master.receive(&sealed[..longer], START);
        assert_eq!(master.messages.pop().unwrap(), [TOPIC, &body]);
    }
    assert_eq!(master.ended, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_anywhere_and_nothing_is_ready_or_arrives(
        which in 0..6_usize, at in any::<prop::sample::Index>(), bit in 0..8_u32
    ) {
        let Recorded { hello, welcome, initiate, ready, subscription, messages } = record(1);
        let mut pieces = [hello, initiate, messages[0].clone(), welcome, ready, subscription];
        let at = at.index(pieces[which].len());
        // HELLO's filler may be anything, and a MESSAGE be called a command (RFC 26) or none (libzmq).
        let is_filler = which == 0 && (2 + 8..2 + 8 + 72).contains(&at);
        let is_command = [2, 5].contains(&which) && bit == 2 && [0, 2 + 6 + 33].contains(&at);
        prop_assume!(!is_filler && !is_command);
        pieces[which][at] ^= 1 << bit;
        let [hello, initiate, message, welcome, ready, subscription] = pieces.each_ref().map(Vec::as_slice);
        if which < 3 {
            let master = master_after(1, &[hello, initiate, message]);
            prop_assert_eq!(master.messages, Vec::<Vec<Vec<u8>>>::new());
            prop_assert_eq!(master.ready, which == 2);
        } else {
            let (board, told) = board_after(1, &[welcome, ready, subscription]);
            prop_assert!(!board.is_wanted());
            prop_assert_eq!(told.contains(&PublisherEvent::Ready), which == 5);
        }
    }

    #[test]
    fn however_the_stream_is_cut_it_means_the_same(cuts in vec(1..90_usize, 0..60)) {
        let recorded = record(1);
        let bytes = [&recorded.hello[..], &recorded.initiate, &recorded.messages.concat()].concat();
        let mut master = greeted(master(1));
        let mut rest = &bytes[..];
        for cut in cuts.iter().chain([&usize::MAX]) {
            let (piece, next) = rest.split_at(rest.len().min(*cut));
            master.receive(piece, START);
            rest = next;
        }
        prop_assert_eq!((master.ready, master.ended, master.messages.len()), (true, None, 2));
        let bytes = [&recorded.welcome[..], &recorded.ready, &recorded.subscription].concat();
        let pieces: Vec<&[u8]> = bytes.chunks(cuts.first().copied().unwrap_or(1)).collect();
        let (_, told) = board_after(1, &pieces);
        prop_assert_eq!(told, [PublisherEvent::Ready, PublisherEvent::Wanted(true)]);
    }

    #[test]
    fn any_commands_end_a_connection_at_most(
        name in prop_oneof![Just("HELLO"), Just("WELCOME"), Just("INITIATE"), Just("READY"), Just("MESSAGE"), Just("ERROR")],
        rest in vec(any::<u8>(), 0..300),
        stage in 0..3_usize,
    ) {
        let body = [&[name.len() as u8], name.as_bytes(), &rest].concat();
        let frame = [&[6][..], &(body.len() as u64).to_be_bytes(), &body].concat();
        let recorded = record(1);
        let to_master = [&recorded.hello[..], &recorded.initiate];
        let master = master_after(1, &[&to_master[..stage], &[&frame]].concat());
        prop_assert!(master.ended.is_some() && master.messages.is_empty());
        let to_board = [&recorded.welcome[..], &recorded.ready];
        let (_, told) = board_after(1, &[&to_board[..stage], &[&frame]].concat());
        prop_assert!(ends_with(&told).is_some());
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_sub_of_libzmq_that_is_the_server_receives_what_our_pub_sends() {
    let python = python(&format!(
        "
socket = context.socket(zmq.SUB)
socket.curve_server = True
socket.curve_secretkey = b'{}'
socket.setsockopt(zmq.HEARTBEAT_IVL, 50)
socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 200)
print(socket.bind_to_random_port('tcp://127.0.0.1'))
time.sleep(0.3)
socket.setsockopt(zmq.SUBSCRIBE, b'sta')
for _ in range(50):
    topic, body = socket.recv_multipart()
    print(topic.decode(), body.decode())
time.sleep(3600)
",
        SERVER[1]
    ));
    let (queued, told) =
        publish_by(board(1), &mut connect(&python), Duration::from_millis(20), |queued| queued == 60);
    assert_eq!((queued, &told[..]), (60, &[PublisherEvent::Ready, PublisherEvent::Wanted(true)][..]));
    let lines = python.wait_for_lines_of(Stream::Stdout, 1 + 50, PATIENCE);
    for (n, line) in lines[1..].iter().enumerate() {
        assert_eq!(*line, format!("status {{\"n\":{n}}}"));
    }
}

/// Drives our end, which `listener` waits for, until `done` or its end.
fn serve(
    listener: &TcpListener,
    mut ours: Subscriber,
    mut each: impl FnMut(&mut Subscriber, &mut std::net::TcpStream) -> bool,
) -> Subscriber {
    let (mut stream, _) = listener.accept().unwrap();
    let start = Instant::now();
    while ours.ended.is_none() && !each(&mut ours, &mut stream) {
        assert!(start.elapsed() < PATIENCE);
        use std::io::Write as _;
        stream.write_all(&ours.take_outgoing()).unwrap();
        let mut buf = [0; 5000];
        match read(&mut stream, &mut buf) {
            Some(n) => ours.receive(&buf[..n], now(start)),
            None => ours.session.disconnected(),
        }
        ours.drain();
    }
    ours
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn what_pubs_of_libzmq_send_to_our_sub_that_is_the_server_arrives_whole() {
    for socket in ["PUB", "XPUB"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _python = python(&format!(
            "
socket = context.socket(zmq.{socket})
socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = b'{}', b'{}', b'{}'
socket.setsockopt(zmq.HEARTBEAT_IVL, 50)
socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 200)
socket.connect('tcp://127.0.0.1:{}')
while True:
    socket.send_multipart([b'status', b'x' * 9000])
    socket.send_multipart([b'status', b'', b'small'])
    time.sleep(0.05)
",
            SERVER[0],
            CLIENT[0],
            CLIENT[1],
            listener.local_addr().unwrap().port(),
        ));
        let mut subscribed = false;
        let master = serve(&listener, master(1), |master, _| {
            if master.ready && !std::mem::replace(&mut subscribed, master.ready) {
                master.session.subscribe(b"");
            }
            master.messages.len() >= 20
        });
        assert_eq!((master.ended, master.session.client()), (None, Some(public(CLIENT))));
        for message in &master.messages {
            let whole = message.len() == 2 && message[1] == [b'x'; 9000];
            assert!(whole || message[1..] == [b"".to_vec(), b"small".to_vec()]);
        }
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn libzmq_with_another_servers_key_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _python = python(&format!(
        "
socket = context.socket(zmq.PUB)
socket.curve_serverkey, socket.curve_publickey, socket.curve_secretkey = b'{0}', b'{0}', b'{1}'
socket.connect('tcp://127.0.0.1:{2}')
time.sleep(3600)
",
        CLIENT[0],
        CLIENT[1],
        listener.local_addr().unwrap().port(),
    ));
    let master = serve(&listener, master(1), |_, _| false);
    assert_eq!((master.ended, master.ready), (Some(Error::Unopened(Sealed::Hello)), false));
    // And the other way round libzmq closes without a word.
    let python = python(&format!(
        "
socket = context.socket(zmq.SUB)
socket.curve_server, socket.curve_secretkey = True, b'{}'
print(socket.bind_to_random_port('tcp://127.0.0.1'))
time.sleep(3600)
",
        CLIENT[1]
    ));
    let (_, told) = publish_by(board(1), &mut connect(&python), Duration::from_millis(10), |_| false);
    assert_eq!(told, [PublisherEvent::Ended(Error::Disconnected(Step::Handshake))]);
}
