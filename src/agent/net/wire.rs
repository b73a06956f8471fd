//! Bytes between a link and its socket, and how the socket comes about.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::task::{Context, Poll};
use std::time::Duration;

use smol::future::or;

use crate::net::attempts::Failure;
use crate::net::connect;
use crate::net::reactor::{Reactor, Source, Timer, either};
use crate::net::resolve::Resolver;
use psistats_core::link::Link;
use psistats_core::time::Instant;
use psistats_host::conf::hosts::Host;

/// Until a name server has answered.
const RESOLVE: Duration = Duration::from_secs(10);

/// Connects to the first address of `host` that answers; `dead_after` as in [`connect::tcp`].
///
/// # Errors
/// Why the name has no address, or why the last of its addresses cannot be reached.
pub async fn connect<'r>(
    reactor: &'r Reactor,
    timer: &Timer<'r>,
    resolver: &mut Resolver<'_>,
    host: &Host,
    dead_after: Duration,
) -> Result<Source<'r, TcpStream>, Failure> {
    let late = async {
        timer.until(reactor.now() + RESOLVE).await;
        let text =
            format!("no answer from a name server within {} s; check /etc/resolv.conf", RESOLVE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    let addresses = or(resolver.resolve(host), late).await.map_err(Failure::Resolve)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connect::tcp(reactor, address, dead_after).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(Failure::Transport(last))
}

/// Ready when there is something to receive, or to transmit.
pub fn poll(link: &impl Link, stream: &Source<'_, TcpStream>, cx: &Context<'_>) -> Poll<()> {
    let writable = if link.outgoing().is_empty() { Poll::Pending } else { stream.poll_writable(cx) };
    either(stream.poll_readable(cx), writable)
}

/// Reads once, if there may be something.
///
/// # Errors
/// What the socket says, unless it is that there is nothing or that the connection has ended, which
/// the link explains best.
pub fn receive(link: &mut impl Link, stream: &Source<'_, TcpStream>, now: Instant) -> io::Result<()> {
    if !stream.is_readable() {
        return Ok(());
    }
    match stream.read(link.recv_space(), |mut stream, buf| stream.read(buf)) {
        Ok(0) => link.disconnected(),
        Ok(n) => link.received(n, now),
        Err(error) => sort(link, error)?,
    }
    Ok(())
}

/// Writes once, if anything waits and may be taken. Whether another time may make sense.
///
/// # Errors
/// As [`receive`].
pub fn transmit(link: &mut impl Link, stream: &Source<'_, TcpStream>, now: Instant) -> io::Result<bool> {
    if link.outgoing().is_empty() || !stream.is_writable() {
        return Ok(false);
    }
    match stream.write(link.outgoing(), |mut stream, buf| stream.write(buf)) {
        Ok(n) => link.sent(n, now),
        Err(error) => {
            // The end of the connection is for the next pass to tell; a socket that has failed
            // counts as writable, and would take this for ever.
            sort(link, error)?;
            return Ok(false);
        }
    }
    Ok(stream.is_writable())
}

/// What an error of the socket means: nothing, the end, or itself.
fn sort(link: &mut impl Link, error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            link.disconnected();
            Ok(())
        }
        _ => Err(error),
    }
}
