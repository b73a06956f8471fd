//! Bytes between a link and its channel.

use std::io;

use crate::net::attempts::ConnectionError;
use crate::net::channel::Channel;
use psistats_core::link::Link;
use psistats_core::time::Instant;

/// Tells `link` that it is `now`, and what the peer has sent: reads once, if there may be something.
///
/// # Errors
/// What the channel says, unless it is that there is nothing or that the connection has ended, which
/// the link explains best.
pub fn receive(link: &mut impl Link, channel: &mut Channel<'_>, now: Instant) -> Result<(), ConnectionError> {
    if link.deadline().is_some_and(|at| at <= now) {
        link.timed_out(now);
    }
    if !channel.is_readable() {
        return Ok(());
    }
    match channel.read(link.recv_space()) {
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
pub fn transmit(
    link: &mut impl Link,
    channel: &mut Channel<'_>,
    now: Instant,
) -> Result<bool, ConnectionError> {
    channel.flush()?;
    if link.outgoing().is_empty() || !channel.is_writable() {
        return Ok(false);
    }
    match channel.write(link.outgoing()) {
        Ok(n) => link.sent(n, now),
        Err(error) => {
            // The end of the connection is for the next pass to tell; a socket that has failed
            // counts as writable, and would take this for ever.
            sort(link, error)?;
            return Ok(false);
        }
    }
    Ok(channel.is_writable())
}

/// What an error of the channel means: nothing, the end, or itself.
fn sort(link: &mut impl Link, error: ConnectionError) -> Result<(), ConnectionError> {
    let ConnectionError::Transport(cause) = &error else { return Err(error) };
    match cause.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            link.disconnected();
            Ok(())
        }
        _ => Err(error),
    }
}
