//! A port that refuses until it is told to listen.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};

/// Refuses connections while it lives. Bound, so that nobody else can listen there.
pub struct Refusing {
    /// On 127.0.0.1.
    pub port: u16,
    socket: OwnedFd,
}

impl Refusing {
    /// Takes a free port.
    pub fn new() -> Self {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let port = getsockname::<SockaddrIn>(socket.as_raw_fd()).unwrap().port();
        Self { port, socket }
    }

    /// From now on somebody listens.
    pub fn listen(self) -> TcpListener {
        listen(&self.socket, Backlog::new(16).unwrap()).unwrap();
        TcpListener::from(self.socket)
    }
}
