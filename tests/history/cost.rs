//! What it costs the disk: bytes written a board and day, and bytes that a value takes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

use super::{DAY_MS, MINUTE_MS, START_MS, open, report};

const BOARDS: usize = 20;
const SERIES: [&str; 10] =
    ["cpu", "mem", "cpu_temp", "load", "disk./.percent", "rx", "tx", "swap", "freq", "uptime"];

/// Figures that behave as those of a board do.
struct Board {
    seed: u64,
    values: [f64; 10],
}

impl Board {
    fn random(&mut self) -> f64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn report(&mut self, second: i64) -> Vec<(&'static str, f64)> {
        let to = |value: f64, decimals: f64| (value * decimals).round() / decimals;
        let busy = if second / 600 % 7 == 0 { 60.0 } else { 8.0 };
        self.values[0] = to((busy + (self.random() - 0.5) * 12.0).max(0.0), 10.0);
        self.values[1] = to((self.values[1] + (self.random() - 0.5) * 0.2).clamp(10.0, 90.0), 10.0);
        let warm = 42.0 + busy / 5.0 + self.random();
        self.values[2] = to(self.values[2] + (warm - self.values[2]) * 0.01, 10.0);
        self.values[3] = to((self.values[3] * 0.98 + busy / 3000.0 + self.random() * 0.01).max(0.0), 100.0);
        self.values[4] = to(45.0 + second as f64 / 1e6, 10.0);
        self.values[5] = (self.random() * self.random() * 40_000.0).round();
        self.values[6] = (self.random() * 9_000.0).round();
        self.values[7] = 0.0;
        self.values[8] = if busy > 50.0 { 1500.0 } else { 600.0 };
        self.values[9] = second as f64;
        SERIES.iter().copied().zip(self.values).collect()
    }
}

fn boards() -> Vec<Board> {
    (0..BOARDS).map(|n| Board { seed: 0x9e37_79b9 + n as u64 * 77, values: [40.0; 10] }).collect()
}

/// Bytes that this process had written to disks.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap()
}

/// Not on /tmp, where that is memory.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// One process of its own, since the kernel counts by process: run alone by the test below.
#[test]
fn child_that_is_measured() {
    if super::folder_of_child().is_none() {
        return;
    }
    let days: i64 = std::env::var("HISTORY_DAYS").map_or(1, |days| days.parse().unwrap());
    let folder = folder();

    // Reports a second apart, committed twice a second, as boards that wait for confirms have it, for half an hour: the
    // journal.
    let (mut history, _) = open(folder.path(), START_MS);
    let mut fleet = boards();
    let before = written();
    let mut payload = 0;
    for second in 0..1800 {
        let now_ms = START_MS + second * 1000;
        for (board, figures) in fleet.iter_mut().enumerate() {
            let id = format!("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0-1a2b-{second}");
            payload += id.len() + 8 + SERIES.len() * 8;
            let report = report(&format!("pi-{board}"), now_ms, &id, &figures.report(second));
            history.record(&report, now_ms).unwrap();
            if board == BOARDS / 2 {
                history.commit(now_ms).unwrap();
            }
        }
        history.commit(now_ms).unwrap();
    }
    let journal = (written() - before) as f64 / 1800.0;
    let payload = payload as f64 / 1800.0;
    drop(history);

    // Days of minutes, with a commit of six reports a minute: the blocks. What their journal costs is above.
    let folder = self::folder();
    let (mut history, _) = open(folder.path(), START_MS);
    let (mut blocks, mut slowest, mut sum) = (0, 0, 0);
    let mut now_ms = START_MS;
    for minute in 0..days * 1440 {
        for ten in 0..6 {
            now_ms = START_MS + minute * MINUTE_MS + ten * 10_000;
            for (board, figures) in fleet.iter_mut().enumerate() {
                let report =
                    report(&format!("pi-{board}"), now_ms, "", &figures.report(minute * 60 + ten * 10));
                history.record(&report, now_ms).unwrap();
            }
        }
        history.commit(now_ms).unwrap();
        let before = written();
        loop {
            let begin = Instant::now();
            let more = history.tend(now_ms);
            slowest = slowest.max(begin.elapsed().as_millis());
            sum += begin.elapsed().as_millis();
            if !more {
                break;
            }
        }
        blocks += written() - before;
    }
    history.tend_all(now_ms + DAY_MS / 24);
    let stored = history.stored() as f64;
    drop(history);
    let store = fs::metadata(folder.path().join("history.redb")).unwrap();
    let series = (BOARDS * SERIES.len()) as f64;
    let kept = days.min(14) as f64 * 1440.0 + days as f64 * 96.0;
    let values = series * kept * 3.0;
    let day = |bytes: f64| bytes / BOARDS as f64 / 1e6;
    let blocks_a_day = blocks as f64 / days as f64;
    println!(
        "\n{days} days, {BOARDS} boards x {} figures at 1 s: written {:.2} MB a board and day ({:.2} journal, {:.3} \
         blocks) = {:.2} x payload ({:.2} MB)",
        SERIES.len(),
        day(journal * 86_400.0 + blocks_a_day),
        day(journal * 86_400.0),
        day(blocks_a_day),
        (journal * 86_400.0 + blocks_a_day) / (payload * 86_400.0),
        day(payload * 86_400.0),
    );
    let disk = store.blocks() as f64 * 512.0;
    println!(
        "store {:.2} MB on disk ({:.2} MB long), {:.3} bytes a value of the roll-ups ({:.3} in blocks); tend: {sum} ms, a step at \
         most {slowest} ms",
        disk / 1e6,
        store.len() as f64 / 1e6,
        disk / values,
        stored / values
    );
    assert!((journal * 86_400.0 + blocks_a_day) <= 4.0 * payload * 86_400.0);
    assert!(stored / values <= 1.0);
    // In the first days there is room in the file that later ones take.
    assert!(days < 14 || disk / values <= 1.3);
}

#[test]
fn it_is_gentle_to_the_disk() {
    let output = super::again("cost::child_that_is_measured", &std::env::temp_dir()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}
