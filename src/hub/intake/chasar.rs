//! chasar's client nodes: what the relay publishes, the fleet takes, too.

use std::net::SocketAddr;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::fleet::{Heard, Source};
use crate::intake::Door;
use crate::relay::Observer;

/// Messages that wait for the fleet. Beyond, the relay goes on without it and counts them.
const WAITING: usize = 4096;

/// Messages on their way from the relay's thread.
#[derive(Debug)]
pub struct Messages(mpsc::Receiver<(SocketAddr, Bytes)>);

/// What the relay tells of each message, and where they arrive.
pub fn channel() -> (Observer, Messages) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let observer = move |peer, body: &[u8]| sender.try_send((peer, Bytes::copy_from_slice(body))).is_ok();
    (Box::new(observer), Messages(receiver))
}

/// Takes messages until the relay has ended.
pub async fn run(mut messages: Messages, door: &Door) {
    while let Some((peer, body)) = messages.0.recv().await {
        door.take_unconfirmed(&Heard {
            source: Source::Chasar,
            peer: Some(peer),
            id: None,
            sampled_ms: None,
            body,
        });
    }
}
