//! Listening sockets, and their options.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::TcpSocket;

/// Connections that the system keeps until they are accepted: Linux' default maximum (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

/// Bytes of a socket's receive buffer. It bounds what a client node that has to wait can have sent already, and what
/// ten thousand connections take of the system's memory.
const RECEIVE: u32 = 128 * 1024;

/// After so much silence TCP sends a keepalive probe.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// The addresses that an address, a name or `*` stands for.
///
/// # Errors
/// It is none, or a name that cannot be resolved.
pub fn addresses_of(word: &str) -> Result<BTreeSet<IpAddr>, String> {
    if word == "*" {
        return Ok(BTreeSet::from([Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]));
    }
    let wrong = |why: &dyn Display| format!("expected an address of this machine, or *, got {word}: {why}");
    let addresses = (word, 0).to_socket_addrs().map_err(|error| wrong(&error))?;
    let addresses: BTreeSet<IpAddr> = addresses.map(|address| address.ip()).collect();
    if addresses.is_empty() { Err(wrong(&"the name has no address")) } else { Ok(addresses) }
}

/// Listens at `port` of those of `addresses` that this machine has: it may have no IPv6.
///
/// # Errors
/// One that this machine has cannot be listened at, or it has none of them. The text says what to do.
pub fn listen(addresses: &BTreeSet<IpAddr>, port: u16) -> io::Result<Vec<TcpListener>> {
    let (mut listeners, mut missing) = (Vec::new(), None);
    for ip in addresses {
        let address = SocketAddr::new(*ip, port);
        match bind(address, addresses.len() > 1) {
            Ok(listener) => listeners.push(listener),
            Err(error) if is_not_here(&error) => missing = Some(explained(address, &error)),
            Err(error) => return Err(explained(address, &error)),
        }
    }
    missing.filter(|_| listeners.is_empty()).map_or(Ok(listeners), Err)
}

/// The addresses of the listeners, for the log.
///
/// # Errors
/// Of the system.
pub fn local_addresses(listeners: &[TcpListener]) -> io::Result<String> {
    let addresses: Vec<String> =
        listeners.iter().map(|listener| Ok(listener.local_addr()?.to_string())).collect::<io::Result<_>>()?;
    Ok(addresses.join(" and "))
}

/// One listener. Accepted sockets inherit its options.
fn bind(address: SocketAddr, with_others: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if address.is_ipv6() && with_others {
        // Otherwise :: takes IPv4, too, and 0.0.0.0 cannot be bound beside it.
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    socket.set_recv_buffer_size(RECEIVE)?;
    socket.set_keepalive(true)?;
    setsockopt(&socket, sockopt::TcpKeepIdle, &u32::try_from(KEEPALIVE.as_secs()).unwrap_or(u32::MAX))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Whether this machine has no such address, or no addresses of that family.
fn is_not_here(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EADDRNOTAVAIL | Errno::EAFNOSUPPORT))
}

fn explained(address: SocketAddr, error: &io::Error) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => "does another program, or another master node, listen there?",
        io::ErrorKind::AddrNotAvailable => "give an address of this machine, or * for all of them",
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root: give another",
        _ => "give another address or port",
    };
    io::Error::new(error.kind(), format!("cannot listen at {address}: {error}; {hint}"))
}
