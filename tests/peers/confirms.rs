//! Confirms: unconfirmed reports are sent again in order, and no others.

use crate::walk::{Retry, Walk, end, sequence};
use psistats::net::attempts::from_home;
use psistats_host::conf::hosts::Host;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::scripted::{Peer, ScriptedBroker, Step};

/// The sequence numbers of the next `n` reports.
fn read(peer: &mut Peer, n: usize) -> Vec<u64> {
    (0..n).map(|_| sequence(&peer.read_publish())).collect()
}

#[test]
fn reports_that_are_refused_come_again_by_themselves_while_others_go_on_over_the_same_connection() {
    let mut walk = Walk::start();
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 6), [1, 2, 3, 4, 5, 6]);
    peer.ack(channel, 6, false);
    peer.ack(channel, 4, false);
    peer.nack(channel, 3, true);
    peer.ack(channel, 5, false);
    let line = walk.agent.wait_for_line("refuses to store reports (Nack)", PATIENCE);
    assert!(line.contains(" WARNING ") && line.contains("is a queue full or its node failing?"), "{line}");

    let (mut tag, mut next, mut again) = (6, 7, Vec::new());
    while again.len() < 4 {
        let number = sequence(&peer.read_publish());
        tag += 1;
        if number == next {
            next += 1;
            peer.ack(channel, tag, false);
        } else {
            // The oldest alone, until it is taken.
            let refuses = again.is_empty();
            again.push(number);
            if refuses { peer.nack(channel, tag, false) } else { peer.ack(channel, tag, false) }
        }
    }
    assert_eq!(again, [1, 1, 2, 3]);
    walk.agent.wait_for_line("has stored the reports that it had refused", PATIENCE);
    end(&mut peer);
    walk.next = next;
    walk.delivers();
    walk.ends_well();
}

#[test]
fn on_a_new_connection_what_was_refused_comes_in_its_place() {
    let mut walk = Walk::with(|config| config.set("app", "retry_timer", 1));
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 6), [1, 2, 3, 4, 5, 6]);
    peer.ack(channel, 6, false);
    peer.ack(channel, 3, true);
    peer.nack(channel, 4, false);
    walk.agent.wait_for_line("refuses to store reports (Nack)", PATIENCE);
    end(&mut peer);
    // Delivery tags begin again at 1: report 4 has tag 1, report 5 tag 2, report 7 tag 3.
    let (mut peer, channel) = walk.connects();
    assert_eq!(read(&mut peer, 3), [4, 5, 7]);
    peer.ack(channel, 3, true);
    end(&mut peer);
    walk.next = 8;
    walk.delivers();
    walk.ends_well();
}

#[test]
fn a_broker_that_lives_and_confirms_nothing_is_given_up_after_the_time_for_confirms() {
    let mut walk = Walk::with(|config| config.set("server", "confirm_timeout", 1));
    walk.survives("a report has not been confirmed for 1 s; is the node cut off", Retry::Soon, |peer| {
        peer.handshake_until(Step::Publish);
    });
    walk.ends_well();
}

#[test]
fn a_board_that_went_to_another_host_goes_back_to_its_own_once_everything_is_confirmed() {
    let [home, other] = [0; 2].map(|_| ScriptedBroker::new());
    let hostname = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let mut hosts = [&home, &other].map(|broker| Host { name: "127.0.0.1".into(), port: broker.port });
    if from_home(hosts.to_vec(), &hostname)[0].port != home.port {
        hosts.reverse();
    }
    let config = Config::new(home.port, "/")
        .set("server", "host", hosts.map(|host| host.to_string()).join(","))
        .set("server", "rebalance", "0.5")
        .set("app", "retry_timer", 3600);
    let mut agent = Agent::start(&config, &[]);
    let mut peer = home.accept();
    peer.handshake_until(Step::ConfirmSelect);
    end(&mut peer);

    let mut peer = other.accept();
    let (channel, select) = peer.handshake_until(Step::ConfirmSelect);
    peer.answer(channel, &select);
    // It stays while something is unconfirmed, though the time has come.
    assert_eq!(read(&mut peer, 40).len(), 40);
    peer.ack(channel, 40, true);
    let mut tag = 40;
    while let Step::Publish = peer.serve_until_either(Step::Publish, Step::Close) {
        tag += 1;
        peer.ack(channel, tag, true);
    }
    let mut peer = home.accept();
    let (channel, select) = peer.handshake_until(Step::ConfirmSelect);
    peer.answer(channel, &select);
    assert_eq!(read(&mut peer, 1), [tag + 1], "everything before is confirmed");
    drop(peer);
    assert!(agent.stop().success());
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
