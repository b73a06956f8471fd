//! When a figure is due, and what a missing source or a full report costs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use psistats::config::figures::FigureName;
use serde_json::{Value, json};

use crate::support::{START, Tree, open_sampler};
use crate::{after, first};

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
        for name in FigureName::ALL {
            assert!(report.get(name.as_str()).is_none(), "{report}");
        }
    }
}

#[test]
fn a_wrong_value_is_one_error_whatever_the_figure() {
    for name in FigureName::ALL {
        let (section, _) = name.switch();
        for key in ["enabled", "interval"] {
            let text = format!("[{section}]\n{key}=maybe\n");
            let errors = psistats::config::parse(text.as_bytes(), Path::new("f")).unwrap_err().0;
            let wrong = errors.iter().filter(|error| error.text.contains("found \"maybe\"")).count();
            assert_eq!(wrong, 1, "{errors:?}");
        }
    }
}

#[test]
fn every_figure_has_its_key_in_the_first_report_whatever_the_machine_has() {
    let configuration = FigureName::ALL.iter().fold(String::new(), |mut text, name| {
        let (section, switch) = name.switch();
        writeln!(text, "[{section}]\n{switch}=yes").unwrap();
        text
    });
    for tree in [Tree::new(), machine()] {
        let report = first(&mut open_sampler(tree.path(), &configuration));
        for name in FigureName::ALL {
            assert!(report.get(name.as_str()).is_some(), "{report}");
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
