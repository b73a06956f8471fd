//! Boards, by pika.

use serde_json::{Value, json};

use support::PATIENCE;
use support::master::python;
use support::process::Process;

/// Publishes these reports to `port` every second, each with another `tick`, until it is dropped.
pub fn publish(port: u16, reports: &[Value]) -> Process {
    let reports = serde_json::to_string(&serde_json::to_string(reports).unwrap()).unwrap();
    let script = format!(
        "import pika
p = pika.ConnectionParameters('127.0.0.1', {port}, credentials=pika.PlainCredentials('guest', 'guest'))
c = pika.BlockingConnection(p).channel()
reports, tick = json.loads({reports}), 0
while True:
    tick += 1
    for report in reports:
        c.basic_publish('psistats', 'psistats', json.dumps(report | {{'tick': tick}}))
    c.connection.process_data_events(1)
    print('published')"
    );
    let publisher = python(&script);
    publisher.wait_for_line("published", PATIENCE);
    publisher
}

/// A report of a board that is well.
pub fn report(name: &str, cpu: f64) -> Value {
    json!({
        "hostname": name, "cpu": cpu, "mem": 34.1, "cpu_temp": 47.2, "uptime": 460_800, "load": [0.52, 0.4, 0.3],
        "disk": {"/": {"percent": 45.2}, "/srv": {"percent": 12.0}}, "tags": {"site": "garage"},
        "board": {"model": "Raspberry Pi 3 Model B Rev 1.2"},
    })
}

/// A report with other values.
pub fn with(mut report: Value, values: Value) -> Value {
    report.as_object_mut().unwrap().extend(values.as_object().unwrap().clone());
    report
}
