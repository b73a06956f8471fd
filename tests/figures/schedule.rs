//! When a figure is due, and what a missing source or a full report costs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use psistats_host::figures::{FIGURES, Tick};
use serde_json::{Value, json};

use crate::{after, first};
use support::boards::{START, Tree, open_sampler};

/// The basic figures, by their keys and sections.
const BASIC: [&str; 5] = ["cpu", "mem", "cpu_temp", "uptime", "ipaddr"];

fn machine() -> Tree {
    let tree = Tree::new();
    tree.put("proc/sys/kernel/hostname", "pi\n");
    tree.put("proc/loadavg", "0.39 1.05 12.00 1/159 28834\n");
    tree
}

#[test]
fn without_a_section_that_enables_it_no_figure_is_in_a_report() {
    for configuration in ["", "[load]\nenabled=no\n", "[load]\nenabled=no\ninterval=1\n"] {
        let report = first(&mut open_sampler(machine().path(), configuration));
        for figure in FIGURES {
            assert!(report.get(figure.name).is_none(), "{report}");
        }
    }
}

#[test]
fn a_wrong_value_is_one_error_whatever_the_figure() {
    for figure in FIGURES {
        let (section, _) = figure.switch();
        for key in ["enabled", "interval"] {
            let text = format!("[{section}]\n{key}=maybe\n");
            let errors = psistats::settings::parse(text.as_bytes(), Path::new("f")).unwrap_err().0;
            let wrong = errors.iter().filter(|error| error.text.contains("found \"maybe\"")).count();
            assert_eq!(wrong, 1, "{errors:?}");
        }
    }
}

#[test]
fn every_figure_has_its_key_in_the_first_report_whatever_the_machine_has() {
    let configuration = FIGURES.iter().fold(String::new(), |mut text, figure| {
        let (section, switch) = figure.switch();
        writeln!(text, "[{section}]\n{switch}=yes").unwrap();
        text
    });
    for tree in [Tree::new(), machine()] {
        let report = first(&mut open_sampler(tree.path(), &configuration));
        for figure in FIGURES {
            assert!(report.get(figure.name).is_some(), "{report}");
        }
    }
}

#[test]
fn a_figure_is_in_the_first_report_and_then_once_in_each_interval() {
    let tree = machine();
    let mut sampler = open_sampler(tree.path(), "[load]\nenabled=yes\ninterval=2.5\n");
    sampler.prime(START);
    let reports: Vec<bool> = (0..10)
        .map(|second| after(&mut sampler, Duration::from_secs(second)).get("load").is_some())
        .collect();
    let expected = [true, false, false, true, false, true, false, false, true, false];
    assert_eq!(reports, expected, "due at 0, 2.5, 5 and 7.5 s");
}

#[test]
fn an_interval_below_the_primary_timer_means_every_report() {
    let tree = machine();
    let mut sampler = open_sampler(tree.path(), "[load]\nenabled=yes\ninterval=0.1\n");
    for second in 0..5 {
        assert!(after(&mut sampler, Duration::from_secs(second)).get("load").is_some());
    }
}

#[test]
fn a_figure_whose_source_is_missing_is_null_costs_no_other_and_comes_back() {
    let tree = machine();
    std::fs::remove_file(tree.path().join("proc/loadavg")).unwrap();
    let mut sampler = open_sampler(tree.path(), "[load]\nenabled=yes\n");
    assert_eq!(
        first(&mut sampler),
        json!({"hostname": "pi", "cpu": null, "mem": null, "cpu_temp": null, "uptime": null, "ipaddr": [], "load": null})
    );
    tree.put("proc/loadavg", "nonsense");
    assert_eq!(after(&mut sampler, Duration::from_secs(1))["load"], Value::Null);
    tree.put("proc/loadavg", "0.39 1.05 12.00 1/159 28834\n");
    assert_eq!(after(&mut sampler, Duration::from_secs(2))["load"], json!([0.39, 1.05, 12.0]));
}

#[test]
fn a_basic_figure_that_is_disabled_is_in_no_report() {
    let tree = machine();
    for without in BASIC {
        for no in ["0", "no"] {
            let mut sampler = open_sampler(tree.path(), &format!("[{without}]\nenabled={no}\n"));
            sampler.prime(START);
            let report = first(&mut sampler);
            assert_eq!(report.get(without), None);
            assert_eq!(report.as_object().unwrap().len(), BASIC.len(), "the others and hostname");
        }
    }
    let none = BASIC.map(|name| format!("[{name}]\nenabled=0\ninterval=1\n")).concat();
    assert_eq!(first(&mut open_sampler(tree.path(), &none)), json!({"hostname": "pi"}));
}

#[test]
fn a_basic_figure_with_an_interval_is_due_by_that_and_the_others_by_their_timers() {
    let tree = machine();
    let configuration =
        "[cpu]\ninterval=2\n[mem]\ninterval=2.5\n[uptime]\ninterval=1\n[ipaddr]\ninterval=4\n";
    for (configuration, expected) in [
        (configuration, ["1010101010", "1001010010", "1111111111", "1111111111", "1000100010"]),
        ("", ["1111111111", "1111111111", "1111111111", "1001001001", "1001001001"]),
        ("[cpu_temp]\ninterval=9\n", ["1111111111", "1111111111", "1000000001", "1001001001", "1001001001"]),
    ] {
        let mut sampler = open_sampler(tree.path(), configuration);
        sampler.prime(START);
        let mut found = BASIC.map(|_| String::new());
        for second in 0..10 {
            let due = START + Duration::from_secs(second);
            // The secondary timer is one of 3 s here.
            let tick = Tick { unix_ms: 0, now: due, due, secondary: second % 3 == 0 };
            let report: Value = serde_json::from_slice(sampler.report(tick)).unwrap();
            for (found, name) in found.iter_mut().zip(BASIC) {
                found.push(if report.get(name).is_some() { '1' } else { '0' });
            }
        }
        assert_eq!(found, expected, "{configuration}");
    }
}

#[test]
fn a_basic_figure_with_an_interval_is_measured_over_it() {
    let tree = machine();
    let stat = |busy: u32, idle: u32| tree.put("proc/stat", format!("cpu {busy} 0 0 {idle}\n"));
    stat(0, 0);
    let mut sampler = open_sampler(tree.path(), "[cpu]\ninterval=2\n");
    sampler.prime(START);
    stat(10, 90);
    assert_eq!(after(&mut sampler, Duration::ZERO)["cpu"], json!(10.0));
    stat(110, 90);
    assert_eq!(after(&mut sampler, Duration::from_secs(1)).get("cpu"), None);
    stat(110, 190);
    assert_eq!(after(&mut sampler, Duration::from_secs(2))["cpu"], json!(50.0), "of both seconds");
}
