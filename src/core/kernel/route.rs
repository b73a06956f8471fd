//! `/proc/net/route`: the IPv4 routes of the main table.

use crate::kernel::{decimal, lines, words};

/// The name of the interface that has the default route; of several the one with the lowest metric,
/// and of those the first, which is what the kernel takes.
pub fn default_interface(text: &[u8]) -> Option<&str> {
    let routes = lines(text).skip(1).filter_map(|line| {
        let mut words = words(line);
        let name = core::str::from_utf8(words.next()?).ok()?;
        let (destination, _gateway, flags) = (words.next()?, words.next()?, words.next()?);
        let metric = decimal(words.nth(2)?)?;
        let mask = words.next()?;
        // RTF_UP and not RTF_REJECT (route.h), as four hexadecimal digits.
        let flags = u16::from_str_radix(core::str::from_utf8(flags).ok()?, 16).ok()?;
        let is_default = destination == b"00000000" && mask == b"00000000";
        (is_default && flags & 0x0201 == 0x0001).then_some((metric, name))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT  \n";

    #[test]
    fn the_default_route_with_the_lowest_metric_counts_and_unreachable_ones_do_not() {
        let routes = "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                      tun0\t00000000\t00000000\t0201\t0\t0\t1\t00000000\t0\t0\t0\n\
                      eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                      tun1\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n\
                      eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(default_interface(std::format!("{HEAD}{routes}").as_bytes()), Some("eth0"));
    }

    #[test]
    fn without_a_default_route_there_is_none() {
        for text in ["", HEAD, "eth0 00000000", "\u{fffd}"] {
            assert_eq!(default_interface(text.as_bytes()), None);
        }
        let other = std::format!("{HEAD}eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n");
        assert_eq!(default_interface(other.as_bytes()), None);
    }
}
