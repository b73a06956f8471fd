//! The addresses of all interfaces, over a socket of rtnetlink.
//!
//! `getifaddrs(3)` is the same behind a list on the heap. The messages are in
//! [`psistats_core::kernel::addresses`].

use std::os::fd::{AsRawFd, OwnedFd};

use log::warn;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, socket,
};

use crate::machine::source::Failure;
use crate::machine::{Asker, Served};
use psistats_core::kernel::addresses::{Addresses, Error, Family, Progress, parse, request};
use psistats_core::limits;
use psistats_core::time::Instant;

/// Asks the kernel for addresses.
#[derive(Debug, Default)]
pub struct AddressReader {
    /// Whether somebody wants IPv6 addresses too.
    pub with_ipv6: bool,
    served: Served,
    outcome: Option<Failure>,
    found: Addresses,
    socket: Option<OwnedFd>,
    sequence: u32,
    cut_told: bool,
}

impl AddressReader {
    /// The addresses of this network namespace. Does not wait: the kernel answers a dump while it is
    /// asked and read.
    ///
    /// # Errors
    /// As `socket(2)`, `send(2)`, `recv(2)`; what the kernel refuses with; or content that is none.
    /// The next reading begins with a new socket.
    pub fn ask(&mut self, asker: Asker, now: Instant, buf: &mut [u8]) -> Result<&Addresses, Failure> {
        if self.served.is_over(asker, now) {
            self.outcome = self.read(buf).err();
        }
        self.outcome.map_or(Ok(&self.found), Err)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<(), Failure> {
        self.found.clear();
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open()?,
        };
        for family in [Family::V4, Family::V6] {
            if family == Family::V6 && !self.with_ipv6 {
                break;
            }
            self.sequence = self.sequence.wrapping_add(1);
            if dump(&socket, family, self.sequence, buf, &mut self.found)? == Progress::Full {
                if !self.cut_told {
                    self.cut_told = true;
                    warn!("more than {} addresses: reports carry the first of them", limits::ADDRESSES);
                }
                // The rest of the dump is still under way.
                return Ok(());
            }
        }
        self.socket = Some(socket);
        Ok(())
    }
}

/// A socket that hears from the kernel only, and needs no privilege.
fn open() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    Ok(socket)
}

/// One dump, to its end or until `found` is full.
fn dump(
    socket: &OwnedFd,
    family: Family,
    sequence: u32,
    buf: &mut [u8],
    found: &mut Addresses,
) -> Result<Progress, Failure> {
    send(socket.as_raw_fd(), &request(family, sequence), MsgFlags::empty())?;
    for _ in 0..limits::ADDRESS_DATAGRAMS {
        // MSG_TRUNC: the whole length also of a datagram that was cut.
        let length = match recv(socket.as_raw_fd(), buf, MsgFlags::MSG_TRUNC) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let datagram = buf.get(..length).ok_or(Failure::Content)?;
        match parse(datagram, family, sequence, found) {
            Ok(Progress::More) => {}
            Ok(end) => return Ok(end),
            Err(Error::Malformed) => return Err(Failure::Content),
            Err(Error::Refused(errno)) => return Err(Errno::from_raw(errno).into()),
        }
    }
    Err(Failure::Content)
}
