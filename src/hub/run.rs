//! chasar's master node alone: starts the relay, and waits for signals.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use log::{info, warn};

use crate::descriptors;
use crate::listeners::{listen, local_addresses};
use crate::relay::{Listeners, Relay};
use crate::signals::{self, Asked, Signals};
use psistats_host::conf::chasar::Chasar;

/// Runs until SIGTERM or SIGINT, with client nodes at `port` of those of `addresses` that this machine has, and
/// subscribers at the port that `settings` name.
///
/// # Errors
/// What keeps it from running at all, or that the relay has ended.
pub fn run(addresses: &BTreeSet<IpAddr>, port: u16, settings: Chasar) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(master_node(addresses, port, settings))
}

async fn master_node(addresses: &BTreeSet<IpAddr>, port: u16, settings: Chasar) -> io::Result<()> {
    let (allowed, limit) = descriptors::raise()?;
    let room = match usize::try_from(settings.connections) {
        Ok(0) | Err(_) => allowed,
        Ok(most) => allowed.min(most),
    };
    let mut signals = Signals::new()?;
    let clients = listen(addresses, port)?;
    let subscribers = listen(addresses, settings.publish_port)?;
    info!(
        "master node {}: client nodes at {}, subscribers at {}; room for {room} connections (limit of open files: {limit})",
        env!("CARGO_PKG_VERSION"),
        local_addresses(&clients)?,
        local_addresses(&subscribers)?,
    );
    if addresses.iter().all(IpAddr::is_loopback) {
        info!(
            "no other machine can connect: these addresses are for this one alone. To listen at all of its \
             addresses: masternode start '*', or [chasar] bind=*"
        );
    }
    let observer = Box::new(|_, _: &[u8]| true);
    let mut relay = Relay::start(settings, room, Listeners { clients, subscribers }, observer)?;
    signals::ready();
    loop {
        match poll_fn(|cx| poll_event(&mut signals, &mut relay, cx)).await {
            Event::Asked(Asked::Stop) => break,
            Event::Asked(Asked::Count) => info!("{}", relay.snapshot().await?),
            Event::Asked(Asked::Reload) => warn!(
                "SIGHUP changes nothing: the configuration is read only at the start, so restart the service"
            ),
            Event::End(error) => return Err(error),
        }
    }
    info!("stopping; {}", relay.stop().await?);
    Ok(())
}

/// What the main thread waits for.
enum Event {
    Asked(Asked),
    End(io::Error),
}

fn poll_event(signals: &mut Signals, relay: &mut Relay, cx: &mut Context<'_>) -> Poll<Event> {
    match relay.poll_unexpected_end(cx) {
        Poll::Ready(error) => Poll::Ready(Event::End(error)),
        Poll::Pending => signals.poll(cx).map(Event::Asked),
    }
}
