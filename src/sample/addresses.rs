//! The IPv4 addresses of all interfaces, over rtnetlink: the messages, without the socket.
//!
//! netlink(7), rtnetlink(7). A request for a dump is answered by datagrams of messages; the last
//! message is `NLMSG_DONE`. Numbers are in the machine's own byte order, messages and attributes
//! are padded to four bytes.

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::bytes::{Reader, Short, Writer};
use crate::limits;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const AF_INET: u8 = 2;

/// Bytes of a message's header (`struct nlmsghdr`), and of a request: a header and a
/// `struct ifaddrmsg`.
const HEADER: usize = 16;
const REQUEST: u32 = 16 + 8;

/// The addresses found, in the kernel's order, without 127.0.0.1.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    list: Vec<Ipv4Addr, { limits::ADDRESSES }>,
    /// Of the same number.
    networks: Vec<Network, { limits::ADDRESSES }>,
}

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The number of the interface.
    pub interface: u32,
    /// The mask of the network.
    pub netmask: Ipv4Addr,
    /// What reaches all of it.
    pub broadcast: Option<Ipv4Addr>,
}

impl Addresses {
    /// The addresses.
    pub fn as_slice(&self) -> &[Ipv4Addr] {
        &self.list
    }

    /// The addresses, and where each is.
    pub fn with_networks(&self) -> impl Iterator<Item = (Ipv4Addr, Network)> + Clone {
        self.list.iter().copied().zip(self.networks.iter().copied())
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        self.networks.clear();
    }

    /// Adds one; false where there is no room.
    fn add(&mut self, address: Ipv4Addr, network: Network) -> bool {
        self.list.push(address).is_ok() && self.networks.push(network).is_ok()
    }
}

/// How far a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Datagrams follow.
    More,
    /// That was all.
    Done,
    /// There are more than [`limits::ADDRESSES`]; those that were found first stand.
    Full,
}

/// Why a dump gives no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A length that cannot be.
    Malformed,
    /// The kernel refuses, with this error number.
    Refused(i32),
}

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Error::Malformed
    }
}

/// The request for a dump of the IPv4 addresses of all interfaces.
pub fn request(sequence: u32) -> [u8; REQUEST as usize] {
    let mut message = [0; REQUEST as usize];
    let mut fields = Writer::new(&mut message);
    fields.bytes(&REQUEST.to_ne_bytes());
    fields.bytes(&RTM_GETADDR.to_ne_bytes());
    fields.bytes(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    fields.bytes(&sequence.to_ne_bytes());
    fields.bytes(&0_u32.to_ne_bytes()); // port: the kernel knows ours
    fields.u8(AF_INET); // and no prefix, flags, scope, interface
    message
}

/// Reads one datagram of the dump that was asked for with `sequence`; messages of another one
/// (given up before its end) are passed over.
pub fn parse(datagram: &[u8], sequence: u32, found: &mut Addresses) -> Result<Progress, Error> {
    let mut messages = Reader::new(datagram);
    while !messages.is_empty() {
        let length = u32_ne(&mut messages)?;
        let kind = u16_ne(&mut messages)?;
        let _flags = u16_ne(&mut messages)?;
        let of = u32_ne(&mut messages)?;
        let _port = u32_ne(&mut messages)?;
        let mut body = padded(&mut messages, usize::try_from(length).unwrap_or(usize::MAX), HEADER)?;
        if of != sequence {
            continue;
        }
        match kind {
            NLMSG_DONE | NLMSG_ERROR => {
                // Both begin with an error number: 0, or negative.
                let error = i32::from_ne_bytes(body.array()?);
                return if error == 0 {
                    Ok(Progress::Done)
                } else {
                    Err(Error::Refused(error.saturating_neg()))
                };
            }
            RTM_NEWADDR => {
                let Some((address, network)) = address(body)? else { continue };
                if address != Ipv4Addr::LOCALHOST && !found.add(address, network) {
                    return Ok(Progress::Full);
                }
            }
            _ => {}
        }
    }
    Ok(Progress::More)
}

/// The interface's own address in a `RTM_NEWADDR`: `IFA_LOCAL`; on a point-to-point link
/// `IFA_ADDRESS` is the other end's.
fn address(mut body: Reader<'_>) -> Result<Option<(Ipv4Addr, Network)>, Error> {
    let [family, prefix, _flags, _scope] = body.array()?;
    let interface = u32_ne(&mut body)?;
    if family != AF_INET {
        return Ok(None);
    }
    let [mut local, mut address, mut broadcast] = [None; 3];
    while !body.is_empty() {
        let length = u16_ne(&mut body)?;
        let kind = u16_ne(&mut body)?;
        let mut value = padded(&mut body, usize::from(length), 4)?;
        let field = match kind {
            IFA_LOCAL => &mut local,
            IFA_ADDRESS => &mut address,
            IFA_BROADCAST => &mut broadcast,
            _ => continue,
        };
        *field = Some(Ipv4Addr::from(value.array::<4>()?));
    }
    let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let network = Network { interface, netmask: Ipv4Addr::from(!host), broadcast };
    Ok(local.or(address).map(|address| (address, network)))
}

/// Takes what follows a header of `header` bytes, `length` bytes with it, and the padding behind.
fn padded<'a>(reader: &mut Reader<'a>, length: usize, header: usize) -> Result<Reader<'a>, Short> {
    let body = reader.take(length.checked_sub(header).ok_or(Short)?)?;
    // The last one may go without.
    let padding = body.len().wrapping_neg() % 4;
    reader.take(padding.min(reader.rest().len()))?;
    Ok(Reader::new(body))
}

fn u16_ne(reader: &mut Reader<'_>) -> Result<u16, Short> {
    Ok(u16::from_ne_bytes(reader.array()?))
}

fn u32_ne(reader: &mut Reader<'_>) -> Result<u32, Short> {
    Ok(u32::from_ne_bytes(reader.array()?))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + body.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend(2_u16.to_ne_bytes());
        message.extend(sequence.to_ne_bytes());
        message.extend(4711_u32.to_ne_bytes());
        message.extend(body);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn new_address(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = std::vec![AF_INET, 24, 0, 0, 2, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        body
    }

    #[test]
    fn a_dump_gives_the_interfaces_own_addresses_but_127_0_0_1() {
        let mut found = Addresses::default();
        let lo = new_address(&[(1, &[127, 0, 0, 1]), (2, &[127, 0, 0, 1]), (3, b"lo\0")]);
        let eth = new_address(&[(1, &[192, 0, 2, 2]), (2, &[192, 0, 2, 2]), (3, b"enxb827eb000000\0")]);
        let ppp = new_address(&[(1, &[198, 51, 100, 1]), (2, &[198, 51, 100, 7])]);
        let old = new_address(&[(1, &[203, 0, 113, 9])]);
        let datagram = [&lo, &eth, &ppp].map(|body| message(RTM_NEWADDR, 5, body)).concat();
        assert_eq!(parse(&datagram, 5, &mut found), Ok(Progress::More));
        assert_eq!(parse(&message(RTM_NEWADDR, 4, &old), 5, &mut found), Ok(Progress::More));
        assert_eq!(parse(&message(NLMSG_DONE, 5, &[0; 4]), 5, &mut found), Ok(Progress::Done));
        assert_eq!(found.as_slice(), [Ipv4Addr::new(192, 0, 2, 2), Ipv4Addr::new(198, 51, 100, 7)]);
    }

    #[test]
    fn an_address_comes_with_its_interface_mask_and_broadcast() {
        for (prefix, mask) in [(24, [255, 255, 255, 0]), (32, [255; 4]), (0, [0; 4]), (200, [255; 4])] {
            let mut body = new_address(&[(2, &[192, 0, 2, 2]), (4, &[192, 0, 2, 255])]);
            body[1] = prefix;
            let mut found = Addresses::default();
            parse(&message(RTM_NEWADDR, 5, &body), 5, &mut found).unwrap();
            let broadcast = Some(Ipv4Addr::new(192, 0, 2, 255));
            let network =
                Network { interface: u32::from_ne_bytes([2, 0, 0, 0]), netmask: mask.into(), broadcast };
            assert_eq!(found.with_networks().collect::<Vec<_>>(), [(Ipv4Addr::new(192, 0, 2, 2), network)]);
        }
    }

    #[test]
    fn more_addresses_than_there_is_room_for_are_cut() {
        let mut found = Addresses::default();
        let datagram: Vec<u8> =
            (0..40).flat_map(|n| message(RTM_NEWADDR, 1, &new_address(&[(2, &[10, 0, 0, n])]))).collect();
        assert_eq!(parse(&datagram, 1, &mut found), Ok(Progress::Full));
        assert_eq!(found.as_slice().len(), limits::ADDRESSES);
    }

    #[test]
    fn a_refusal_carries_the_kernels_error_number() {
        let refusal = message(NLMSG_ERROR, 9, &[&(-16_i32).to_ne_bytes()[..], &[0; 16]].concat());
        assert_eq!(parse(&refusal, 9, &mut Addresses::default()), Err(Error::Refused(16)));
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let mut found = Addresses::default();
        for length in [0_u32, 15, 100, u32::MAX] {
            let mut bad = message(RTM_NEWADDR, 1, &new_address(&[]));
            bad[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parse(&bad, 1, &mut found), Err(Error::Malformed), "{length}");
        }
        for value in [&[1, 2, 3][..], &[]] {
            let bad = message(RTM_NEWADDR, 1, &new_address(&[(2, value)]));
            assert_eq!(parse(&bad, 1, &mut found), Err(Error::Malformed));
        }
        assert!(found.as_slice().is_empty());
    }

    #[test]
    fn the_request_is_a_dump_of_ipv4_addresses() {
        let request = request(0x0102_0304);
        let expected = message(RTM_GETADDR, 0x0102_0304, &[AF_INET, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(request[..6], expected[..6]);
        assert_eq!(request[6..8], 0x301_u16.to_ne_bytes());
        assert_eq!(request[8..12], expected[8..12]);
        assert_eq!(request[16..], expected[16..]);
    }
}
