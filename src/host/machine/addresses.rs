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

use crate::limits;
use crate::machine::source::{ReadError, Root};
use crate::machine::wanted::Wanted;
use crate::output::once::Once;
use psistats_core::kernel::addresses::{Addresses, Error, Family, Progress, parse, request};
use psistats_core::limits::ADDRESSES;

/// Asks the kernel for addresses.
#[derive(Debug)]
pub struct AddressReader {
    outcome: Result<(), ReadError>,
    found: Addresses,
    /// None after a failure: the next read begins with a new one.
    socket: Option<OwnedFd>,
    sequence: u32,
    more: Once,
}

impl Default for AddressReader {
    fn default() -> Self {
        Self {
            outcome: Err(ReadError::Content),
            found: Addresses::default(),
            socket: None,
            sequence: 0,
            more: Once::default(),
        }
    }
}

impl AddressReader {
    /// Reads the addresses of this network namespace, if they are wanted. Does not wait: the kernel answers a
    /// dump while it is asked and read. Of another root than `/` there are none: addresses are not a file.
    pub fn read(&mut self, wanted: Wanted, root: &Root, buf: &mut [u8]) {
        self.found.clear();
        self.outcome = match wanted.only(Wanted::IPV4 | Wanted::IPV6) {
            Wanted::NOTHING => Err(ReadError::Content),
            wanted if root.is_live() => self.dump(wanted, buf),
            _ => Ok(()),
        };
    }

    /// The addresses that were read last.
    ///
    /// # Errors
    /// As `socket(2)`, `send(2)`, `recv(2)`; what the kernel refuses with; or content that is none.
    pub fn addresses(&self) -> Result<&Addresses, ReadError> {
        self.outcome.map(|()| &self.found)
    }

    fn dump(&mut self, wanted: Wanted, buf: &mut [u8]) -> Result<(), ReadError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => open()?,
        };
        for (family, flag) in [(Family::V4, Wanted::IPV4), (Family::V6, Wanted::IPV6)] {
            if !wanted.has(flag) {
                continue;
            }
            self.sequence = self.sequence.wrapping_add(1);
            if dump(&socket, family, self.sequence, buf, &mut self.found)? == Progress::Full {
                if self.more.first() {
                    warn!("more than {} addresses: reports carry the first of them", ADDRESSES);
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
) -> Result<Progress, ReadError> {
    send(socket.as_raw_fd(), &request(family, sequence), MsgFlags::empty())?;
    for _ in 0..limits::ADDRESS_DATAGRAMS {
        // MSG_TRUNC: the whole length also of a datagram that was cut.
        let length = match recv(socket.as_raw_fd(), buf, MsgFlags::MSG_TRUNC) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let datagram = buf.get(..length).ok_or(ReadError::Content)?;
        match parse(datagram, family, sequence, found) {
            Ok(Progress::More) => {}
            Ok(end) => return Ok(end),
            Err(Error::Malformed) => return Err(ReadError::Content),
            Err(Error::Refused(errno)) => return Err(Errno::from_raw(errno).into()),
        }
    }
    Err(ReadError::Content)
}
