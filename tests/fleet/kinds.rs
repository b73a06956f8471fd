//! Reports of different programs: the same figure has the same path.

use psistats_hub::fleet::{Heard, Source, Turn, Value};

use crate::{START, fleet, heard, text, value};

#[test]
fn a_report_of_the_python_client_is_that_of_a_board() {
    let mut fleet = fleet();
    let body = r#"{"hostname": "old-pi", "cpu": 3.0, "mem": 20.5, "uptime": 12345, "ipaddr": ["10.0.0.9"], "cpu_temp": null}"#;
    assert!(fleet.take(&heard(body), START).unwrap().is_new_board);
    for (path, expected) in [
        ("cpu", Value::Number(3.0)),
        ("uptime", Value::Number(12345.0)),
        ("ipaddr.0", text("10.0.0.9")),
        ("cpu_temp", Value::Missing),
    ] {
        assert_eq!(value(&fleet, "old-pi", path), Some(expected), "{path}");
    }
    assert_eq!(fleet.board("old-pi").unwrap().sampled_ms, START, "its time is that of its arrival");
}

#[test]
fn a_message_of_chasar_has_the_paths_of_the_agent() {
    let mut fleet = fleet();
    let body = r#"{"computer_utc_clock":"2016-09-12 04:33:05.771686","computer_clock":"2016-09-12 06:33:05.771686",
        "hostname":"node-1","mac_address":"60:03:08:9e:98:b6",
        "ipv4_interfaces":[{"addr":"10.0.0.2","netmask":"255.255.255.0","broadcast":"10.0.0.255"}],
        "cpu":{"percent_used":[10.0,null,20.5]},
        "memory":{"total_bytes":1000,"total_bytes_used":300,"percent_used":38.9},
        "disk":{"total_bytes":31000,"total_bytes_used":14000,"total_bytes_free":17000,"percent_used":45.2},
        "process":{"init":{"pid":1,"status":"sleeping","percent_cpu_used":0.0},"cron":{"pid":9}}}"#;
    let taken = Heard { source: Source::Chasar, ..heard(body) };
    let at_ms = fleet.take(&taken, START).unwrap().at_ms;
    assert_eq!(at_ms, 1_473_654_785_772);
    for (path, expected) in [
        ("cpu", Value::Number(15.3)),
        ("percpu.0", Value::Number(10.0)),
        ("percpu.1", Value::Missing),
        ("mem", Value::Number(38.9)),
        ("disk./.percent", Value::Number(45.2)),
        ("disk./.total", Value::Number(31000.0)),
        ("disk./.used", Value::Number(14000.0)),
        ("disk./.free", Value::Number(17000.0)),
        ("ipaddr.0", text("10.0.0.2")),
        ("mac_address", text("60:03:08:9e:98:b6")),
        ("processes", Value::Number(2.0)),
    ] {
        assert_eq!(value(&fleet, "node-1", path), Some(expected), "{path}");
    }
    for path in ["process.init.pid", "computer_clock", "computer_utc_clock", "cpu.percent_used.0"] {
        assert_eq!(value(&fleet, "node-1", path), None, "{path}");
    }
    let body = r#"{"hostname":"node-1","memory":null,"disk":null,"process":null,"cpu":{"percent_used":[]}}"#;
    fleet.take(&Heard { source: Source::Chasar, ..heard(body) }, START).unwrap();
    for path in ["mem", "disk./.percent", "percpu.0"] {
        assert_eq!(value(&fleet, "node-1", path), Some(Value::Missing), "{path}");
    }
}

#[test]
fn times_of_chasar_are_read_to_the_millisecond_and_others_are_the_arrival() {
    for (clock, expected) in [
        ("1970-01-01 00:00:00.000000", 0),
        ("2000-02-29 23:59:59.999000", 951_868_799_999),
        ("2024-03-01 00:00:00.5", 1_709_251_200_500),
        ("2024-13-01 00:00:00", START),
        ("2024-01-01", START),
        ("x", START),
    ] {
        let mut fleet = fleet();
        let body = format!(r#"{{"hostname":"n","computer_utc_clock":"{clock}"}}"#);
        let taken = Heard { source: Source::Chasar, ..heard(body) };
        assert_eq!(fleet.take(&taken, START).unwrap().at_ms, expected, "{clock}");
    }
}

#[test]
fn the_time_of_a_sample_is_the_messages_refined_by_the_bodys() {
    for (sampled_ms, ts, expected) in [
        (None, "null", START),
        (Some(START - 5_000), "null", START - 5_000),
        (Some(START - 5_000), "1699999995.25", START - 4_750),
        (Some(START - 5_000), "1600000000.5", START - 5_000),
        (None, "1699999995.25", START - 4_750),
        (None, "-1", START),
        (None, "1e300", START),
        (Some(i64::MAX), "null", 253_402_300_799_999),
        (Some(i64::MIN), "null", 0),
    ] {
        let body = format!(r#"{{"hostname":"n","ts":{ts},"cpu":1}}"#);
        let at_ms = fleet().take(&Heard { sampled_ms, ..heard(body) }, START).unwrap().at_ms;
        assert_eq!(at_ms, expected, "{sampled_ms:?} {ts}");
    }
}

#[test]
fn null_ends_a_figure_with_all_its_members_and_a_member_ends_the_null() {
    let mut fleet = fleet();
    let mut say = |body: &str| {
        fleet.take(&heard(format!(r#"{{"hostname":"n",{body}}}"#)), START).unwrap();
        let value = |path| value(&fleet, "n", path);
        [value("disk"), value("disk./.used"), value("disk./.free")]
    };
    let number = |number| Some(Value::Number(number));
    let missing = Some(Value::Missing);
    assert_eq!(say(r#""disk":null"#), [missing.clone(), None, None]);
    assert_eq!(say(r#""disk":{"/":{"used":1,"free":2}}"#), [Some(Value::Unsaid), number(1.0), number(2.0)]);
    assert_eq!(say(r#""disk":{"/":null}"#)[1..], [missing.clone(), missing.clone()]);
    assert_eq!(say(r#""disk":{"/":{"used":1,"free":2}}"#), [Some(Value::Unsaid), number(1.0), number(2.0)]);
    assert_eq!(say(r#""cpu":1"#)[1], number(1.0), "a figure that is not in each report stays");
    assert_eq!(
        say(r#""disk":{"/":{"used":3}}"#)[1..],
        [number(3.0), missing.clone()],
        "a member that is gone"
    );
    assert_eq!(say(r#""disk":null"#), [missing.clone(), missing.clone(), missing]);
}

#[test]
fn a_list_that_became_shorter_has_no_old_members() {
    let mut fleet = fleet();
    for (list, second) in [
        (r#"["a","b"]"#, text("b")),
        (r#"["a"]"#, Value::Missing),
        (r#"["a","c"]"#, text("c")),
        ("[]", Value::Missing),
    ] {
        let turn = fleet.take(&heard(format!(r#"{{"hostname":"n","ipaddr":{list}}}"#)), START).unwrap().turn;
        assert_eq!(turn, Turn::New);
        assert_eq!(value(&fleet, "n", "ipaddr.1"), Some(second), "{list}");
    }
}
