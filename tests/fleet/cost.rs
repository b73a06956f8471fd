//! What reports cost. `cargo test --release -p psistats-hub --test fleet -- --ignored --nocapture cost`, with
//! `PSISTATS_BOARDS=10000` for another number of boards in the last one.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use psistats_hub::fleet::cells::{Cells, Paths};
use psistats_hub::fleet::report::Reader;
use psistats_hub::fleet::series::{ROWS, encode};
use psistats_hub::fleet::{Audience, Fleet, Heard, MessageId};

use crate::{START, fleet, heard};
use support::memory;

/// Steps that look random and are the same each time: from -1 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1 << 30) - 1.0
    }
}

/// Eight figures of a board for `seconds`: each second a row.
fn figures(seed: u64, seconds: usize) -> Vec<[f64; 8]> {
    let mut noise = Noise(seed.wrapping_mul(977) + 1);
    let (mut cpu, mut mem, mut temperature, mut rx) = (20.0_f64, 41.0_f64, 96.0_f64, 0.0);
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    (0..seconds)
        .map(|second| {
            cpu = (cpu + noise.next() * 4.0 + (20.0 - cpu) * 0.2).clamp(0.0, 100.0);
            if noise.next() > 0.96 {
                mem += noise.next();
            }
            temperature += noise.next() * 0.6 + (96.0 - temperature) * 0.05;
            rx = if noise.next() > 0.5 { noise.next().abs() * 20_000.0 } else { 120.0 };
            [
                tenth(cpu + noise.next() * 2.0),
                tenth(mem),
                // The sensor's steps: 0.487 degrees.
                tenth(temperature.round() * 0.487),
                tenth(45.2 + (second / 600) as f64 / 10.0),
                (tenth(cpu / 25.0) * 100.0).round() / 100.0,
                rx.round(),
                600.0 + if cpu > 24.0 { 900.0 } else { 0.0 },
                86_400.0 + second as f64,
            ]
        })
        .collect()
}

const NAMES: [&str; 8] =
    ["cpu", "mem", "cpu_temp", "disk./.percent", "load.0", "net.eth0.rx", "cpu_freq.0", "uptime"];

fn body(host: usize, row: &[f64; 8]) -> String {
    let [cpu, mem, temperature, disk, load, rx, freq, uptime] = row;
    format!(
        r#"{{"hostname":"pi-{host}","cpu":{cpu},"mem":{mem},"cpu_temp":{temperature},"disk":{{"/":{{"percent":{disk}}}}},"load":[{load}],"net":{{"eth0":{{"rx":{rx}}}}},"cpu_freq":[{freq}],"uptime":{uptime}}}"#
    )
}

/// Nanoseconds of one call: the best of many short rounds, since other work disturbs most of them. A round has as many
/// calls as a block has rows, so that each has its share of the compression.
fn best(mut call: impl FnMut()) -> u128 {
    let round = |_| {
        let start = Instant::now();
        for _ in 0..ROWS {
            call();
        }
        start.elapsed().as_nanos() / ROWS as u128
    };
    (0..3_000).map(round).min().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_report_by_its_size() {
    for size in [135, 1_000, 6_000] {
        let mut body =
            r#"{"hostname":"raspberrypi-0017","ipaddr":["192.168.1.17"],"os":"Debian","cpu":24.1"#.to_owned();
        let mut n = 0;
        while body.len() + 17 < size {
            let _ = write!(body, r#","f{n}":{}.{}"#, n * 7_919 % 900 + 100, n % 10);
            n += 1;
            if n % 8 == 0 {
                let _ = write!(body, r#","g{n}":{{"a":[1.5,20]}}"#);
            }
        }
        body.push('}');
        let mut fleet = fleet();
        let mut report = heard(&body);
        let (mut reader, mut cells, mut paths) = (Reader::default(), Cells::default(), Paths::default());
        let mut number = 0;
        let all = best(|| {
            number += 1;
            let at = START + number as i64 * 1_000;
            report.id = Some(MessageId { boot: 1, start: 1, number });
            report.sampled_ms = Some(at);
            black_box(fleet.take(&report, at).unwrap());
        });
        let read =
            best(|| reader.read(black_box(body.as_bytes()), false, &mut cells, &mut paths, 512).unwrap());
        let value =
            best(|| drop(black_box(serde_json::from_slice::<serde_json::Value>(body.as_bytes()).unwrap())));
        println!(
            "{} bytes, {} series: {read} ns to read, {all} with all; a Value: {value}",
            body.len(),
            fleet.series()
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn cost_of_an_hour_in_bytes_a_sample() {
    let rows = figures(1, 3_600);
    for (n, name) in NAMES.iter().enumerate() {
        let column: Vec<_> = rows.iter().map(|row| row[n]).collect();
        let mut bytes = Vec::new();
        for run in column.chunks(ROWS) {
            encode(run, &mut bytes);
        }
        println!("{name:16} {:.2} bytes a sample", bytes.len() as f64 / 3_600.0);
    }
}

#[test]
#[ignore = "a measurement"]
fn cost_of_1000_boards_with_8_figures_for_an_hour() {
    let boards = std::env::var("PSISTATS_BOARDS").map_or(1_000, |text| text.parse().unwrap());
    let before = memory::resident();
    let mut fleet = Fleet::new(psistats_hub::fleet::Bounds::default());
    let mut spent = 0;
    for host in 0..boards {
        let rows = figures(host as u64, 3_600);
        for (n, row) in rows.iter().enumerate() {
            let at = START + n as i64 * 1_000;
            let id = Some(MessageId { boot: 1, start: 1, number: n as u64 + 1 });
            let report = Heard { id, sampled_ms: Some(at + host as i64 % 3), ..heard(body(host, row)) };
            let start = Instant::now();
            fleet.take(&report, at + 5).unwrap();
            spent += start.elapsed().as_nanos();
        }
    }
    let samples = boards * 3_600 * 9;
    println!("{} boards, {} series", fleet.boards().len(), fleet.series());
    println!(
        "samples: {:.1} MB, {:.2} bytes a sample",
        fleet.bytes() as f64 / 1e6,
        fleet.bytes() as f64 / samples as f64
    );
    println!("resident: {:.1} MB", (memory::resident() - before) as f64 * 1024.0 / 1e6);
    println!("{} ns a report, all in", spent / (boards as u128 * 3_600));
    let now = START + 3_600_000;
    let seen = fleet.close();
    for host in 0..boards {
        let id = Some(MessageId { boot: 1, start: 1, number: 3_601 });
        let report =
            Heard { id, sampled_ms: Some(now), ..heard(body(host, &figures(host as u64 + 7, 1)[0])) };
        fleet.take(&report, now).unwrap();
    }
    for (what, run) in [
        (
            "a frame of all boards",
            &(|| serde_json::to_vec(&fleet.changes(seen, now)).unwrap()) as &dyn Fn() -> Vec<u8>,
        ),
        ("all hosts", &|| serde_json::to_vec(&fleet.hosts(now)).unwrap()),
        ("one figure of all", &|| serde_json::to_vec(&fleet.figure("cpu")).unwrap()),
        ("an hour of one series", &|| {
            serde_json::to_vec(&fleet.history("pi-7", "cpu", START, now, 600)).unwrap()
        }),
    ] {
        let start = Instant::now();
        let bytes = run().len();
        println!("{what}: {bytes} bytes, {} µs", start.elapsed().as_micros());
    }
    fleet.tick(now + 3_600_000);
    let start = Instant::now();
    let bytes = serde_json::to_vec(&fleet.worst(100, Audience::Known, now)).unwrap().len();
    println!("the worst 100, where all are lost: {bytes} bytes, {} µs", start.elapsed().as_micros());
}
