//! Publishes three messages as a PUB socket of ZeroMQ, to a SUB that listens at an address.
//!
//!     cargo run --package psistats-core --example zmtp -- 127.0.0.1:5555
//!
//! The other end, in Python with pyzmq:
//!
//!     socket = zmq.Context().socket(zmq.SUB)
//!     socket.subscribe(b"status")
//!     socket.bind("tcp://127.0.0.1:5555")
//!     while True: print(socket.recv_multipart())

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{self, Duration};

use psistats_core::link::Link;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Buffers, Outcome, Publisher, PublisherEvent};

/// The first frame of every message. Subscribers ask for a prefix of it.
const TOPIC: &[u8] = b"status";

/// After so much silence the peer is asked for a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:5555".into());

    // The publisher has no clock, no socket and no memory: it is given all three.
    let start = time::Instant::now();
    let now = || Instant::default() + start.elapsed();
    let mut stream = TcpStream::connect(address)?;
    // `receive` bounds what the peer may say at once, `send` is the high-water mark.
    let (mut receive, mut send) = ([0; 2048], [0; 4096]);
    let buffers = Buffers { receive: &mut receive, send: &mut send };
    let mut publisher = Publisher::new(TOPIC, HEARTBEAT, buffers, now());

    let mut published = 0;
    loop {
        // Drain: events, then messages, then octets.
        while let Some(event) = publisher.poll_event(now()) {
            println!("{event:?}");
            if let PublisherEvent::Ended(error) = event {
                return Err(error.into());
            }
        }
        while published < 3 {
            match publisher.publish(format!("{{\"n\":{}}}", published + 1).as_bytes(), now()) {
                Outcome::Queued => published += 1,
                // Nobody has subscribed yet, or the buffer is full. A PUB would drop the message; this one waits.
                Outcome::Unwanted | Outcome::Dropped => break,
            }
        }
        while !publisher.outgoing().is_empty() {
            let n = stream.write(publisher.outgoing())?;
            publisher.sent(n, now());
        }
        if published == 3 {
            break;
        }
        // Wait: for octets, or for the deadline. A timeout of zero would be none.
        let wait = publisher.deadline().map(|at| at.since(now()).max(Duration::from_millis(1)));
        stream.set_read_timeout(wait)?;
        match stream.read(publisher.recv_space()) {
            Ok(0) => publisher.disconnected(),
            Ok(n) => publisher.received(n, now()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                publisher.timed_out(now());
            }
            Err(error) => return Err(error.into()),
        }
    }
    // ZMTP has no orderly end. The peer has read everything once it closes its side as well.
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}
