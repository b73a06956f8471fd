//! A port at which nobody listens, and nobody else can.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, socket};

/// Refuses connections while it lives.
pub struct Refusing {
    /// On 127.0.0.1.
    pub port: u16,
    _taken: OwnedFd,
}

impl Refusing {
    /// Takes a free port.
    pub fn new() -> Self {
        let taken = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        bind(taken.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let port = getsockname::<SockaddrIn>(taken.as_raw_fd()).unwrap().port();
        Self { port, _taken: taken }
    }
}
