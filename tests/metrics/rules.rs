//! The alerting rules, by promtool, and the dashboard: what they ask for is served.

use std::collections::HashSet;
use std::process::Command;

use psistats_hub::metrics::boards::FACTS;
use psistats_hub::metrics::table::FIGURES;
use psistats_hub::metrics::{Format, hub};
use psistats_hub::web::Counters;
use serde_json::Value;
use support::project;

use crate::{fleet, run};

#[test]
#[ignore = "needs prometheus: tests/run"]
fn each_alerting_rule_says_what_its_test_expects() {
    for words in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let mut command = Command::new("promtool");
        command.args(words).current_dir(project::path("src/hub/prometheus"));
        let output = run(&mut command, "");
        assert!(output.status.success(), "{output:?}");
    }
    let [rules, tests] = ["alerts", "alerts_test"].map(|name| {
        std::fs::read_to_string(project::path("src/hub/prometheus").join(name).with_extension("yml")).unwrap()
    });
    let alerts = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        assert!(tests.contains(&format!("alertname: {alert}\n")), "nothing raises {alert}");
    }
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_there_are() {
    let own = hub::page(&fleet([]), 0, &Counters::default(), &[], Format::Text);
    let own = own.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let known: HashSet<&str> = own
        .chain(FIGURES.iter().map(|figure| figure.family.name))
        .chain(FACTS.iter().map(|(family, _)| family.name))
        .collect();
    let dashboard = std::fs::read_to_string(project::path("src/hub/grafana/boards.json")).unwrap();
    let rules = std::fs::read_to_string(project::path("src/hub/prometheus/alerts.yml")).unwrap();
    let json: Value = serde_json::from_str(&dashboard).unwrap();
    let mut asked = String::new();
    for panel in json["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            asked += target["expr"].as_str().unwrap();
            asked.push('\n');
        }
    }
    let boards = json["templating"]["list"][1]["query"]["query"].as_str().unwrap();
    let expressions = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    asked.extend(expressions.chain([boards]).map(|text| format!("{text}\n")));
    let words = asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let metrics: HashSet<&str> = words.filter(|word| word.starts_with("psistats_")).collect();
    assert!(metrics.len() > 15, "{metrics:?}");
    for metric in metrics {
        assert!(known.contains(metric), "there is no {metric}");
    }
}
