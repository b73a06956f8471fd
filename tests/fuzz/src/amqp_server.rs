//! What a client says to the AMQP server, in any split: what it wants to write stays within its memory, and out of the
//! same memory a good client is served.

#![no_main]

use libfuzzer_sys::fuzz_target;
use psistats_core::amqp::{Server, ServerBuffers, ServerEvent, ServerOptions};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

const OPTIONS: ServerOptions<'static> =
    ServerOptions { product: "fuzz", version: "1", heartbeat_s: 60, channels: 2, refusal: "no" };
const SHARE: usize = 8192;
const SEND: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((&[split, kind], octets)) = data.split_first_chunk() else { return };
    let (mut receive, mut send) = (vec![0; limits::AMQP_RECV], vec![0; SEND]);
    let mut messages = vec![0; SHARE * usize::from(OPTIONS.channels)];
    let mut serve = |octets: &[u8], split: usize| {
        let buffers = ServerBuffers { receive: &mut receive, send: &mut send, messages: &mut messages };
        talk(Server::new(OPTIONS, buffers, Instant::default()), octets, split)
    };
    // What comes after a handshake is not found by chance.
    let before = if kind & 1 == 1 { handshake() } else { Vec::new() };
    serve(&[&before, octets].concat(), usize::from(split) + 1);
    assert_eq!(serve(&[handshake(), publish(b"one")].concat(), usize::MAX), 1, "a good client is served");
});

/// How many messages came.
fn talk(mut server: Server<'_>, mut octets: &[u8], split: usize) -> usize {
    let (now, mut came) = (Instant::default(), 0);
    loop {
        while let Some(event) = server.poll_event(now) {
            match event {
                ServerEvent::Login => server.accept(now),
                ServerEvent::Publish(tag) => {
                    assert!(server.message().is_some_and(|message| message.body.len() <= SHARE));
                    came += 1;
                    server.confirm(tag);
                }
                ServerEvent::Ended(_) => return came,
                _ => {}
            }
        }
        assert!(server.outgoing().len() <= SEND);
        server.sent(server.outgoing().len(), now);
        let space = server.recv_space();
        let n = space.len().min(octets.len()).min(split);
        if n == 0 {
            return came;
        }
        let (head, tail) = octets.split_at(n);
        space[..n].copy_from_slice(head);
        octets = tail;
        server.received(n, now);
    }
}

/// AMQP 0-9-1, §4.2.3: type, channel, size, payload, end.
fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes(), payload, &[0xce]].concat()
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
}

fn handshake() -> Vec<u8> {
    [
        b"AMQP\0\0\x09\x01".to_vec(),
        method(0, 10, 11, b"\0\0\0\0\x05PLAIN\0\0\0\x0a\0pi\0secret\x05en_US"), // start-ok
        method(0, 10, 31, b"\0\x02\0\0\x20\0\0\x0a"),                           // tune-ok
        method(0, 10, 40, b"\x01/\0\0"),                                        // open
        method(1, 20, 10, b"\0"),                                               // channel.open
        method(1, 85, 10, b"\0"),                                               // confirm.select
    ]
    .concat()
}

fn publish(body: &[u8]) -> Vec<u8> {
    let mut header = b"\0\x3c\0\0".to_vec(); // class basic, weight
    header.extend((body.len() as u64).to_be_bytes());
    header.extend([0, 0]); // no properties
    [method(1, 60, 40, b"\0\0\x08psistats\x02pi\0"), frame(2, 1, &header), frame(3, 1, body)].concat()
}
