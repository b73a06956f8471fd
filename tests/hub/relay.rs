//! The relay's door, without the program around it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::sync_channel;

use psistats_host::conf::chasar::Chasar;
use psistats_hub::relay::{Listeners, Observer, Relay};
use support::{PATIENCE, raw};

/// A relay, and its ports of client nodes and of subscribers.
fn start(observer: Observer) -> (Relay, [u16; 2]) {
    let listener = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let (clients, subscribers) = (listener(), listener());
    let ports = [&clients, &subscribers].map(|listener| listener.local_addr().unwrap().port());
    let listeners = Listeners { clients: vec![clients], subscribers: vec![subscribers] };
    (Relay::start(Chasar::default(), 100, listeners, observer).unwrap(), ports)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn an_observer_is_shown_each_valid_message_with_its_peer_and_what_it_does_not_take_is_counted() {
    // It has room for two.
    let (sender, receiver) = sync_channel::<(SocketAddr, Vec<u8>)>(2);
    let (relay, [port, publish_port]) =
        start(Box::new(move |peer, body| sender.try_send((peer, body.to_vec())).is_ok()));
    let mut subscriber = raw::subscriber(publish_port, "");
    while block_on(relay.snapshot()).unwrap().subscribed == 0 {}
    let mut client = raw::client(port);
    for body in ["{\"n\":0}", "[]", "{\"n\":1}", "{\"n\":2}"] {
        client.write_all(&raw::status(body.as_bytes())).unwrap();
    }
    for n in 0..3 {
        assert_eq!(raw::read_message(&mut subscriber), format!("{{\"n\":{n}}}").into_bytes());
    }
    let peer = client.local_addr().unwrap();
    for n in 0..2 {
        let message = receiver.recv_timeout(PATIENCE).unwrap();
        assert_eq!(message, (peer, format!("{{\"n\":{n}}}").into_bytes()));
    }
    assert!(receiver.try_recv().is_err());
    let snapshot = block_on(relay.snapshot()).unwrap();
    assert_eq!((snapshot.messages, snapshot.invalid, snapshot.unobserved), (3, 1, 1));
    assert_eq!((snapshot.connections, snapshot.subscribers, snapshot.dropped), (2, 1, 0));
}

#[test]
fn a_stop_closes_every_connection_and_gives_the_last_counters() {
    let (relay, [port, publish_port]) = start(Box::new(|_, _| true));
    let mut client = raw::client(port);
    let subscriber = raw::subscriber(publish_port, "something else");
    client.write_all(&raw::status(b"{}")).unwrap();
    while block_on(relay.snapshot()).unwrap().messages == 0 {}
    let last = block_on(relay.stop()).unwrap();
    assert_eq!((last.messages, last.connections), (1, 2));
    let _ = client.read(&mut [0]);
    raw::assert_closed(subscriber);
}
