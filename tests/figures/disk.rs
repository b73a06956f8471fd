//! `disk` and `hddspace`. What must not be asked is in `tests/environment/hung_mount.rs`.

use std::path::Path;

use serde_json::{Value, json};

use crate::{assert_near, figure, live, psutil, with_configuration};
use support::boards::Tree;

#[test]
fn space_is_null_under_another_root_whatever_is_mounted_there() {
    let tree = Tree::new();
    tree.put("proc/self/mountinfo", "27 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n");
    assert_eq!(figure(&tree, "disk"), Value::Null);
    assert_eq!(figure(&tree, "hddspace"), Value::Null);
}

#[test]
fn disk_has_the_root_by_default_and_null_where_nothing_is_mounted() {
    assert!(live("disk")["/"]["total"].as_u64().unwrap() > 0);
    let configuration = "[disk]\nenabled=yes\nmounts=/usr/share,\n  / /no/such/directory\n";
    let disk = with_configuration(Path::new("/"), "disk", configuration);
    let keys: Vec<_> = disk.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["/", "/no/such/directory", "/usr/share"]);
    assert!(disk["/"].is_object());
    assert_eq!((&disk["/usr/share"], &disk["/no/such/directory"]), (&json!(null), &json!(null)));
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn disk_is_psutils() {
    let ours = live("disk")["/"].clone();
    let theirs = psutil("psutil.disk_usage('/')._asdict()");
    assert_eq!(ours["total"], theirs["total"]);
    // Others write in between.
    let some = theirs["total"].as_f64().unwrap() / 100.0;
    assert_near(&ours["used"], &theirs["used"], some);
    assert_near(&ours["free"], &theirs["free"], some);
    assert_near(&ours["percent"], &theirs["percent"], 1.0);
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn hddspace_has_each_of_psutils_partitions_once() {
    let theirs = psutil(
        "[[os.stat(p.mountpoint).st_dev, p.mountpoint, psutil.disk_usage(p.mountpoint).percent] \
          for p in psutil.disk_partitions()]",
    );
    let mut expected: Vec<(u64, String, Value)> = serde_json::from_value(theirs).unwrap();
    // Of what is mounted in several places the first stands.
    expected.sort_by_key(|(device, ..)| *device);
    expected.dedup_by_key(|(device, ..)| *device);
    let ours = live("hddspace");
    let ours = ours.as_array().unwrap();
    assert!(!ours.is_empty() && ours.len() == expected.len(), "{ours:?}, the oracle's {expected:?}");
    for (_, point, percent) in expected {
        let ours = ours.iter().find_map(|one| one.get(&point)).unwrap_or_else(|| panic!("{point}: {ours:?}"));
        assert_near(ours, &percent, 1.0);
    }
}
