//! The network interface that a client node tells of.

use heapless::String;
use log::warn;

use crate::limits;
use crate::machine::source::{Root, Source, read_at};
use crate::output::once::Once;
use psistats_core::kernel::{route, text};

/// netdevice(7)
const IFF_LOOPBACK: u32 = 0x8;
const IFF_POINTOPOINT: u32 = 0x10;

/// The name of an interface.
type Name = String<{ limits::INTERFACE_NAME }>;
/// `60:03:08:9e:98:b6`; other links than Ethernet have up to 20 bytes.
type Mac = String<64>;

/// The interface with the default route, or the one that is configured.
#[derive(Debug)]
pub struct Interface {
    configured: Option<Name>,
    route: Source,
    now: Option<Known>,
    absent: Once,
}

#[derive(Debug)]
struct Known {
    number: u32,
    /// Whether its addresses have another end and no broadcast address.
    has_peers: bool,
    /// None where the link has none, as a tunnel's.
    mac: Option<Mac>,
}

impl Interface {
    /// `configured`, or the one that the default route goes by at the time.
    pub fn open(root: &Root, configured: Option<&str>) -> Self {
        let configured = configured.and_then(|name| Name::try_from(name).ok());
        Self { configured, route: Source::open(root, "proc/net/route"), now: None, absent: Once::default() }
    }

    /// Finds out which it is.
    pub fn find(&mut self, root: &Root, buf: &mut [u8]) {
        let name = match &self.configured {
            Some(name) => Some(name.clone()),
            None => {
                let routes = self.route.read(buf, 0).ok();
                routes.and_then(route::default_interface).and_then(|name| Name::try_from(name).ok())
            }
        };
        // Each time: one that was pulled out and put in again has another number, and may have another address.
        self.now = name.and_then(|name| known(root, &name, buf));
        if self.now.is_some() {
            self.absent.over();
        } else if let Some(name) = &self.configured
            && self.absent.first()
        {
            warn!(
                "[chasar] interface={name}: there is none of this name; messages go without addresses until there is"
            );
        }
    }

    /// Its number in the kernel.
    pub fn number(&self) -> Option<u32> {
        self.now.as_ref().map(|known| known.number)
    }

    /// Whether its addresses have another end: a point-to-point link, or the loopback.
    pub fn has_peers(&self) -> bool {
        self.now.as_ref().is_some_and(|known| known.has_peers)
    }

    /// Its hardware address.
    pub fn mac(&self) -> Option<&str> {
        self.now.as_ref()?.mac.as_deref()
    }
}

/// What sysfs says of an interface (Documentation/ABI/testing/sysfs-class-net).
fn known(root: &Root, name: &str, buf: &mut [u8]) -> Option<Known> {
    let number = attribute(root, name, "ifindex", buf)?.parse().ok()?;
    let flags = attribute(root, name, "flags", buf).and_then(|flags| flags.strip_prefix("0x"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok()).unwrap_or_default();
    let mac = attribute(root, name, "address", buf).and_then(|mac| Mac::try_from(mac).ok());
    Some(Known { number, has_peers: flags & (IFF_LOOPBACK | IFF_POINTOPOINT) != 0, mac })
}

fn attribute<'b>(root: &Root, name: &str, attribute: &str, buf: &'b mut [u8]) -> Option<&'b str> {
    let file = root.file_of(&["sys/class/net/", name, "/", attribute])?;
    text(read_at(&file, buf, 0).ok()?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_interface_without_a_hardware_address_is_still_that_of_its_addresses() {
        let tree = tempfile::tempdir().unwrap();
        let of_tunnel = tree.path().join("sys/class/net/tun0");
        fs::create_dir_all(&of_tunnel).unwrap();
        fs::write(of_tunnel.join("ifindex"), "4\n").unwrap();
        fs::write(of_tunnel.join("address"), "\n").unwrap();
        let root = Root::open(tree.path());
        let mut interface = Interface::open(&root, Some("tun0"));
        interface.find(&root, &mut [0; 64]);
        assert_eq!((interface.number(), interface.mac()), (Some(4), None));
    }
}
