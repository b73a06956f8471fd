//! Syslog by RFC 3164 (`<PRI>`), over a Unix datagram socket or UDP.
//!
//! Python ends each message with a NUL, and psistats does not. journald treats a message that ends with a NUL as
//! modified and stores it a second time as `SYSLOG_RAW`, rsyslog strips the NUL, and C's `syslog(3)` sends none
//! over datagrams.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use psistats_host::conf::logging::SyslogAddress;

/// The socket at which the system's syslog daemon listens.
pub const DEV_LOG: &str = "/dev/log";

/// Facility of system daemons (RFC 5424 §6.2.1).
pub const DAEMON: u8 = 3;

/// A socket to a syslog daemon. Sending never blocks.
#[derive(Debug)]
pub enum Syslog {
    /// A Unix socket, which is connected again when the daemon has restarted with a new socket.
    Unix {
        /// The daemon's socket.
        path: PathBuf,
        /// The socket of this process, while it is connected.
        socket: Option<UnixDatagram>,
    },
    /// UDP. The socket is not connected, so that an answer "port unreachable" does not fail the next message.
    Udp {
        /// The socket of this process.
        socket: UdpSocket,
        /// The daemon's address.
        to: SocketAddr,
    },
}

impl Syslog {
    /// Prepares to send to `address`. A Unix socket may be absent. A host name must resolve, which can block.
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
                        // The daemon is busy. A new socket would not help.
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
