//! What metrics cost. `cargo test --release -p psistats-hub --test metrics -- --ignored --nocapture cost`

use std::time::{Duration, Instant};

use psistats_hub::fleet::Source;
use psistats_hub::metrics::{Format, Scrape, targets};

use crate::{NOW, fleet, full, take};

/// What this process has in memory, and had at most: `VmRSS` and `VmHWM` of /proc/self/status, in MB.
fn memory() -> [f64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_end_matches("kB").trim().parse::<f64>().unwrap() / 1000.0
    })
}

#[test]
#[ignore = "a measurement"]
fn cost_of_the_metrics_of_10000_boards() {
    let eight = |n: usize| {
        format!(
            r#"{{"hostname":"board-{n:05}","cpu":{}.5,"mem":31.{n},"cpu_temp":48.312,"uptime":130583.1,"load":[0.39,1.05,12.0],"net":{{"eth0":{{"rx":{n}}}}}}}"#,
            n % 100
        )
    };
    let every = |n: usize| full().replace("\"full\"", &format!("\"board-{n:05}\""));
    for (what, body) in [("8 figures", &eight as &dyn Fn(usize) -> String), ("every figure", &every)] {
        let mut fleet = fleet([]);
        for n in 0..10_000 {
            take(&mut fleet, Source::Amqp, &body(n), NOW);
        }
        // The highest memory from here on.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let [before, _] = memory();
        for format in [Format::Text, Format::OpenMetrics] {
            let start = Instant::now();
            let mut scrape = Scrape::of_all(&fleet, format);
            let begun = start.elapsed();
            let (mut bytes, mut samples, mut longest) = (0, 0, Duration::ZERO);
            let mut since = Instant::now();
            while let Some(piece) = scrape.next(&fleet) {
                longest = longest.max(since.elapsed());
                bytes += piece.len();
                samples += piece.matches('\n').count();
                since = Instant::now();
            }
            println!(
                "{what}, {format:?}: {} series, {samples} lines, {:.1} MB in {} ms; {} ms at once at the beginning, then \
                 at most {} µs; {:.1} MB of memory beside the fleet's {before:.0}",
                fleet.series(),
                bytes as f64 / 1e6,
                start.elapsed().as_millis(),
                begun.as_millis(),
                longest.as_micros(),
                memory()[1] - before,
            );
        }
        let start = Instant::now();
        let bytes = targets::json(&fleet, "hub:8666").unwrap().len();
        println!("{what}: targets, {:.1} MB in {} ms", bytes as f64 / 1e6, start.elapsed().as_millis());
    }
}
