//! Confirms: unconfirmed reports are sent again in order, and no others.

use crate::walk::{Retry, Walk, end, figure, sequence};
use support::PATIENCE;
use support::scripted::{Peer, Step};

/// The sequence numbers of the next `n` reports.
fn read(peer: &mut Peer, n: usize) -> Vec<u64> {
    (0..n).map(|_| sequence(&peer.read_publish())).collect()
}

#[test]
fn multiple_nacks_and_out_of_order_confirms_are_distinguished() {
    let mut walk = Walk::start();
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 6), [1, 2, 3, 4, 5, 6]);
    peer.ack(channel, 6, false);
    peer.ack(channel, 4, false);
    peer.nack(channel, 2, false);
    peer.ack(channel, 1, false);
    walk.says("refused to store a report (Nack)", Retry::Soon);
    drop(peer);

    // Delivery tags begin again at 1: report 2 has tag 1, report 3 tag 2, report 5 tag 3.
    let (mut peer, channel) = walk.connects();
    let again = read(&mut peer, 6);
    assert_eq!(again[..3], [2, 3, 5]);
    assert_eq!(again[3..], [7, 8, 9]);
    peer.ack(channel, 4, false); // 7
    peer.ack(channel, 2, true); // 2 and 3
    end(&mut peer);

    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 3), [5, 8, 9]);
    peer.ack(channel, 1, false); // 5
    peer.nack(channel, 3, true); // 8 and 9
    peer.read_end(PATIENCE);

    walk.next = 8;
    walk.delivers();
    walk.ends_well();
}

#[test]
fn after_a_nack_the_connection_is_closed_once_the_outstanding_confirms_have_arrived() {
    let walk = Walk::start();
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 4), [1, 2, 3, 4]);
    peer.nack(channel, 1, false);
    // Publishing stops, and an orderly Close follows once every report is confirmed.
    peer.ack(channel, 3, false);
    peer.ack(channel, 2, false);
    peer.read_end(PATIENCE);
    let (mut peer, _) = walk.connects();
    assert_eq!(read(&mut peer, 2), [1, 4]);
    assert_eq!(figure(&walk.counters(), "confirmed"), 2);
}

#[test]
fn a_confirm_for_an_unknown_delivery_tag_ends_the_connection_and_counts_nothing() {
    type Answer = fn(&mut Peer, u16);
    let answers: [(&str, Answer); 6] = [
        ("delivery tag 0;", |peer, channel| peer.ack(channel, 0, false)),
        ("delivery tag 9000000000;", |peer, channel| peer.ack(channel, 9_000_000_000, true)),
        ("delivery tag 18446744073709551615;", |peer, channel| peer.nack(channel, u64::MAX, false)),
        ("delivery tag 1000000;", |peer, channel| peer.nack(channel, 1_000_000, true)),
        // Tag 0 with multiple means "all so far" elsewhere in AMQP, but RabbitMQ never sends that to a
        // publisher.
        ("delivery tag 0;", |peer, channel| peer.ack(channel, 0, true)),
        ("delivery tag 0;", |peer, channel| peer.nack(channel, 0, false)),
    ];
    for (words, answer) in answers {
        let mut walk = Walk::start();
        walk.survives(words, Retry::Soon, |peer| {
            let (channel, _) = peer.handshake_until(Step::Publish);
            answer(peer, channel);
        });
        walk.ends_well();
    }
}

#[test]
fn a_second_confirm_for_the_same_report_ends_the_connection() {
    let mut walk = Walk::start();
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 3), [1, 2, 3]);
    peer.ack(channel, 2, false);
    peer.ack(channel, 2, false);
    walk.says("confirm for unknown delivery tag 2", Retry::Soon);
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 3), [1, 3, 4]);
    peer.ack(channel, 3, true);
    end(&mut peer);
    walk.next = 5;
    walk.delivers();
    walk.ends_well();
}
