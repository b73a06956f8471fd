//! Debian's Prometheus, as a process with a port and a folder of its own.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::hub::{Hub, own_name};
use crate::master::free_port;
use crate::{full, golden};
use support::PATIENCE;
use support::process::Process;
use support::project::{self, program};

/// A series: its labels, and its value.
pub type Series = (Value, f64);

/// A configuration by which samples may come late.
pub const OUT_OF_ORDER: &str = "storage: {tsdb: {out_of_order_time_window: 1h}}";

pub struct Prometheus {
    pub process: Process,
    pub port: u16,
    folder: TempDir,
}

impl Prometheus {
    /// It discovers the boards of a hub, and scrapes them one by one, all at once, and the hub.
    fn start(hub: &Hub) -> Self {
        let target = hub.page;
        let config = format!(
            "global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
  - job_name: boards
    http_sd_configs: [{{url: 'http://127.0.0.1:{target}/sd', refresh_interval: 1s}}]
    relabel_configs: [{{action: labelmap, regex: __meta_psistats_(tag_.+)}}]
  - job_name: all
    honor_labels: true
    metrics_path: /metrics/all
    static_configs: [{{targets: ['127.0.0.1:{target}']}}]
  - job_name: hub
    static_configs: [{{targets: ['127.0.0.1:{target}']}}]
"
        );
        Self::at(free_port(), &config)
    }

    /// With that configuration.
    pub fn at(port: u16, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let process = Self::run(&folder, port);
        Self { process, port, folder }
    }

    fn run(folder: &TempDir, port: u16) -> Process {
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--web.enable-remote-write-receiver");
        let process = Process::start(&mut command);
        process.wait_for_line("Server is ready to receive web requests", PATIENCE);
        process
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(PATIENCE);
    }

    /// Starts again what was killed.
    pub fn restart(&mut self) {
        self.process = Self::run(&self.folder, self.port);
    }

    fn api(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// All samples of one series: Unix milliseconds, and values.
    pub fn samples(&self, series: &str) -> Vec<(i64, f64)> {
        let data = self.ask(&format!("{series}[1d]"));
        let values = data["result"][0]["values"].as_array().cloned().unwrap_or_default();
        let sample = |pair: &Value| {
            let time = (pair[0].as_f64().unwrap() * 1000.0).round() as i64;
            (time, pair[1].as_str().unwrap().parse().unwrap())
        };
        values.iter().map(sample).collect()
    }

    fn ask(&self, query: &str) -> Value {
        let encoded: String = query.bytes().map(|octet| format!("%{octet:02x}")).collect();
        self.api(&format!("query?query={encoded}"))
    }

    fn query(&self, query: &str) -> Vec<Series> {
        let data = self.ask(query);
        let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let series = data["result"].as_array().unwrap().iter();
        series.map(|series| (series["metric"].clone(), number(&series["value"][1]))).collect()
    }

    /// The answer to a query, once it is as it should be.
    #[track_caller]
    pub fn wait_for(&self, query: &str, is_so: impl Fn(&[Series]) -> bool) -> Vec<Series> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.query(query);
            if is_so(&answer) {
                return answer;
            }
            let targets = || self.api("targets");
            assert!(
                Instant::now() < deadline,
                "{query}: {answer:?}\n{}\n{:#?}",
                targets(),
                self.process.lines()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Publishes reports to a hub, each of them once a second, until it is dropped.
struct Publisher(Child);

impl Publisher {
    fn start(hub: &Hub, reports: &[String]) -> Self {
        let script = project::path("tests/metrics/publisher.py");
        let mut python = Command::new("/usr/bin/python3");
        let mut child = python.arg(script).arg(hub.amqp.to_string()).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(reports.join("\n").as_bytes()).unwrap();
        Self(child)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= other.abs() * 1e-12
}

#[test]
#[ignore = "needs prometheus and python3-pika: tests/run"]
fn prometheus_discovers_the_boards_and_answers_what_the_api_says_until_they_are_lost() {
    let hub = Hub::start("self=no");
    let hostile =
        r#"{"hostname":"a \"b\\c\nd/ü?&","cpu":1.5,"tags":{"x-y":"{}\"\\\n"},"coffee":{"\"\\\n":7}}"#;
    let mut reports = golden();
    reports.extend([full(), hostile.to_owned()]);
    let boards = reports.len() as f64;
    let publisher = Publisher::start(&hub, &reports);
    hub.wait_for("full", |board| board["reports"].as_u64() >= Some(1));
    let prometheus = Prometheus::start(&hub);
    let sum = |name: &str| {
        prometheus.wait_for(name, |series| series.iter().map(|(_, value)| value).sum::<f64>() == boards)
    };
    sum("up{job='boards'}");
    sum("psistats_board_up{job='all'}");
    sum("sum(psistats_hub_boards{job='hub',state!='lost'})");
    prometheus.wait_for("up{job='all'} == 1 or up{job='hub'} == 1", |series| series.len() == 2);
    assert!(
        prometheus.wait_for("process_resident_memory_bytes{job='hub'}", |series| series.len() == 1)[0].1
            > 1e6
    );

    every_figure_is_what_the_api_says(&hub, &prometheus);
    every_panel_of_the_dashboard_has_an_answer(&prometheus);
    for (job, filter) in [("boards", ",tag_x_y='{}\"\\\\\\n'"), ("all", "")] {
        let query = format!(
            "psistats_figure{{job='{job}',instance='a \"b\\\\c\\nd/ü?&',path='coffee.\"\\\\\\n'{filter}}}"
        );
        assert_eq!(prometheus.wait_for(&query, |series| series.len() == 1)[0].1, 7.0, "{query}");
    }

    drop(publisher);
    // By scrapes that are refused, and by what the hub says of all.
    prometheus.wait_for("up{job='boards'} == 0", |series| series.len() as f64 == boards);
    prometheus.wait_for("psistats_board_up{job='all'} == 0", |series| series.len() as f64 == boards);
    assert_eq!(prometheus.wait_for("psistats_cpu_ratio", <[_]>::is_empty), []);
}

/// Of the board with all figures, one by one, and of each board the basic ones.
#[track_caller]
fn every_figure_is_what_the_api_says(hub: &Hub, prometheus: &Prometheus) {
    let expected = fs::read_to_string(project::path("tests/metrics/expected.json")).unwrap();
    let expected: Vec<(String, f64, String, String)> = serde_json::from_str(&expected).unwrap();
    let (board, mut compared) = (hub.json("/api/v1/hosts/full"), 0);
    let number = |value: &Value| match value {
        Value::Bool(truth) => f64::from(*truth),
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    };
    for (path, factor, name, labels) in &expected {
        // Its report has an old time, and so no difference.
        if path == "clock_difference" {
            continue;
        }
        let value = number(&board["values"][path]) * factor;
        for job in ["boards", "all"] {
            let query = format!("{name}{{job='{job}',instance='full',{labels}}}");
            let series = prometheus.query(&query);
            assert!(
                series.len() == 1 && is_near(series[0].1, value),
                "{query}: {series:?}, expected {value}"
            );
            compared += 1;
        }
    }
    assert!(compared > 100);
    let hosts = hub.json("/api/v1/hosts");
    for (path, factor, metric) in [
        ("cpu", 0.01, "psistats_cpu_ratio"),
        ("mem", 0.01, "psistats_memory_used_ratio"),
        ("cpu_temp", 1.0, "psistats_temperature_celsius{sensor='cpu'}"),
        ("uptime", 1.0, "psistats_uptime_seconds"),
    ] {
        let boards = hosts["hosts"].as_array().unwrap().iter();
        let values: HashMap<_, _> = boards
            .filter_map(|board| {
                Some((board["name"].as_str().unwrap(), board["values"][path].as_f64()? * factor))
            })
            .collect();
        assert!(values.len() > 1);
        // Each by both ways.
        let series = prometheus.wait_for(metric, |series| series.len() == 2 * values.len());
        for (labels, value) in series {
            assert!(
                is_near(value, values[labels["instance"].as_str().unwrap()]),
                "{metric} {labels}: {value}"
            );
        }
    }
    let info = "psistats_board_info{job='boards',instance='full'}";
    let info = &prometheus.wait_for(info, |series| series.len() == 1)[0].0;
    assert_eq!(info["model"], board["model"]);
    assert_eq!(info["tag_site"], board["tags"]["site"]);
}

#[track_caller]
fn every_panel_of_the_dashboard_has_an_answer(prometheus: &Prometheus) {
    let dashboard = fs::read_to_string(project::path("src/hub/grafana/boards.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let query = target["expr"].as_str().unwrap().replace("$board", ".*");
        prometheus.wait_for(&query, |series| !series.is_empty());
    }
}

#[test]
#[ignore = "needs prometheus: tests/run"]
fn chasars_client_node_and_the_hubs_own_machine_are_targets_too() {
    for (more, source) in [("", "own"), ("self=no", "chasar")] {
        let hub = Hub::start(more);
        let mut node = Command::new(program("psistats"));
        node.args(["chasar", "clientnode", "start", "127.0.0.1", &hub.chasar.to_string()]);
        let _node = (source == "chasar").then(|| Process::start(&mut node));
        let board = hub.wait_for(&own_name(), |board| board["values"]["disk./.total"].is_number());
        assert_eq!(board["source"], source);
        let prometheus = Prometheus::start(&hub);
        let size = format!("psistats_filesystem_size_bytes{{instance='{}',mountpoint='/'}}", own_name());
        let size = prometheus.wait_for(&size, |series| series.len() == 2);
        for (_, value) in size {
            assert_eq!(Some(value), board["values"]["disk./.total"].as_f64());
        }
    }
}
