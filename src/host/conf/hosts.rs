//! Hosts as settings name them: a name or an address, and a port.

use std::fmt;
use std::net::Ipv6Addr;

use crate::conf::ini::trim;
use crate::conf::reading::Expected;

/// One node: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name, IPv4 or IPv6 address (without brackets).
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// Hosts between commas; at least one.
pub fn hosts(text: &str, port: u16) -> Result<Vec<Host>, Expected> {
    let hosts = text.split(',').map(|one| host(trim(one), port)).collect::<Result<_, _>>();
    hosts.map_err(|one| {
        let advice = if text.is_ascii() {
            ""
        } else {
            "; host names are ASCII: write büro.local as xn--bro-hoa.local"
        };
        format!("a host, or hosts separated by commas, each {one}{advice}").into()
    })
}

/// `name`, `name:port`, `[v6]:port`, `[v6]` or `v6`; `port` where it has none.
pub fn host(text: &str, port: u16) -> Result<Host, Expected> {
    split_host(text, port).ok_or("name, name:port or [IPv6 address]:port".into())
}

fn split_host(text: &str, default: u16) -> Option<Host> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (name, rest) = rest.split_once(']').filter(|(name, _)| is_ipv6(name))?;
        (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else if is_ipv6(text) {
        (text, None)
    } else {
        let (name, port) = text.split_once(':').map_or((text, None), |(n, p)| (n, Some(p)));
        (Some(name).filter(|n| is_name(n))?, port)
    };
    let port = match port {
        Some(text) => text.parse().ok().filter(|&port| port > 0)?,
        None => default,
    };
    Some(Host { name: name.to_owned(), port })
}

/// A DNS name (RFC 1035 §2.3.4: at most 253 characters), host name or IPv4 address.
fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// An IPv6 address, perhaps with a zone (`fe80::1%eth0`, RFC 4007 §11).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_addresses_and_ports_between_commas() {
        let shown =
            |text| hosts(text, 5672).map(|all| all.iter().map(|h| format!("{h}")).collect::<Vec<_>>());
        assert_eq!(
            shown("a, b.example:1,\n10.0.0.1 ,[::1]:7,[fe80::1%eth0],::1").unwrap(),
            ["a:5672", "b.example:1", "10.0.0.1:5672", "[::1]:7", "[fe80::1%eth0]:5672", "[::1]:5672"]
        );
        for wrong in ["", "a,", "a b", "a:", "a:0", "a:65536", "a:b", "[::1", "[a]", "[::1]7", "1::2::3", "ü"]
        {
            assert!(hosts(wrong, 5672).is_err(), "{wrong}");
        }
    }
}
