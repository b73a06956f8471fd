//! Where something listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use psistats_host::conf::Expected;
use psistats_host::conf::values::boolean;

/// Addresses of this machine, at one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// All of them for `*`.
    pub ips: Vec<IpAddr>,
    /// 0: one that is free.
    pub port: u16,
}

impl Addresses {
    /// Whether no other machine can connect to them.
    pub fn are_loopback(&self) -> bool {
        self.ips.iter().all(IpAddr::is_loopback)
    }
}

/// `ADDRESS:PORT`, `[IPV6]:PORT` or `*:PORT`.
pub(super) fn addresses(text: &str) -> Result<Addresses, Expected> {
    if let Some(port) = text.strip_prefix("*:").and_then(|port| port.parse().ok()) {
        let ips = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        return Ok(Addresses { ips, port });
    }
    let address: SocketAddr =
        text.parse().map_err(|_| "an address and a port, as 127.0.0.1:8666, [::1]:8666 or *:8666")?;
    Ok(Addresses { ips: vec![address.ip()], port: address.port() })
}

/// The same, or `no`.
pub(super) fn addresses_or_none(text: &str) -> Result<Option<Addresses>, Expected> {
    match boolean(text) {
        Ok(false) => Ok(None),
        _ => addresses(text).map(Some).map_err(|expected| format!("{expected}; or no").into()),
    }
}
