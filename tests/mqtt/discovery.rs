//! What Home Assistant is told of boards, judged by a description of its documentation, and what it would then hear.

use std::collections::BTreeSet;
use std::fs;
use std::rc::Rc;

use psistats_hub::fleet::{Bounds, Fleet, Heard, Source};
use psistats_hub::mqtt::book::{Book, Message};
use psistats_hub::settings::{self, Needs};
use serde_json::{Value, json};
use support::PATIENCE;
use support::process::Process;
use support::project;
use support::python::python;

use crate::broker::{Broker, Subscriber};
use crate::hub::Hub;

/// What is wrong with payloads, by Debian's python3-jsonschema.
fn problems(payloads: &[Value]) -> Value {
    let schema = project::path("tests/mqtt/device.schema.json");
    let payloads = Value::from(payloads.iter().map(Value::to_string).collect::<Vec<_>>());
    python(&format!(
        "import json, jsonschema
judge = jsonschema.Draft202012Validator(json.load(open({:?})))
print(json.dumps([error.json_path + ': ' + error.message[:300] + str([e.message for e in error.context])[:2000]
    for payload in {payloads} for error in judge.iter_errors(json.loads(payload))]))",
        schema.to_str().unwrap()
    ))
}

/// Publishes reports to a hub, each of them once a second, until it is dropped.
pub fn publish(hub: &Hub, reports: &[&str]) -> Process {
    let lines = reports.iter().map(|report| format!("{report}\n")).collect::<String>();
    let file = hub.data().with_file_name("reports");
    fs::write(&file, lines).unwrap();
    let script = project::path("tests/metrics/publisher.py");
    let line = "exec /usr/bin/python3 \"$0\" \"$1\" <\"$2\"";
    let mut command = std::process::Command::new("sh");
    Process::start(command.args(["-c", line]).arg(script).arg(hub.amqp.to_string()).arg(file))
}

fn config(subscriber: &Subscriber, device: &str) -> Value {
    let topic = format!("homeassistant/device/{device}/config");
    serde_json::from_str(&subscriber.wait_for(0, &topic, |_, _| true)).unwrap()
}

const HOSTILE: &str =
    r##"{"hostname":"a/+/#\"\n$büro","cpu":1.5,"+/#":true,"$state":7,"a\u0000b":1,"nan":1e300}"##;

#[test]
#[ignore = "needs mosquitto and python3-pika: tests/run"]
fn every_board_is_a_device_that_home_assistant_takes_with_an_entity_for_each_number_and_truth_value() {
    let broker = Broker::start("");
    let hub = broker.hub("");
    let full = fs::read_to_string(project::path("tests/metrics/report.json")).unwrap().replace('\n', "");
    let _publisher = publish(&hub, &[&full, HOSTILE]);
    let subscriber = broker.subscriber(&["#"]);
    let full = config(&subscriber, "psistats_full");
    let hostile = config(&subscriber, &hostile_device(&subscriber));
    assert_eq!(problems(&[full.clone(), hostile.clone()]), json!([]));

    assert_eq!(
        full["availability"],
        json!([{"topic": "psistats/$state"}, {"topic": "psistats/full/$state"}])
    );
    assert_eq!(full["availability_mode"], "all");
    assert_eq!(full["device"]["model"], "Raspberry Pi 4 Model B Rev 1.4");
    assert_eq!(full["device"]["sw_version"], "Debian GNU/Linux 12 (bookworm)");
    let voltage = &full["components"]["throttled.under_voltage"];
    assert_eq!(
        (&voltage["platform"], &voltage["device_class"]),
        (&"binary_sensor".into(), &"problem".into())
    );
    let volts = &full["components"]["sensors.rpi_volt-isa-0000.in0.value"];
    assert_eq!((&volts["device_class"], &volts["unit_of_measurement"]), (&"voltage".into(), &"V".into()));

    // Each entity hears what the API says.
    let board = hub.wait_for("full", |board| board["reports"].as_u64() >= Some(2));
    let (mut ids, mut heard) = (BTreeSet::new(), 0);
    for (path, value) in board["values"].as_object().unwrap() {
        let key = path.replace('/', "%2F").replace(' ', "%20");
        let entity = &full["components"][&key];
        // The report has an old time, so that this is none.
        if !(value.is_number() || value.is_boolean()) || path == "clock_difference" {
            assert!(entity.is_null() || value.is_number(), "{path}: {entity}");
            continue;
        }
        let topic = entity["state_topic"].as_str().unwrap_or_else(|| panic!("{path}: {full:#}"));
        let said = subscriber.wait_for(0, topic, |_, kept| !kept);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said.as_f64(), value.as_f64(), "{path}");
        assert_eq!(said.as_bool(), value.as_bool(), "{path}");
        ids.insert(entity["unique_id"].as_str().unwrap());
        heard += 1;
    }
    assert!(heard > 60 && ids.len() == heard, "{heard} {}", ids.len());

    // Nothing that a board calls itself or its figures is a level of a topic, or the board's state.
    let states = hostile["components"].as_object().unwrap();
    let topics: Vec<_> = states.values().map(|state| state["state_topic"].as_str().unwrap()).collect();
    assert!(topics.iter().all(|topic| topic.split('/').count() == 3), "{topics:?}");
    subscriber.wait_for(0, "psistats/a%2F%2B%2F%23%22%0A%24b%C3%BCro/%24state", |said, _| said == "7");
}

fn hostile_device(subscriber: &Subscriber) -> String {
    subscriber.wait_for(0, "psistats/a%2F%2B%2F%23%22%0A%24b%C3%BCro/$state", |said, _| said == "online");
    let messages = subscriber.messages();
    let mut devices = messages.iter().filter_map(|(topic, ..)| topic.split('/').nth(2));
    devices.find(|device| device.contains("a____")).unwrap().to_owned()
}

#[test]
fn a_board_is_told_of_again_when_it_has_something_new_and_taken_away_when_it_is_forgotten() {
    let text = "[mqtt]\nurl=mqtt://broker\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let settings = settings::load(Some(file.path()), Needs::Password).unwrap().0.mqtt.unwrap();
    let (mut book, mut fleet, mut now_ms) =
        (Book::new(Rc::new(settings)), Fleet::new(Bounds::default()), 1_000);
    let mut hear_by = |source: Source, fleet: &mut Fleet, body: &str| {
        now_ms += 1_000;
        let body = body.to_owned().into();
        let heard = Heard { source, peer: None, id: None, sampled_ms: None, body };
        fleet.take(&heard, now_ms).unwrap();
        fleet.close();
    };
    let mut hear = |fleet: &mut Fleet, body: &str| hear_by(Source::Amqp, fleet, body);
    let topics = |messages: Option<Vec<Message>>| -> Vec<String> {
        messages
            .unwrap()
            .into_iter()
            .filter(|message| message.is_retained)
            .map(|message| message.topic)
            .collect()
    };
    let (config, state) = ("homeassistant/device/psistats_pi/config", "psistats/pi/$state");

    assert_eq!(topics(Some(book.begin(&fleet))), ["psistats/$state"]);
    assert_eq!(book.board(&fleet, 0, true), None);
    hear(&mut fleet, r#"{"hostname":"pi","cpu":1,"cpu_temp":null}"#);
    assert_eq!(topics(book.board(&fleet, 0, false)), [config, state]);
    hear(&mut fleet, r#"{"hostname":"pi","cpu":2,"cpu_temp":null}"#);
    assert_eq!(topics(book.board(&fleet, 0, true)), [""; 0]);
    hear(&mut fleet, r#"{"hostname":"pi","cpu":2,"cpu_temp":40}"#);
    assert_eq!(topics(book.board(&fleet, 0, true)), [config]);
    hear(&mut fleet, r#"{"hostname":"pi","cpu":null,"cpu_temp":40,"os":"Debian"}"#);
    let told = book.board(&fleet, 0, true).unwrap();
    // What is null is still an entity, and says nothing.
    let payload: Value = serde_json::from_slice(&told[0].payload).unwrap();
    assert_eq!(
        (&payload["device"]["sw_version"], payload["components"].as_object().unwrap().len()),
        (&"Debian".into(), 2)
    );
    assert!(!told.iter().any(|message| message.topic == "psistats/pi/cpu"));
    // Lost, and then forgotten.
    fleet.tick(60_000);
    let told = book.board(&fleet, 0, true).unwrap();
    assert_eq!((&*told[0].topic, &*told[0].payload, told.len()), (state, &b"offline"[..], 1));
    assert!(fleet.forget("pi"));
    let taken = book.gone(&fleet);
    assert!(taken.iter().all(|message| message.is_retained && message.payload.is_empty()));
    assert_eq!(topics(Some(taken)), [config, state]);
    assert_eq!(book.gone(&fleet), []);
    // What took it away may have been lost with the session.
    assert_eq!(topics(Some(book.begin(&fleet))), ["psistats/$state", config, state]);
    hear(&mut fleet, r#"{"hostname":"pi","cpu":1}"#);
    assert_eq!(topics(Some(book.begin(&fleet))), ["psistats/$state"]);
    assert_eq!(topics(book.board(&fleet, 0, false)), [config, state]);
    // What is retained of another hub's board is that hub's.
    hear_by(Source::Standby, &mut fleet, r#"{"hostname":"pi","cpu":1}"#);
    book.board(&fleet, 0, false).unwrap();
    assert!(fleet.forget("pi"));
    assert_eq!(book.gone(&fleet), []);
    assert_eq!(topics(Some(book.begin(&fleet))), ["psistats/$state"]);
}

#[test]
#[ignore = "needs mosquitto and python3-pika: tests/run"]
fn without_discovery_there_are_the_states_alone_under_the_prefix_that_is_set() {
    let broker = Broker::start("");
    let hub = broker.hub("prefix=home/boards\ndiscovery=no\n");
    let _publisher = publish(&hub, &[r#"{"hostname":"pi","cpu":1.5}"#]);
    let subscriber = broker.subscriber(&["#"]);
    subscriber.wait_for(0, "home/boards/pi/cpu", |said, _| said == "1.5");
    hub.process.wait_for_line("connected to mqtt://", PATIENCE);
    assert!(subscriber.messages().iter().all(|(topic, ..)| topic.starts_with("home/boards/")));
}
