//! The record layer, with rustls as the judge of every suite.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use psistats::net::tls::record::{self, Cipher, HEADER, LONGEST, PLAINTEXT};
use psistats::net::tls::{Buffers, Session};
use psistats_core::link::Retry;
use rustls::{AlertDescription, ContentType, ProtocolVersion, ServerConnection, SupportedCipherSuite};

use crate::oracle::{
    connect, connect_over, name, server, server_says, server_seals, server_takes, session_reads,
    session_says, suites,
};

/// Tries `cases` of `strategy` with each suite, on one connection.
fn on_each_suite<S: Strategy>(
    cases: u32,
    strategy: S,
    test: impl Fn(&mut Session<'_>, &mut ServerConnection, S::Value),
) {
    for suite in suites() {
        let (mut server, mut buffers) = (server(suite), Buffers::default());
        let session = std::cell::RefCell::new((connect(&mut server, &mut buffers), &mut server));
        // What fails is not made smaller: the connection has gone on.
        let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&strategy, |value| {
            let (session, server) = &mut *session.borrow_mut();
            test(session, server, value);
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{}: {error}", name(suite)));
    }
}

/// A connection, and the ciphers of the server's end, to seal with what no server would.
fn with_ciphers(suite: SupportedCipherSuite, test: impl FnOnce(&mut Session<'_>, Cipher, Cipher)) {
    let (mut server, mut buffers) = (server(suite), Buffers::default());
    let mut session = connect(&mut server, &mut buffers);
    // Tickets, after which the numbers of records are known.
    let said = server_says(&mut server);
    assert_eq!(session_reads(&mut session, &said, &[LONGEST], 1).unwrap(), b"");
    let version = suite.version().version;
    let secrets = server.dangerous_extract_secrets().unwrap();
    let cipher = |secrets| Cipher::new(version, secrets).unwrap();
    test(&mut session, cipher(secrets.tx), cipher(secrets.rx));
}

fn sealed(cipher: &mut Cipher, kind: ContentType, content: &[u8]) -> Vec<u8> {
    let mut record = vec![0; content.len() + record::OVERHEAD + 1];
    let length = cipher.seal(kind, content, &mut record).unwrap();
    record.truncate(length);
    record
}

/// What the session says about `octets`, and the alert that it has for its peer.
fn refusal(session: &mut Session<'_>, octets: &[u8], peer: &mut Cipher) -> (String, Retry, AlertDescription) {
    let fault = session_reads(session, octets, &[octets.len()], 20_000).unwrap_err();
    let mut alert = session.outgoing().to_vec();
    let (kind, content) = peer.open(&mut alert).unwrap();
    assert_eq!((kind, alert[content.start]), (ContentType::Alert, 2), "fatal");
    (fault.text, fault.retry, AlertDescription::from(alert[content.start + 1]))
}

#[test]
fn what_rustls_seals_is_read_however_it_is_split() {
    let split = prop::collection::vec(1..400_usize, 1..20);
    let content = prop::collection::vec(any::<u8>(), 1..40_000);
    on_each_suite(12, (content, split, 1..20_000_usize), |session, server, (content, split, room)| {
        let records = server_seals(server, &content);
        assert!(session_reads(session, &records, &split, room).unwrap() == content);
    });
}

#[test]
fn what_is_sealed_rustls_reads() {
    let content = prop::collection::vec(any::<u8>(), 1..40_000);
    on_each_suite(12, content, |session, server, content| {
        assert!(session_says(session, server, &content) == content);
    });
}

#[test]
fn new_keys_of_either_end_are_followed_and_asked_for_keys_are_given() {
    for suite in suites().into_iter().filter(|suite| suite.version().version == ProtocolVersion::TLSv1_3) {
        let (mut server, mut buffers) = (server(suite), Buffers::default());
        let mut session = connect(&mut server, &mut buffers);
        for round in 0..5_u8 {
            let before = server_seals(&mut server, b"before");
            // rustls asks for new keys of ours, too.
            server.refresh_traffic_keys().unwrap();
            let after = server_seals(&mut server, &[round]);
            let octets = [before, after].concat();
            let read = session_reads(&mut session, &octets, &[7, 1000], 100).unwrap();
            assert_eq!(read, [b"before".as_slice(), &[round]].concat());
            assert!(!session.outgoing().is_empty(), "the answer");
            assert_eq!(session_says(&mut session, &mut server, b"with new keys"), b"with new keys");
            session.refresh().unwrap();
            assert_eq!(session_says(&mut session, &mut server, b"with newer keys"), b"with newer keys");
        }
    }
}

#[test]
fn keys_that_are_asked_for_while_nothing_can_be_sent_are_given_once() {
    let suite = suites()[0];
    let (mut server, mut buffers) = (server(suite), Buffers::default());
    let mut session = connect(&mut server, &mut buffers);
    while session.write(&[1; 1000]).unwrap() > 0 {}
    let waiting = session.outgoing().len();
    for _ in 0..20 {
        server.refresh_traffic_keys().unwrap();
        let octets = server_says(&mut server);
        assert_eq!(session_reads(&mut session, &octets, &[LONGEST], 100).unwrap(), b"");
    }
    assert!(session.outgoing().len() < waiting + 100, "{} after {waiting}", session.outgoing().len());
    server_takes(&mut server, session.outgoing()).unwrap();
    session.sent(session.outgoing().len());
    assert_eq!(session_says(&mut session, &mut server, b"after the flood"), b"after the flood");
}

#[test]
fn tickets_are_passed_over_in_however_many_records_they_come() {
    for suite in suites().into_iter().filter(|suite| suite.version().version == ProtocolVersion::TLSv1_3) {
        with_ciphers(suite, |session, mut theirs, _| {
            // Two tickets of 300 octets, cut within header and body.
            let ticket = [&[4, 0, 1, 44][..], &[0; 300]].concat();
            let tickets = [&ticket[..], &ticket].concat();
            let mut octets = Vec::new();
            for part in [&tickets[..2], &tickets[2..10], &tickets[10..305], &tickets[305..]] {
                octets.extend(sealed(&mut theirs, ContentType::Handshake, part));
            }
            octets.extend(sealed(&mut theirs, ContentType::ApplicationData, b"data"));
            assert_eq!(session_reads(session, &octets, &[13], 100).unwrap(), b"data");
        });
    }
}

#[test]
fn a_changed_bit_never_gives_other_data() {
    for suite in suites() {
        let mut records = None;
        let mut bit = 0;
        while records.as_ref().is_none_or(|length: &usize| bit < length * 8) {
            let (mut server, mut buffers) = (server(suite), Buffers::default());
            let mut session = connect(&mut server, &mut buffers);
            let said = server_says(&mut server);
            session_reads(&mut session, &said, &[LONGEST], 1).unwrap();
            let mut octets = server_seals(&mut server, b"reading");
            records = Some(octets.len());
            octets[bit / 8] ^= 1 << (bit % 8);
            match session_reads(&mut session, &octets, &[octets.len()], 100) {
                // The version in the header is not looked at in TLS 1.2, or the length says that more is to come.
                Ok(read) => assert!(read.is_empty(), "{} bit {bit}: {read:?}", name(suite)),
                Err(fault) => {
                    assert_eq!(fault.retry, Retry::Soon);
                    assert!(!session.outgoing().is_empty(), "the peer is told");
                }
            }
            bit += if bit < 16 * 8 { 5 } else { 11 };
        }
    }
}

#[test]
fn empty_records_say_nothing_and_end_nothing() {
    for suite in suites() {
        with_ciphers(suite, |session, mut theirs, _| {
            let mut octets: Vec<u8> =
                (0..100).flat_map(|_| sealed(&mut theirs, ContentType::ApplicationData, b"")).collect();
            octets.extend(sealed(&mut theirs, ContentType::ApplicationData, b"data"));
            assert_eq!(session_reads(session, &octets, &[64, 3], 100).unwrap(), b"data", "{}", name(suite));
        });
    }
}

#[test]
fn a_record_carries_16384_octets_and_not_one_more() {
    for suite in suites() {
        with_ciphers(suite, |session, mut theirs, mut ours| {
            let most = vec![7; PLAINTEXT];
            let octets = sealed(&mut theirs, ContentType::ApplicationData, &most);
            assert!(session_reads(session, &octets, &[999], 100_000).unwrap() == most);
            let octets = sealed(&mut theirs, ContentType::ApplicationData, &vec![7; PLAINTEXT + 1]);
            let (_, _, alert) = refusal(session, &octets, &mut ours);
            assert_eq!(alert, AlertDescription::RecordOverflow, "{}", name(suite));
        });
        with_ciphers(suite, |session, _, mut ours| {
            let length = (LONGEST - HEADER + 1) as u16;
            let [high, low] = length.to_be_bytes();
            let (_, _, alert) = refusal(session, &[23, 3, 3, high, low], &mut ours);
            assert_eq!(alert, AlertDescription::RecordOverflow, "before any of it has come");
        });
    }
}

#[test]
fn what_may_not_come_after_a_handshake_is_refused_and_the_peer_told() {
    use AlertDescription::{DecodeError, IllegalParameter, UnexpectedMessage};
    use ContentType::{Alert, ApplicationData, ChangeCipherSpec, Handshake};
    let key_update = [24, 0, 0, 1, 0];
    let both: &[(ContentType, &[u8], AlertDescription)] = &[
        (Handshake, b"", UnexpectedMessage),
        (Handshake, &[1, 0, 0, 0], UnexpectedMessage), // ClientHello
        (ChangeCipherSpec, &[1], UnexpectedMessage),
        (ContentType::Heartbeat, &[1], UnexpectedMessage),
        (Alert, &[2], DecodeError),
        (Alert, &[1, 0, 0], DecodeError),
    ];
    let tls13: &[(ContentType, &[u8], AlertDescription)] = &[
        (Handshake, &[24, 0, 0, 1, 2], IllegalParameter),
        (Handshake, &[24, 0, 0, 2, 0, 0], UnexpectedMessage),
        (Handshake, &[24, 0, 0, 1, 0, 4], UnexpectedMessage), // more under the old key
        (Handshake, &[13, 0, 0, 0], UnexpectedMessage),       // CertificateRequest
    ];
    let tls12: &[(ContentType, &[u8], AlertDescription)] = &[(Handshake, &key_update, UnexpectedMessage)];
    for suite in suites() {
        let version = suite.version().version;
        let of_version = if version == ProtocolVersion::TLSv1_3 { tls13 } else { tls12 };
        for (kind, content, expected) in both.iter().chain(of_version) {
            with_ciphers(suite, |session, mut theirs, mut ours| {
                let octets = sealed(&mut theirs, *kind, content);
                let (text, _, alert) = refusal(session, &octets, &mut ours);
                assert_eq!(alert, *expected, "{} {kind:?} {content:?}", name(suite));
                assert!(text.contains("broke TLS"), "{text}");
            });
        }
        // Not sealed; and data within a message.
        with_ciphers(suite, |session, mut theirs, mut ours| {
            let octets = match version {
                ProtocolVersion::TLSv1_3 => {
                    let begun = sealed(&mut theirs, Handshake, &[4, 0, 1, 0]);
                    [begun, sealed(&mut theirs, ApplicationData, b"data")].concat()
                }
                _ => vec![24, 3, 3, 0, 40],
            };
            assert_eq!(refusal(session, &octets, &mut ours).2, UnexpectedMessage);
        });
    }
}

#[test]
fn an_end_in_order_is_told_from_a_cut_in_both_directions() {
    for suite in suites() {
        let (mut server, mut buffers) = (server(suite), Buffers::default());
        let mut session = connect(&mut server, &mut buffers);
        server.send_close_notify();
        let last = server_says(&mut server);
        assert!(!session.is_over());
        assert_eq!(session_reads(&mut session, &last, &[5], 10).unwrap(), b"");
        assert!(session.is_over() && session.is_readable());
        assert_eq!(session.read(&mut [0; 10]).unwrap(), Some(0));

        assert_eq!(session_says(&mut session, &mut server, b"still"), b"still", "one half may go on");
        session.close();
        server_takes(&mut server, session.outgoing()).unwrap();
        assert!(server.process_new_packets().unwrap().peer_has_closed(), "{}", name(suite));
    }
}

#[test]
fn alerts_of_the_peer_end_the_connection_and_have_their_words() {
    for suite in suites() {
        for (alert, words, retry) in [
            (AlertDescription::CertificateRequired, "set [server] tls_cert and tls_key", Retry::Slow),
            (
                AlertDescription::UnknownCA,
                "does not accept our certificate (alert 48 UnknownCA)",
                Retry::Slow,
            ),
            (AlertDescription::InternalError, "alert 80 InternalError", Retry::Soon),
        ] {
            with_ciphers(suite, |session, mut theirs, _| {
                let octets = sealed(&mut theirs, ContentType::Alert, &[2, alert.into()]);
                let fault = session_reads(session, &octets, &[100], 10).unwrap_err();
                assert!(fault.text.contains(words), "{}", fault.text);
                assert_eq!(fault.retry, retry);
                assert!(session.outgoing().is_empty(), "an alert is not answered");
            });
        }
    }
}

#[test]
fn a_handshake_that_is_changed_on_the_way_fails_or_was_not_changed_in_what_counts() {
    let strategy = (0..3000_usize, 1..=255_u8);
    for suite in suites() {
        let config = Config { cases: 30, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&strategy, |(at, mask)| {
            let (mut server, mut buffers) = (server(suite), Buffers::default());
            let connected =
                connect_over(
                    &mut server,
                    &mut buffers,
                    |n, octet| if n == at { octet ^ mask } else { octet },
                );
            // The version of a record counts for nobody.
            if let Ok(mut session) = connected {
                prop_assert_eq!(session_says(&mut session, &mut server, b"data"), b"data");
            }
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{}: {error}", name(suite)));
    }
}

#[test]
fn whatever_a_server_says_instead_of_a_handshake_is_an_error_or_waits_for_more() {
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let record = (20..24_u8, prop::collection::vec(any::<u8>(), 0..300)).prop_map(|(kind, content)| {
        let [high, low] = (content.len() as u16).to_be_bytes();
        [&[kind, 3, 3, high, low][..], &content].concat()
    });
    let octets = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..600),
        prop::collection::vec(record, 1..5).prop_map(|records| records.concat()),
    ];
    let run = TestRunner::new(config).run(&octets, |octets| {
        let suite = suites()[0];
        let (mut server, mut buffers) = (server(suite), Buffers::default());
        let all = |n: usize, _| octets.get(n).copied().unwrap_or_default();
        prop_assert!(connect_over(&mut server, &mut buffers, all).is_err());
        Ok(())
    });
    run.unwrap();
}
