//! The text of metrics, by parsers and checkers that nobody here wrote.

use std::collections::{HashMap, HashSet};
use std::process::Command;

use proptest::prelude::*;
use psistats_hub::fleet::{Fleet, Source};
use psistats_hub::metrics::{Format, Scrape, hub, targets};
use psistats_hub::web::Counters;
use serde_json::{Value, json};
use support::project;

use crate::{NOW, all, fleet, full, golden, run, take, text};

/// A message of chasar's client node.
const CHASAR: &str = r#"{"computer_utc_clock":"2023-11-14 22:13:20.000000","computer_clock":"2023-11-14 23:13:20.000000",
    "hostname":"chasar","mac_address":"b8:27:eb:00:00:00","ipv4_interfaces":[{"addr":"192.0.2.1","netmask":"255.255.255.0"}],
    "cpu":{"percent_used":[10.0,20.0]},"memory":{"total_bytes":1000,"total_bytes_used":250,"percent_used":25.0},
    "disk":{"total_bytes":4000,"total_bytes_used":1000,"total_bytes_free":3000,"percent_used":25.0},
    "process":{"init":{"pid":1,"status":"running","percent_cpu_used":0.0,"percent_memory_used":0.1}}}"#;

/// Names that a hostile or careless board may have.
const NAMES: [&str; 10] = [
    "a\"b\\c\nd",
    "ends with \\",
    "{a=\"b\"} 1",
    "# TYPE psistats_cpu_ratio counter",
    "\r\t\u{1}\u{7f}",
    "\u{feff}bom \u{2028}",
    "büro ☃",
    " ",
    "\\n",
    "a b/../?host=x&y#z%41",
];

/// A board that calls itself, and everything that it has a name for, so.
fn named(name: &str) -> String {
    json!({
        "hostname": name, "cpu": 1.5, "tags": {name: name}, "board": {"model": name}, "os": name,
        "disk": {name: {"total": 1e300, "percent": -0.0}}, "net": {name: {"rx": 5e-324, "rx_bytes": 9007199254740993_i64}},
        "sensors": {name: {name: {"unit": "c", "value": 1}}, "a": {name: {"value": 2, "unit": name}}},
        name: {name: [true, {name: 7}]}, "fan": {name: 1}, "throttled": {name: true}, "cpu_freq": [1e308], "diskio": {name: {"read_bytes": -1}},
    })
    .to_string()
}

/// Asserts that promtool has nothing to say.
#[track_caller]
fn check(page: &str) {
    let output = run(Command::new("promtool").args(["check", "metrics"]), page);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}\n{page}");
}

/// The samples that python3-prometheus-client reads.
#[track_caller]
fn count(page: &str) -> usize {
    let script = project::path("tests/metrics/openmetrics.py");
    let output = run(Command::new("/usr/bin/python3").arg(script), page);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{page}");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

fn samples(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter(|line| !line.starts_with("# "))
}

/// The value of a sample.
#[track_caller]
fn value(page: &str, name_and_labels: &str) -> f64 {
    let line = samples(page).find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name_and_labels} in {page}")).parse().unwrap()
}

#[test]
#[ignore = "needs prometheus and python3-prometheus-client: tests/run"]
fn promtool_and_the_standards_parser_take_what_real_boards_and_the_hub_say() {
    let (full, golden) = (full(), golden());
    let mut fleet = fleet(golden.iter().map(String::as_str).chain([full.as_str()]));
    take(&mut fleet, Source::Chasar, CHASAR, NOW);
    for board in fleet.boards() {
        let page = |format| text(&fleet, Scrape::of_board(&fleet, &board.name, format).unwrap());
        check(&page(Format::Text));
        assert_eq!(count(&page(Format::OpenMetrics)), samples(&page(Format::Text)).count());
    }
    check(&all(&fleet, Format::Text));
    assert_eq!(count(&all(&fleet, Format::OpenMetrics)), samples(&all(&fleet, Format::Text)).count());
    let written = [("remote_write", Default::default()), ("remote_write:other", Default::default())];
    let own = |format| hub::page(&fleet, 1, &Counters::default(), &written, format);
    check(&own(Format::Text));
    assert_is_whole(&own(Format::Text));
    assert_eq!(count(&own(Format::OpenMetrics)), samples(&own(Format::Text)).count());
}

#[test]
#[ignore = "needs prometheus and python3-prometheus-client: tests/run"]
fn promtool_and_the_standards_parser_take_what_hostile_boards_say() {
    let names =
        NAMES.map(str::to_owned).into_iter().chain(["x".repeat(255), "\0".to_owned(), "a\0b".to_owned()]);
    let bodies: Vec<_> = names.map(|name| named(&name)).collect();
    let fleet = fleet(bodies.iter().map(String::as_str));
    assert_eq!(fleet.boards().len(), NAMES.len() + 3);
    for board in fleet.boards() {
        check(&text(&fleet, Scrape::of_board(&fleet, &board.name, Format::Text).unwrap()));
    }
    let page = all(&fleet, Format::Text);
    assert!(!page.contains('\0') && page.contains(r#"{instance="a\"b\\c\nd"}"#), "{page}");
    check(&page);
    count(&all(&fleet, Format::OpenMetrics));
}

#[test]
#[ignore = "needs prometheus and python3-prometheus-client: tests/run"]
fn a_fleet_without_boards_and_boards_that_are_lost_have_pages_too() {
    let mut fleet = fleet([]);
    assert_eq!(all(&fleet, Format::Text), "");
    assert_eq!(count(&all(&fleet, Format::OpenMetrics)), 0);
    assert_eq!(targets::json(&fleet, "hub:1").unwrap(), b"[]");
    take(&mut fleet, Source::Amqp, &full(), NOW);
    fleet.tick(NOW + 3_600_000);
    let page = all(&fleet, Format::Text);
    check(&page);
    assert_eq!(value(&page, "psistats_board_up{instance=\"full\"}"), 0.0);
    assert!(!page.contains("psistats_cpu_ratio"), "{page}");
}

#[test]
fn a_message_of_chasar_has_the_metrics_of_a_report() {
    let mut fleet = fleet([]);
    take(&mut fleet, Source::Chasar, CHASAR, NOW);
    let page = text(&fleet, Scrape::of_board(&fleet, "chasar", Format::Text).unwrap());
    for (sample, expected) in [
        ("psistats_cpu_ratio", 0.15),
        ("psistats_cpu_core_ratio{cpu=\"1\"}", 0.2),
        ("psistats_memory_used_ratio", 0.25),
        ("psistats_memory_size_bytes", 1000.0),
        ("psistats_memory_used_bytes", 250.0),
        ("psistats_filesystem_size_bytes{mountpoint=\"/\"}", 4000.0),
        ("psistats_processes", 1.0),
    ] {
        assert_eq!(value(&page, sample), expected, "{sample}");
    }
    assert!(!page.contains("psistats_figure"), "{page}");
}

#[test]
fn what_a_board_is_and_its_tags_are_labels_with_valid_names() {
    let fleet = fleet([full().as_str()]);
    let info = "psistats_board_info{tag_site=\"garage \\\"A\\\"\",tag_b_ro_1=\"x\",model=\"Raspberry Pi 4 Model B Rev 1.4\",\
                revision=\"d03114\",os=\"Debian GNU/Linux 12 (bookworm)\"}";
    let page = text(&fleet, Scrape::of_board(&fleet, "full", Format::Text).unwrap());
    assert_eq!(value(&page, info), 1.0);
    // The serial number identifies the board, and is for those who may read the API.
    assert!(!page.contains("0123456789abcdef"));
    let targets: Value = serde_json::from_slice(&targets::json(&fleet, "hub:1").unwrap()).unwrap();
    let labels = json!({
        "__metrics_path__": "/metrics", "__param_host": "full", "instance": "full", "__meta_psistats_source": "amqp",
        "__meta_psistats_model": "Raspberry Pi 4 Model B Rev 1.4", "__meta_psistats_revision": "d03114",
        "__meta_psistats_os": "Debian GNU/Linux 12 (bookworm)", "__meta_psistats_tag_site": "garage \"A\"",
        "__meta_psistats_tag_b_ro_1": "x",
    });
    assert_eq!(targets, json!([{"targets": ["hub:1"], "labels": labels}]));
    let tags: HashMap<_, _> = (0..100).map(|n| (format!("t{n}"), "x")).collect();
    let body = json!({"hostname": "many", "tags": tags}).to_string();
    let many = crate::fleet([body.as_str()]);
    let page = text(&many, Scrape::of_board(&many, "many", Format::Text).unwrap());
    assert_eq!(page.matches("tag_t").count(), 16);
}

#[test]
fn each_series_with_a_number_is_one_sample_and_says_what_the_table_says() {
    let fleet = fleet([full().as_str()]);
    let page = text(&fleet, Scrape::of_board(&fleet, "full", Format::Text).unwrap());
    let expected = std::fs::read_to_string(project::path("tests/metrics/expected.json")).unwrap();
    let expected: Vec<(String, f64, String, String)> = serde_json::from_str(&expected).unwrap();
    let known: HashSet<&str> = expected.iter().map(|(path, ..)| path.as_str()).collect();
    for (path, cell) in fleet.boards()[0].cells.paths.iter().zip(&fleet.boards()[0].cells.cells) {
        assert!(cell.value.number().is_none() || known.contains(&**path), "{path}");
    }
    // Those, one from a text, and the facts.
    let facts = 9;
    let is_measured = |path: &str| path != "clock_difference";
    let figures = expected.iter().filter(|(path, ..)| is_measured(path)).count() + 1;
    assert_eq!(samples(&page).count(), figures + facts, "{page}");
    assert_eq!(value(&page, "psistats_card_reserve_low{device=\"mmcblk0\"}"), 1.0);
    assert_eq!(value(&page, "psistats_drive_temperature_celsius{device=\"/dev/sda\"}"), 38.0);
}

#[test]
fn a_lost_report_that_comes_after_all_does_not_turn_a_counter_back() {
    let mut fleet = fleet([]);
    let mut last = 0.0;
    for (number, lost, recovered) in
        [(1, 0.0, 0.0), (4, 2.0, 0.0), (3, 2.0, 1.0), (3, 2.0, 1.0), (2, 2.0, 2.0)]
    {
        let id = psistats_hub::fleet::MessageId { boot: 1, start: 1, number };
        let body = r#"{"hostname":"pi"}"#.into();
        let heard = psistats_hub::fleet::Heard {
            source: Source::Amqp,
            peer: None,
            id: Some(id),
            sampled_ms: Some(NOW),
            body,
        };
        fleet.take(&heard, NOW).unwrap();
        let page = text(&fleet, Scrape::of_board(&fleet, "pi", Format::Text).unwrap());
        assert_eq!(value(&page, "psistats_reports_lost_total"), lost);
        assert_eq!(value(&page, "psistats_reports_recovered_total"), recovered);
        assert!(lost >= last);
        last = lost;
    }
}

#[test]
fn a_board_that_is_forgotten_or_changes_while_its_metrics_are_read_leaves_the_rest_as_it_is() {
    let body = |n: usize| full().replace("\"full\"", &format!("\"pi-{n:03}\""));
    let bodies: Vec<_> = (0..100).map(body).collect();
    let mut fleet = fleet(bodies.iter().map(String::as_str));
    let mut scrape = Scrape::of_all(&fleet, Format::Text);
    let mut page = scrape.next(&fleet).unwrap();
    assert!(page.len() < 100_000);
    // The last board goes where the first was. The second one's sensors have other units.
    assert!(fleet.forget("pi-000"));
    take(&mut fleet, Source::Amqp, &body(1).replace("\"unit\":\"c\"", "\"unit\":\"V\""), NOW + 1);
    page.extend(std::iter::from_fn(|| scrape.next(&fleet)));
    assert_is_whole(&page);
    assert_eq!(page.matches("psistats_wifi_quality{instance=\"pi-001\"").count(), 1);
    assert_eq!(page.matches("psistats_wifi_quality{").count(), 98);
}

/// Asserts that the samples of each family are together, below its head, and none comes twice.
#[track_caller]
fn assert_is_whole(page: &str) {
    let (mut families, mut seen, mut present) = (HashSet::new(), HashSet::new(), "");
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            present = family.split(' ').next().unwrap();
            assert!(families.insert(present), "{present} has two heads");
        } else if !line.starts_with("# HELP ") {
            let series = line.rsplit_once(' ').unwrap().0;
            let name = series.split('{').next().unwrap();
            assert_eq!(name, present, "{line}");
            assert!(seen.insert(series), "{series} comes twice");
        }
    }
}

/// JSON whose keys look like those of reports.
fn any_json() -> impl Strategy<Value = Value> {
    let key = || {
        prop::sample::select(
            &["disk", "/", "a.b", "a", "b", "total", "value", "unit", "0", "\"", "", "\n"][..],
        )
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&["c", "V", "38", "normal"][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_boards_say_no_sample_comes_twice_and_families_are_together(
        figures in prop::collection::vec((prop::sample::select(&["sensors", "cpu_temp", "disk", "net", "cpu", "throttled", "card", "tags"][..]), any_json()), 0..6),
        others in prop::collection::vec((".{0,3}", any_json()), 0..3),
    ) {
        let mut board: serde_json::Map<String, Value> =
            figures.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(others).collect();
        let mut fleet = fleet([]);
        for name in ["one", "two"] {
            board.insert("hostname".to_owned(), name.into());
            take(&mut fleet, Source::Amqp, &Value::from(board.clone()).to_string(), NOW);
        }
        let page = all(&fleet, Format::Text);
        assert_is_whole(&page);
        let numbers = |fleet: &Fleet| {
            let cells = &fleet.boards()[0].cells;
            let cells = cells.paths.iter().zip(&cells.cells);
            let exposed = cells.filter(|(path, cell)| !path.is_empty() && !path.contains('\0') && cell.value.number().is_some());
            exposed.filter(|(path, _)| !(path.starts_with("card.") && path.ends_with(".pre_eol"))).count()
        };
        let written = samples(&page).filter(|line| line.contains("instance=\"one\"")).count();
        prop_assert!(written >= 9 + numbers(&fleet), "{page}");
    }
}
