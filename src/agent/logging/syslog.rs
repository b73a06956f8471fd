//! The system's log: RFC 3164's `<PRI>`, over a Unix datagram socket or UDP.
//!
//! Python ends each message with a NUL; we do not. journald takes a message with one for modified
//! and stores it a second time as `SYSLOG_RAW`, rsyslog strips it, and C's `syslog(3)` sends none
//! over datagrams.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use psistats_host::conf::logging::SyslogAddress;

/// Where the system's syslog daemon listens.
pub const DEV_LOG: &str = "/dev/log";

/// Facility of system daemons (RFC 5424 §6.2.1).
pub const DAEMON: u8 = 3;

/// The way to a syslog daemon. Sending never waits.
#[derive(Debug)]
pub enum Syslog {
    /// Connected anew when the daemon has gone: it makes a new socket when it starts.
    Unix {
        /// The daemon's socket.
        path: PathBuf,
        /// Ours, while it is connected.
        socket: Option<UnixDatagram>,
    },
    /// Not connected, so that an answer "port unreachable" does not fail the next message.
    Udp {
        /// Ours.
        socket: UdpSocket,
        /// The daemon's address.
        to: SocketAddr,
    },
}

impl Syslog {
    /// Prepares to send to `address`. A Unix socket may be absent; a host's name must resolve.
    pub fn open(address: &SyslogAddress) -> io::Result<Self> {
        match address {
            SyslogAddress::Path(path) => Ok(Self::unix(path)),
            SyslogAddress::Udp(host, port) => {
                let unknown = || io::Error::new(ErrorKind::NotFound, "no address for that name");
                let to = (host.as_str(), *port).to_socket_addrs()?.next().ok_or_else(unknown)?;
                let from: SocketAddr = match to {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(from)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Udp { socket, to })
            }
        }
    }

    /// Prepares to send to the socket at `path`.
    pub fn unix(path: &Path) -> Self {
        Self::Unix { path: path.into(), socket: None }
    }

    /// Sends one message, `<PRI>` included.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp { socket, to } => socket.send_to(message, *to).map(drop),
            Self::Unix { path, socket } => {
                if let Some(connected) = socket {
                    match connected.send(message) {
                        Ok(_) => return Ok(()),
                        // The daemon is there and busy: a new socket would find it no less so.
                        Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(error),
                        Err(_) => *socket = None,
                    }
                }
                let fresh = UnixDatagram::unbound()?;
                fresh.set_nonblocking(true)?;
                fresh.connect(path)?;
                fresh.send(message)?;
                *socket = Some(fresh);
                Ok(())
            }
        }
    }
}
