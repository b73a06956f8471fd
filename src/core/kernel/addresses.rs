//! The addresses of all interfaces, over rtnetlink: the messages, without the socket.
//!
//! netlink(7), rtnetlink(7). A request for a dump is answered by datagrams of messages; the last
//! message is `NLMSG_DONE`. Numbers are in the machine's own byte order, messages and attributes
//! are padded to four bytes.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
/// Of an address that is not in use: another machine has it, or may have it (if_addr.h).
const IFA_F_DADFAILED: u8 = 0x08;
const IFA_F_TENTATIVE: u8 = 0x40;
const RT_SCOPE_UNIVERSE: u8 = 0;

/// libvirt's bridge, which no report has: its address is the same on every machine that has it.
const LEFT_OUT: &[u8] = b"virbr0\0";

/// Bytes of a message's header (`struct nlmsghdr`), and of a request: a header and a
/// `struct ifaddrmsg`.
const HEADER: usize = 16;
const REQUEST: u32 = 16 + 8;

/// What a dump is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// All IPv4 addresses.
    V4 = 2,
    /// IPv6 addresses of the scope `global`, which are in use.
    V6 = 10,
}

/// The addresses found, in the kernel's order.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    list: Vec<(Ipv4Addr, Network), { limits::ADDRESSES }>,
    reported: Vec<IpAddr, { 2 * limits::ADDRESSES }>,
}

/// Where an IPv4 address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The number of the interface.
    pub interface: u32,
    /// The mask of the network.
    pub netmask: Ipv4Addr,
    /// What reaches all of it, or the other end of a link that has two: as getifaddrs(3) has one field for
    /// both. Without a broadcast address it is the address itself.
    pub broadcast_or_peer: Option<Ipv4Addr>,
}

impl Addresses {
    /// What a report has: all but 127.0.0.1 and those of libvirt's bridge.
    pub fn as_slice(&self) -> &[IpAddr] {
        &self.reported
    }

    /// The IPv4 addresses, and where each is.
    pub fn with_networks(&self) -> impl Iterator<Item = (Ipv4Addr, Network)> + Clone {
        self.list.iter().copied()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        self.reported.clear();
    }

    /// Adds what a `RTM_NEWADDR` says; false where there is no room.
    fn add(&mut self, found: &Found) -> bool {
        let has_room = match (found.address, found.network) {
            (IpAddr::V4(address), Some(network)) => self.list.push((address, network)).is_ok(),
            _ => true,
        };
        has_room
            && (found.address == IpAddr::V4(Ipv4Addr::LOCALHOST)
                || found.is_left_out
                || self.reported.push(found.address).is_ok())
    }
}

/// What a `RTM_NEWADDR` says.
struct Found {
    address: IpAddr,
    /// Of an IPv4 address.
    network: Option<Network>,
    is_left_out: bool,
}

/// How far a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Datagrams follow.
    More,
    /// That was all.
    Done,
    /// There are more than [`limits::ADDRESSES`] of the family; those that were found first stand.
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

impl core::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("a netlink message has a length that cannot be"),
            Self::Refused(number) => write!(f, "the kernel refuses the dump with error {number}"),
        }
    }
}

impl From<Short> for Error {
    fn from(_: Short) -> Self {
        Error::Malformed
    }
}

/// The request for a dump of the addresses of all interfaces.
pub fn request(family: Family, sequence: u32) -> [u8; REQUEST as usize] {
    let mut message = [0; REQUEST as usize];
    let mut fields = Writer::new(&mut message);
    fields.bytes(&REQUEST.to_ne_bytes());
    fields.bytes(&RTM_GETADDR.to_ne_bytes());
    fields.bytes(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    fields.bytes(&sequence.to_ne_bytes());
    fields.bytes(&0_u32.to_ne_bytes()); // port: the kernel knows ours
    fields.u8(family as u8); // and no prefix, flags, scope, interface
    message
}

/// Reads one datagram of the dump that was asked for with `family` and `sequence`; messages of another one
/// (given up before its end) are passed over, and so are other families: a kernel without IPv6 answers with
/// what it has.
pub fn parse(
    datagram: &[u8],
    family: Family,
    sequence: u32,
    found: &mut Addresses,
) -> Result<Progress, Error> {
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
                if let Some(address) = address(body, family)?
                    && !found.add(&address)
                {
                    return Ok(Progress::Full);
                }
            }
            _ => {}
        }
    }
    Ok(Progress::More)
}

/// The interface's own address in a `RTM_NEWADDR`: `IFA_LOCAL`; on a point-to-point link
/// `IFA_ADDRESS` is the other end's. None where it is not wanted.
fn address(mut body: Reader<'_>, family: Family) -> Result<Option<Found>, Error> {
    let [of, prefix, flags, scope] = body.array()?;
    let interface = u32_ne(&mut body)?;
    let is_wanted = match family {
        Family::V4 => true,
        Family::V6 => scope == RT_SCOPE_UNIVERSE && flags & (IFA_F_DADFAILED | IFA_F_TENTATIVE) == 0,
    };
    if of != family as u8 || !is_wanted {
        return Ok(None);
    }
    let [mut local, mut address, mut broadcast] = [None; 3];
    let mut is_left_out = false;
    while !body.is_empty() {
        let length = u16_ne(&mut body)?;
        let kind = u16_ne(&mut body)?;
        let value = padded(&mut body, usize::from(length), 4)?;
        match kind {
            IFA_LOCAL => local = Some(ip(value, family)?),
            IFA_ADDRESS => address = Some(ip(value, family)?),
            IFA_BROADCAST => broadcast = Some(ip(value, family)?),
            IFA_LABEL => is_left_out = value.rest() == LEFT_OUT,
            _ => {}
        }
    }
    let v4 = |address| if let IpAddr::V4(address) = address { Some(address) } else { None };
    let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let network = Network {
        interface,
        netmask: Ipv4Addr::from(!host),
        broadcast_or_peer: broadcast.or(local.and(address)).and_then(v4),
    };
    let network = (family == Family::V4).then_some(network);
    Ok(local.or(address).map(|address| Found { address, network, is_left_out }))
}

fn ip(mut value: Reader<'_>, family: Family) -> Result<IpAddr, Short> {
    Ok(match family {
        Family::V4 => Ipv4Addr::from(value.array::<4>()?).into(),
        Family::V6 => Ipv6Addr::from(value.array::<16>()?).into(),
    })
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
        let mut body = std::vec![Family::V4 as u8, 24, 0, 0, 2, 0, 0, 0];
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
        assert_eq!(parse(&datagram, Family::V4, 5, &mut found), Ok(Progress::More));
        assert_eq!(parse(&message(RTM_NEWADDR, 4, &old), Family::V4, 5, &mut found), Ok(Progress::More));
        assert_eq!(parse(&message(NLMSG_DONE, 5, &[0; 4]), Family::V4, 5, &mut found), Ok(Progress::Done));
        assert_eq!(found.as_slice(), [[192, 0, 2, 2], [198, 51, 100, 7]].map(IpAddr::from));
        let peers: Vec<_> = found.with_networks().map(|(_, network)| network.broadcast_or_peer).collect();
        assert_eq!(peers, [[127, 0, 0, 1], [192, 0, 2, 2], [198, 51, 100, 1]].map(|a| Some(a.into())));
    }

    #[test]
    fn a_report_is_without_the_bridge_of_libvirt_and_with_the_alias_of_another_interface() {
        let mut found = Addresses::default();
        let bridge = new_address(&[(2, &[192, 168, 122, 1]), (3, b"virbr0\0")]);
        let other = new_address(&[(2, &[192, 168, 122, 2]), (3, b"virbr0:1\0")]);
        let datagram = [&bridge, &other].map(|body| message(RTM_NEWADDR, 5, body)).concat();
        parse(&datagram, Family::V4, 5, &mut found).unwrap();
        assert_eq!(found.as_slice(), [IpAddr::from([192, 168, 122, 2])]);
        assert_eq!(found.with_networks().count(), 2, "chasar's interface is the one that it is told");
    }

    #[test]
    fn of_ipv6_the_global_addresses_that_are_in_use_are_reported_and_no_other_family() {
        let address = |scope: u8, flags: u8, last: u8| {
            let mut body = new_address(&[(1, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])]);
            body[..4].copy_from_slice(&[Family::V6 as u8, 64, flags, scope]);
            message(RTM_NEWADDR, 5, &body)
        };
        // 0x80 is permanent; 0x20 deprecated, which still has connections.
        let of_link = address(253, 0x80, 2);
        let all =
            [address(0, 0x80, 1), of_link, address(0, 0x40, 3), address(0, 0x08, 4), address(0, 0x20, 5)];
        let of_others = message(RTM_NEWADDR, 5, &new_address(&[(2, &[192, 0, 2, 2])]));
        let mut found = Addresses::default();
        parse(&[all.concat(), of_others].concat(), Family::V6, 5, &mut found).unwrap();
        assert_eq!(found.as_slice(), ["2001:db8::1", "2001:db8::5"].map(|a| a.parse::<IpAddr>().unwrap()));
        assert_eq!(found.with_networks().count(), 0);
    }

    #[test]
    fn an_address_comes_with_its_interface_mask_and_broadcast() {
        for (prefix, mask) in [(24, [255, 255, 255, 0]), (32, [255; 4]), (0, [0; 4]), (200, [255; 4])] {
            let mut body = new_address(&[(2, &[192, 0, 2, 2]), (4, &[192, 0, 2, 255])]);
            body[1] = prefix;
            let mut found = Addresses::default();
            parse(&message(RTM_NEWADDR, 5, &body), Family::V4, 5, &mut found).unwrap();
            let broadcast_or_peer = Some(Ipv4Addr::new(192, 0, 2, 255));
            let interface = u32::from_ne_bytes([2, 0, 0, 0]);
            let network = Network { interface, netmask: mask.into(), broadcast_or_peer };
            assert_eq!(found.with_networks().collect::<Vec<_>>(), [(Ipv4Addr::new(192, 0, 2, 2), network)]);
        }
    }

    #[test]
    fn more_addresses_than_there_is_room_for_are_cut() {
        let mut found = Addresses::default();
        let datagram: Vec<u8> =
            (0..40).flat_map(|n| message(RTM_NEWADDR, 1, &new_address(&[(2, &[10, 0, 0, n])]))).collect();
        assert_eq!(parse(&datagram, Family::V4, 1, &mut found), Ok(Progress::Full));
        assert_eq!(found.as_slice().len(), limits::ADDRESSES);
    }

    #[test]
    fn a_refusal_carries_the_kernels_error_number() {
        let refusal = message(NLMSG_ERROR, 9, &[&(-16_i32).to_ne_bytes()[..], &[0; 16]].concat());
        assert_eq!(parse(&refusal, Family::V4, 9, &mut Addresses::default()), Err(Error::Refused(16)));
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let mut found = Addresses::default();
        for length in [0_u32, 15, 100, u32::MAX] {
            let mut bad = message(RTM_NEWADDR, 1, &new_address(&[]));
            bad[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(parse(&bad, Family::V4, 1, &mut found), Err(Error::Malformed), "{length}");
        }
        for value in [&[1, 2, 3][..], &[]] {
            let bad = message(RTM_NEWADDR, 1, &new_address(&[(2, value)]));
            assert_eq!(parse(&bad, Family::V4, 1, &mut found), Err(Error::Malformed));
        }
        assert!(found.as_slice().is_empty());
    }

    #[test]
    fn the_request_is_a_dump_of_ipv4_addresses() {
        let request = request(Family::V4, 0x0102_0304);
        let expected = message(RTM_GETADDR, 0x0102_0304, &[Family::V4 as u8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(request[..6], expected[..6]);
        assert_eq!(request[6..8], 0x301_u16.to_ne_bytes());
        assert_eq!(request[8..12], expected[8..12]);
        assert_eq!(request[16..], expected[16..]);
    }
}
