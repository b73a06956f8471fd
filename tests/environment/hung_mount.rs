//! A file system that never answers (fault 34).

use std::fs;

use serde_json::{Value, json};

use crate::place::{Place, count};
use crate::support::PATIENCE;
use crate::support::process::{Process, Stream};

#[test]
#[ignore = "needs root and /dev/fuse: tests/run"]
fn fault_34_a_mount_that_hangs_whoever_asks_is_null_and_told_once_and_the_rest_goes_on() {
    let place = Place::new("");
    let [hung, below, small, bound] = ["hung", "hung/below", "small", "bound"].map(|name| place.path(name));
    for directory in [&hung, &small, &bound] {
        fs::create_dir(directory).unwrap();
    }
    let [hung, below, small, bound] = [hung, below, small, bound].map(|path| path.display().to_string());
    place.configure(format!(
        "[app]\nprimary_timer=0.05\n[hddspace]\nenabled=yes\ninterval=0.05\n[disk]\nenabled=yes\ninterval=0.05\nmounts=/ {hung} {below} {small} {bound}\n[value:far]\nfile={hung}/value\ninterval=0.05\n"
    ));
    // A FUSE connection that nobody serves. Whoever asks it waits until he is killed.
    let setup = format!(
        "exec 3<>/dev/fuse
         mount -i -t fuse.never -o fd=3,rootmode=40000,user_id=0,group_id=0 never '{hung}'
         mount -t tmpfs -o size=64k small '{small}'
         mount --bind '{bound}' '{bound}' # as systemd does for ProtectHome=read-only
         timeout --signal=KILL 0.5 stat -f '{hung}' && exit 1 || test $? = 137"
    );
    let mut command = place.psistats_after(&setup, "start-local");
    let agent = Process::start(command.arg("--stdout"));
    let reports = agent.wait_for_lines_of(Stream::Stdout, 10, PATIENCE);
    for report in reports {
        let report: Value = serde_json::from_str(&report).unwrap();
        let disk = &report["disk"];
        assert!(disk["/"]["used"].as_u64().unwrap() > 0, "{report}");
        assert_eq!(disk[&small]["total"], json!(65536));
        assert!(!report["hddspace"].as_array().unwrap().iter().any(|one| one.get(&hung).is_some()));
        for null in [&hung, &below, &bound] {
            assert_eq!(disk.get(null), Some(&Value::Null), "{null}");
        }
        assert_eq!(report.get("far"), Some(&Value::Null));
    }
    let said = agent.lines_of(Stream::Stderr);
    for words in [
        format!("{hung} (fuse.never): not asked"),
        format!("{below} (fuse.never): not asked"),
        format!("{hung}/value (fuse.never): not asked"),
        format!("{bound}: nothing is mounted there"),
    ] {
        assert_eq!(count(&said, &words), 1, "{words}: {said:#?}");
    }
}
