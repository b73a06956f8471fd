//! The README of the metrics names them all, as they are.

use psistats_hub::metrics::boards::FACTS;
use psistats_hub::metrics::family::{Family, Kind};
use psistats_hub::metrics::table::FIGURES;
use support::project;

fn row(family: &Family, from: &str, labels: &str) -> String {
    let kind = match family.kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Info => "info",
    };
    format!("| `{}{labels}` | {kind} | {from} | {} |\n", family.name, family.help.trim_end_matches('.'))
}

#[test]
fn the_readme_has_the_table_of_all_metrics_of_boards() {
    let readme = std::fs::read_to_string(project::path("src/hub/metrics/README.md")).unwrap();
    let mut table = String::new();
    for figure in FIGURES {
        let from: Vec<_> = figure.places.iter().map(|place| format!("`{}`", place.shape())).collect();
        let place = figure.places[0];
        let labels: Vec<_> = [place.label]
            .into_iter()
            .filter(|label| !label.is_empty())
            .chain(place.more.map(|(name, _)| name))
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        table += &row(&figure.family, &from.join(", "), &labels);
    }
    for (family, _) in FACTS {
        let labels = if family.kind == Kind::Info { "{model,os,revision,tag_NAME}" } else { "" };
        table += &row(family, "the hub", labels);
    }
    assert!(readme.contains(&table), "the README lacks this:\n\n{table}");
}
