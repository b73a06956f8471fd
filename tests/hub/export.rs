//! The history as files: CSV, and lines that Debian's InfluxDB takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::PATIENCE;
use support::process::Process;

use crate::hub::Hub;
use crate::master::free_port;

/// A name that no file can have, and that needs every escape.
const NAME: &str = "a \"b\",/c=d";

/// Of a hub with 7 hours of two boards, every 30 seconds: the series `n` counts.
fn hub() -> (Hub, u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = (now - 7 * 3600) / 60 * 60;
    let hub = Hub::start("self=no");
    let name = serde_json::to_string(NAME).unwrap();
    let report = |n: u64| {
        let ts = start + 30 * n;
        [
            format!(r#"{{"hostname":"pi","ts":{ts},"n":{n}}}"#),
            format!(r#"{{"hostname":{name},"ts":{ts},"n":{n},"a, b":{{"c=":{}}}}}"#, n as f64 / 4.0),
        ]
    };
    hub.publish(&(0..840).flat_map(report).collect::<Vec<_>>());
    (hub, start)
}

/// Exports to a folder, and gives its files.
fn export(hub: &Hub, folder: &Path, words: &[&str]) -> BTreeMap<String, String> {
    let url = format!("http://127.0.0.1:{}", hub.page);
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
    command.args(["export", &url, "--to-folder"]).arg(folder).args(words);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let named = |file: fs::DirEntry| {
        (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap())
    };
    files.map(named).collect()
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn an_export_has_every_minute_of_every_board_once_in_the_order_of_time() {
    let (hub, start) = hub();
    let folder = tempfile::tempdir().unwrap();
    let files = export(&hub, &folder.path().join("a/b"), &[]);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["a%20%22b%22%2C%2Fc%3Dd.csv", "pi.csv"]);
    let lines: Vec<_> = files["pi.csv"].lines().collect();
    assert_eq!(lines[0], "time,series,avg,min,max,count");
    let expected: Vec<_> =
        (0..420).map(|n| format!("{},n,{}.5,{},{},2", start + 60 * n, 2 * n, 2 * n, 2 * n + 1)).collect();
    assert_eq!(lines[1..].iter().position(|line| !expected.contains(&(*line).to_owned())), None);
    assert!(lines[1..].iter().copied().eq(expected.iter().map(String::as_str)), "{lines:?}");
    assert!(files[names[0]].contains(",\"a, b.c=\","), "{}", files[names[0]]);

    let (from, to) = ((start + 3600).to_string(), (start + 3720).to_string());
    let files = export(&hub, &folder.path().join("c"), &["--board", "pi", "--from", &from, "--to", &to]);
    assert_eq!(files.len(), 1);
    assert_eq!(files["pi.csv"].lines().skip(1).collect::<Vec<_>>(), expected[60..62]);
    // No empty file.
    let files = export(&hub, &folder.path().join("d"), &["--to", "1000000000", "--from", "999000000"]);
    assert_eq!(files.len(), 0);
}

const INFLUX: &str = "
reporting-disabled = true
bind-address = '127.0.0.1:0'
[meta]
dir = 'FOLDER/meta'
[data]
dir = 'FOLDER/data'
wal-dir = 'FOLDER/wal'
[http]
bind-address = '127.0.0.1:PORT'
";

#[test]
#[ignore = "needs influxdb, curl and python3-pika: tests/run"]
fn influxdb_takes_the_lines_and_answers_what_was_exported() {
    let (hub, _) = hub();
    let folder = tempfile::tempdir().unwrap();
    let files = export(&hub, &folder.path().join("lines"), &["--format", "influx"]);
    assert_eq!(files.len(), 2);
    let port = free_port().to_string();
    let config = folder.path().join("influx.conf");
    let text = INFLUX.replace("FOLDER", folder.path().to_str().unwrap()).replace("PORT", &port);
    fs::write(&config, text).unwrap();
    let influx = Process::start(Command::new("influxd").arg("-config").arg(&config));
    influx.wait_for_line("Listening for signals", PATIENCE);
    let curl = |words: &[&str]| -> String {
        let output = Command::new("curl").args(["-sS", "--fail-with-body"]).args(words).output().unwrap();
        assert!(output.status.success(), "{output:?} {:?}", influx.lines());
        String::from_utf8(output.stdout).unwrap()
    };
    let base = format!("http://127.0.0.1:{port}");
    curl(&[&format!("{base}/query"), "--data-urlencode", "q=CREATE DATABASE boards"]);
    for name in files.keys() {
        let file = format!("@{}", folder.path().join("lines").join(name).display());
        curl(&[&format!("{base}/write?db=boards"), "--data-binary", &file]);
    }
    let query =
        "q=SELECT sum(\"count\"), min(\"min\"), max(\"max\"), mean(avg) FROM psistats GROUP BY host, path";
    let answer = curl(&["--get", &format!("{base}/query?db=boards"), "--data-urlencode", query]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let series = answer["results"][0]["series"].as_array().unwrap();
    let found: BTreeMap<_, _> = series
        .iter()
        .map(|series| {
            let tag = |name: &str| series["tags"][name].as_str().unwrap().to_owned();
            ((tag("host"), tag("path")), series["values"][0].as_array().unwrap()[1..].to_vec())
        })
        .collect();
    let expected = [
        ((NAME, "a, b.c="), [840.0, 0.0, 209.75, 104.875]),
        ((NAME, "n"), [840.0, 0.0, 839.0, 419.5]),
        (("pi", "n"), [840.0, 0.0, 839.0, 419.5]),
    ];
    for ((host, series), values) in expected {
        let found = &found[&(host.to_owned(), series.to_owned())];
        let found: Vec<_> = found.iter().map(|value| value.as_f64().unwrap()).collect();
        assert!(
            found.iter().zip(values).all(|(one, other)| (one - other).abs() < 0.05),
            "{host} {series}: {found:?} {values:?}"
        );
    }
}
