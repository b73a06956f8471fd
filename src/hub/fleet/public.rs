//! What anybody may see of a board, and what identifies it: addresses, serial numbers, and the like.
//!
//! Numbers and truth values are shown. Of texts only those are that say what kind of machine it is, and the tags, which
//! its owner wrote: a figure of somebody's own may say anything.

use crate::fleet::cells::Value;

/// For whom a view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever has logged in, or is on this machine.
    Known,
    /// Anybody.
    Public,
}

/// The texts that are shown.
const TEXTS: [&str; 2] = ["board.model", "os"];

/// Parts of a path that are shown with no value.
const HIDDEN: [&str; 21] = [
    "address",
    "addresses",
    "bssid",
    "iccid",
    "imei",
    "imsi",
    "ip",
    "ipaddr",
    "ipv4",
    "ipv6",
    "lat",
    "latitude",
    "lon",
    "longitude",
    "mac",
    "machine_id",
    "serial",
    "serial_number",
    "ssid",
    "uuid",
    "wwn",
];

/// So many hexadecimal digits in a row are a serial number, or part of a MAC address or UUID.
const DIGITS: usize = 8;

/// Whether `audience` is shown a series.
pub fn is_shown(path: &str, value: &Value, audience: Audience) -> bool {
    if audience == Audience::Known {
        return true;
    }
    let is_hidden = |part: &str| HIDDEN.iter().any(|hidden| part.eq_ignore_ascii_case(hidden));
    let is_text_shown = match value {
        Value::Text(text) => (TEXTS.contains(&path) || path.starts_with("tags.")) && !identifies(text),
        _ => true,
    };
    is_text_shown && !path.split('.').any(is_hidden) && !identifies(path)
}

/// What `audience` is shown of the sentence that says why a board is not well.
pub fn sentence(why: &str, audience: Audience) -> &str {
    if audience == Audience::Public && identifies(why) { "" } else { why }
}

/// Whether a text may have an address, a MAC address, a serial number or a UUID in it, as the name of an interface does
/// (`wlx00c0ca123456`), of a thermometer (`28-0316a2794dff`), or of a mount point.
fn identifies(text: &str) -> bool {
    text.contains("::") || has_long_number(text) || has_ipv4(text)
}

fn has_long_number(text: &str) -> bool {
    let (mut length, mut has_digit) = (0, false);
    text.bytes().any(|octet| {
        match octet {
            // They may stand between the digits.
            b':' | b'-' => {}
            _ if octet.is_ascii_hexdigit() => {
                length += 1;
                has_digit |= octet.is_ascii_digit();
            }
            _ => (length, has_digit) = (0, false),
        }
        length >= DIGITS && has_digit
    })
}

fn has_ipv4(text: &str) -> bool {
    let mut numbers = 0;
    text.split(|c: char| !c.is_ascii_digit() && c != '.').any(|word| {
        numbers = 0;
        word.split('.').any(|part| {
            numbers = if (1..=3).contains(&part.len()) { numbers + 1 } else { 0 };
            numbers == 4
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, value: Value) -> bool {
        assert!(is_shown(path, &value, Audience::Known));
        is_shown(path, &value, Audience::Public)
    }

    #[test]
    fn figures_of_health_are_shown() {
        for path in [
            "cpu",
            "cpu_temp",
            "percpu.63",
            "load.0",
            "disk./.percent",
            "disk./mnt/usb.free",
            "net.eth0.rx",
            "wifi.wlan0.level",
            "sensors.coretemp-isa-0000.Core 0.value",
            "sensors.iwlwifi_1-virtual-0.temp1.value",
            "sensors.k10temp-pci-00c3.Tctl.value",
            "throttled.since_boot.under_voltage",
            "card.mmcblk0.life_time.0",
            "sensors.nvme-pci-0100.Composite.value",
            "readonly./boot/firmware.errors",
            "clock.offset",
            "diskio.nvme0n1.busy",
            "boot",
            "clock_difference",
        ] {
            assert!(
                shown(path, Value::Number(1.0))
                    && shown(path, Value::Missing)
                    && shown(path, Value::Truth(true)),
                "{path}"
            );
        }
        for (path, text) in [
            ("board.model", "Raspberry Pi Compute Module 4 Rev 1.1"),
            ("board.model", "Xunlong Orange Pi Zero 2"),
            ("os", "Debian GNU/Linux 12 (bookworm)"),
            ("tags.site", "garage"),
        ] {
            assert!(shown(path, Value::Text(text.into())), "{text}");
        }
    }

    #[test]
    fn what_identifies_a_board_is_not() {
        for path in [
            "ipaddr",
            "ipaddr.0",
            "board.serial",
            "modem.IMEI",
            "net.enx00e04c680001.rx",
            "net.wlx00c0ca123456.tx",
            "sensors.28-0316a2794dff.temp1.value",
            "disk./media/pi/1A2B-3C4D.percent",
            "ping.192.168.1.20.ms",
            "disk./media/6f1c2c4e-8a0b-4e0e.free",
            "ping.fe80::1",
            "gps.lat",
            "arp.b8:27:eb:12:34:56",
        ] {
            assert!(!shown(path, Value::Number(1.0)), "{path}");
        }
        for (path, text) in [
            ("ipaddr.0", "192.0.2.1"),
            ("board.serial", "10000000abcdef01"),
            ("note", "anything"),
            ("tags.address", "192.0.2.1"),
            ("tags.site", "at 192.0.2.1"),
            ("tags.id", "b8:27:eb:12:34:56"),
            ("board.model", "serial 0123456789abcdef"),
        ] {
            assert!(!shown(path, Value::Text(text.into())), "{path} {text}");
        }
        let why = "/media/pi/1A2B-3C4D is 95 % full";
        assert_eq!((sentence(why, Audience::Known), sentence(why, Audience::Public)), (why, ""));
        let why = "/srv is 95 % full";
        assert_eq!(sentence(why, Audience::Public), why);
    }
}
