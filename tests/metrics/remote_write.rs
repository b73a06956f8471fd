//! Remote write to Debian's Prometheus, which is killed, and so is the hub; and to a receiver that has no time.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::PATIENCE;
use support::process::{Process, Stream};

use crate::hub::Hub;
use crate::master::free_port;
use crate::prometheus::{OUT_OF_ORDER, Prometheus};

fn section(port: u16) -> String {
    format!("self=no\n[remote_write]\nurl=http://127.0.0.1:{port}/api/v1/write\ninterval=1")
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A report of `board` at that time, which says `n`.
fn report(board: &str, time_ms: i64, n: usize) -> String {
    format!(r#"{{"hostname":"{board}","ts":{},"n":{n},"cpu":25}}"#, time_ms as f64 / 1000.0)
}

const N: &str = "psistats_figure{instance='pi',path='n'}";

impl Prometheus {
    /// The samples of a series, once there are so many.
    #[track_caller]
    pub fn wait_for_samples(&self, series: &str, count: usize, hub: &Hub) -> Vec<(i64, f64)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let samples = self.samples(series);
            if samples.len() >= count {
                return samples;
            }
            let lines = || (self.process.lines(), hub.process.lines());
            assert!(Instant::now() < deadline, "{} of {count}: {:#?}", samples.len(), lines());
            thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
#[ignore = "needs prometheus and python3-pika: tests/run"]
fn every_sample_comes_once_with_its_time_though_prometheus_and_the_hub_are_killed() {
    let port = free_port();
    let mut hub = Hub::start(&section(port));
    let mut prometheus = Prometheus::at(port, "");
    // Ten in a second, some time ago.
    let start = now_ms() - 180_000;
    let time = |n: usize| start + 100 * n as i64;
    let reports =
        |numbers: std::ops::Range<usize>| -> Vec<_> { numbers.map(|n| report("pi", time(n), n)).collect() };
    hub.publish(&reports(0..100));
    prometheus.wait_for_samples(N, 100, &hub);
    prometheus.kill();
    hub.publish(&reports(100..200));
    hub.process.wait_for_line("samples wait", PATIENCE);
    hub.kill();
    hub.start_again();
    hub.publish(&reports(200..300));
    hub.process.wait_for_line("samples wait", PATIENCE);
    prometheus.restart();
    hub.publish(&reports(300..400));
    let samples = prometheus.wait_for_samples(N, 400, &hub);
    let expected = (0..).map(|n| (time(n), n as f64));
    let wrong = samples.iter().copied().zip(expected).find(|(sample, expected)| sample != expected);
    assert_eq!((wrong, samples.len()), (None, 400));
    hub.process.wait_for_line("takes samples again", PATIENCE);
    // The names, the units and the labels are those of a scrape. What a board is goes with its first report of a minute.
    hub.publish(&[report("pi", time(400) + 60_000, 400)]);
    assert_eq!(prometheus.wait_for("psistats_cpu_ratio", |series| series.len() == 1)[0].1, 0.25);
    prometheus.wait_for("psistats_board_info{instance='pi'}", |series| series.len() == 1);
    let own = hub.get("/metrics").1;
    assert!(own.contains("remote_write_dropped_samples_total{section=\"remote_write\"} 0\n"), "{own}");
}

#[test]
#[ignore = "needs prometheus and python3-pika: tests/run"]
fn what_comes_after_newer_samples_were_sent_comes_too_where_prometheus_takes_it_and_is_counted_where_not() {
    // In one minute: with the first report of another comes what the hub knows of a board.
    let start = (now_ms() - 60_000).div_euclid(60_000) * 60_000;
    let time = |n: usize| start + 1_000 * n as i64;
    for (config, has_late) in [(OUT_OF_ORDER, true), ("", false)] {
        let port = free_port();
        let mut hub = Hub::start(&section(port));
        let prometheus = Prometheus::at(port, config);
        hub.publish(&[report("pi", time(0), 0), report("pi", time(3), 3)]);
        prometheus.wait_for_samples(N, 2, &hub);
        hub.publish(&[report("pi", time(2), 2), report("pi", time(1), 1), report("pi", time(4), 4)]);
        let numbers = if has_late { vec![0, 1, 2, 3, 4] } else { vec![0, 3, 4] };
        let samples = prometheus.wait_for_samples(N, numbers.len(), &hub);
        assert_eq!(samples, numbers.iter().map(|n| (time(*n), *n as f64)).collect::<Vec<_>>());
        let none = "remote_write_dropped_samples_total{section=\"remote_write\"} 0\n";
        let has_dropped = |hub: &Hub| !hub.get("/metrics").1.contains(none);
        let deadline = Instant::now() + PATIENCE;
        while has_dropped(&hub) == has_late {
            assert!(Instant::now() < deadline, "{:#?}", hub.process.lines());
            thread::sleep(Duration::from_millis(100));
        }
        // What a start reads back was sent, or refused, before.
        hub.kill();
        hub.start_again();
        hub.publish(&[report("pi", time(5), 5)]);
        prometheus.wait_for_samples(N, numbers.len() + 1, &hub);
        assert!(!has_dropped(&hub));
    }
}

#[test]
#[ignore = "needs prometheus and python3-pika: tests/run"]
fn what_has_left_the_memory_while_prometheus_was_away_comes_by_the_minute() {
    let port = free_port();
    let mut hub = Hub::start(&section(port));
    // Three hours, with a gap of one, every 20 seconds; then a restart, which knows the last hour alone.
    let start = (now_ms() - 4 * 3_600_000).div_euclid(60_000) * 60_000;
    let times: Vec<_> = (0..720)
        .map(|n| start + 20_000 * n)
        .filter(|time| !(3_600_000..7_200_000).contains(&(time - start)))
        .collect();
    let reports: Vec<_> = times.iter().enumerate().map(|(n, time)| report("pi", *time, n)).collect();
    hub.publish(&reports);
    hub.kill();
    hub.start_again();
    let prometheus = Prometheus::at(port, "");
    let newest = *times.last().unwrap();
    let deadline = Instant::now() + PATIENCE;
    let samples = loop {
        let samples = prometheus.samples(N);
        if samples.last().is_some_and(|(time, _)| *time == newest) {
            break samples;
        }
        assert!(Instant::now() < deadline, "{} {:#?}", samples.len(), hub.process.lines());
        thread::sleep(Duration::from_millis(100));
    };
    // Each sample of the last hour at least, and each minute before that with the average of its samples.
    let known: BTreeMap<_, _> = times.iter().copied().zip(0..).collect();
    let begin = samples.iter().position(|(time, _)| known.contains_key(time)).unwrap();
    let (minutes, single) = samples.split_at(begin);
    assert!((180..300).contains(&single.len()), "{}", single.len());
    let kept = known.range(single[0].0..).map(|(time, n)| (*time, f64::from(*n)));
    assert!(single.iter().copied().eq(kept), "{single:?}");
    let expected = known.range(..single[0].0).fold(BTreeMap::<_, Vec<_>>::new(), |mut all, (time, n)| {
        all.entry(time.div_euclid(60_000)).or_default().push(*n);
        all
    });
    assert_eq!(minutes.len(), expected.len());
    for ((time, average), (minute, numbers)) in minutes.iter().zip(&expected) {
        assert_eq!(time.div_euclid(60_000), *minute);
        let sum: i32 = numbers.iter().sum();
        assert!(
            (average - f64::from(sum) / numbers.len() as f64).abs() < 0.1,
            "{time}: {average} {numbers:?}"
        );
    }
}

#[test]
#[ignore = "needs prometheus and python3-pika: tests/run"]
fn a_board_that_prometheus_refuses_loses_its_own_samples_alone() {
    let port = free_port();
    let prometheus = Prometheus::at(port, "");
    let now = now_ms();
    {
        let hub = Hub::start(&section(port));
        hub.publish(&[report("bad", now, 7)]);
        prometheus.wait_for_samples("psistats_figure{instance='bad'}", 1, &hub);
    }
    let hub = Hub::start(&section(port));
    let numbers = 0..50;
    let reports: Vec<_> = numbers
        .clone()
        .flat_map(|n| ["pi", "bad", "other"].map(|board| report(board, now - 600_000 + 1_000 * n as i64, n)))
        .collect();
    hub.publish(&reports);
    for board in ["pi", "other"] {
        let series = format!("psistats_figure{{instance='{board}'}}");
        let samples = prometheus.wait_for_samples(&series, 50, &hub);
        let values: Vec<_> = samples.iter().map(|(_, value)| *value as usize).collect();
        assert_eq!(values, numbers.clone().collect::<Vec<_>>(), "{board}");
    }
    hub.process.wait_for_line("samples of bad are dropped", PATIENCE);
    let dropped = hub.process.lines().iter().filter(|line| line.contains("are dropped")).count();
    assert_eq!(dropped, 1, "{:?}", hub.process.lines());
}

#[test]
#[ignore = "needs prometheus and python3-pika: tests/run"]
fn a_receiver_that_never_answers_costs_no_other_receiver_anything() {
    let (port, silent) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let hub = Hub::start(&format!("{}\n[remote_write:silent]\nurl={url}\ninterval=1", section(port)));
    let prometheus = Prometheus::at(port, "");
    for n in 0..3 {
        hub.publish(&[report("pi", now_ms(), n)]);
        prometheus.wait_for_samples(N, n + 1, &hub);
    }
    // It was reached.
    silent.accept().unwrap();
    let own = hub.get("/metrics").1;
    assert!(own.contains("remote_write_samples_total{section=\"remote_write:silent\"} 0\n"), "{own}");
    let behind = "remote_write_behind_seconds{section=\"remote_write:silent\"} ";
    let behind: f64 = own.split(behind).nth(1).unwrap().lines().next().unwrap().parse().unwrap();
    assert!(behind > 0.0);
}

/// Answers with each status in turn, and then 204; says what came.
const RECEIVER: &str = "
import hashlib, http.server, sys, time
port, answers = int(sys.argv[1]), sys.argv[2:]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        answer = answers.pop(0) if answers else '204'
        words = [answer, self.path, self.headers['content-encoding'], self.headers['authorization'],
                 hashlib.sha256(body).hexdigest(), str(time.monotonic()), str(self.client_address[1])]
        print(*words, sep='\\t', flush=True)
        self.send_response(int(answer))
        if answer == '429': self.send_header('Retry-After', '2')
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler)
print('ready', flush=True)
server.serve_forever()
";

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_receiver_that_has_no_time_is_asked_again_when_it_says_with_the_same_samples() {
    let port = free_port();
    let mut command = Command::new("/usr/bin/python3");
    let answers = ["429", "500", "404", "401", "302"];
    let receiver = Process::start(command.args(["-c", RECEIVER, &port.to_string()]).args(answers));
    receiver.wait_for_line("ready", PATIENCE);
    let hub = Hub::start(&format!("{}\nuser=tenant\npass=sesame", section(port)));
    hub.publish(&[report("pi", now_ms(), 1)]);
    let lines = receiver.wait_for_lines_of(Stream::Stdout, 7, PATIENCE);
    let came: Vec<Vec<&str>> = lines[1..].iter().map(|line| line.split('\t').collect()).collect();
    let statuses: Vec<_> = came.iter().map(|words| words[0]).collect();
    assert_eq!(statuses, ["429", "500", "404", "401", "302", "204"]);
    for words in &came {
        // base64 of tenant:sesame
        assert_eq!(words[1..4], ["/api/v1/write", "snappy", "Basic dGVuYW50OnNlc2FtZQ=="]);
        assert_eq!((words[4], words[6]), (came[0][4], came[0][6]), "the same samples, over one connection");
    }
    let at = |number: usize| came[number][5].parse::<f64>().unwrap();
    assert!(at(1) - at(0) >= 2.0, "{came:?}");
    hub.process.wait_for_line("takes samples again", PATIENCE);
    let told: Vec<_> = hub.process.lines().into_iter().filter(|line| line.contains("samples wait")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!hub.process.lines().iter().any(|line| line.contains("sesame")));
}
