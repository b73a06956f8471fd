//! A TCP connection that does not block, with a deadline.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use smol::future::or;

use crate::net::reactor::{AsyncFd, Reactor};

/// From SYN to ESTABLISHED. Where packets vanish the kernel alone would try for two minutes.
pub const CONNECT: Duration = Duration::from_secs(5);

/// Connects to `address`; the connection counts as dead when sent bytes stay unacknowledged for
/// `dead_after`.
pub async fn tcp<'r>(
    reactor: &'r Reactor,
    address: SocketAddr,
    dead_after: Duration,
) -> io::Result<AsyncFd<'r, TcpStream>> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Stream, flags, None)?;
    // A report is one small write a second: nothing to wait for.
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    // A successful write only fills the kernel's buffer; this is what notices a dead way there
    // (Linux 2.6.37). A kernel that does not know it still has the heartbeats.
    let ms = u32::try_from(dead_after.as_millis()).unwrap_or(u32::MAX);
    let _ = setsockopt(&fd, sockopt::TcpUserTimeout, &ms);
    let under_way = match connect(fd.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) => false,
        Err(Errno::EINPROGRESS) => true,
        Err(error) => return Err(error.into()),
    };
    let stream = reactor.watch(TcpStream::from(fd))?;
    if under_way {
        let timer = reactor.timer()?;
        let deadline = reactor.now() + CONNECT;
        let timeout = async {
            timer.until(deadline).await;
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", CONNECT.as_secs())))
        };
        let connected = async {
            stream.writable().await;
            stream.get_ref().take_error()?.map_or(Ok(()), Err)
        };
        or(connected, timeout).await?;
    }
    Ok(stream)
}
