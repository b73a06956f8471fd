//! `ipaddr` with `[ipaddr] ipv6=yes`

use std::path::Path;

use serde_json::{Value, json};

use crate::{is_inside, psutil, with_configuration};

#[test]
#[ignore = "needs root and python3-psutil: tests/run"]
fn global_ipv6_addresses_follow_the_others_where_they_are_wanted_and_are_psutils() {
    // An interface that is up has an address of the link, too. What is on the loopback is global by its scope.
    let setup = "ip link set lo up
        ip tuntap add tap7 mode tap && ip link set tap7 up && ip addr add 10.4.0.1/24 dev tap7
        ip addr add 2001:db8::7/64 dev tap7 nodad && ip addr add fd00::8/64 dev tap7 nodad
        ip addr add 2001:db8::9/128 dev lo nodad";
    let test = "ipaddr::global_ipv6_addresses_follow_the_others_where_they_are_wanted_and_are_psutils";
    if !is_inside(&["--net"], setup, test) {
        return;
    }
    let of = |configuration| with_configuration(Path::new("/"), "ipaddr", configuration);
    assert_eq!(of(""), json!(["10.4.0.1"]));
    let ours = of("[ipaddr]\nipv6=yes\n");
    assert_eq!(ours[0], "10.4.0.1");
    let theirs = psutil(
        "sorted(a.address for all in psutil.net_if_addrs().values() for a in all \
         if a.family.name == 'AF_INET6' and a.address != '::1' and not a.address.startswith('fe80'))",
    );
    let mut v6: Vec<&str> = ours.as_array().unwrap().iter().skip(1).filter_map(Value::as_str).collect();
    v6.sort_unstable();
    assert_eq!(json!(v6), theirs);
    assert_eq!(v6.len(), 3, "{v6:?}");
}
