//! Nothing from outside ends the fleet or makes it grow beyond its bounds.

use proptest::collection::vec;
use proptest::prelude::*;
use psistats_hub::fleet::{Bounds, Fleet, Heard, MessageId, Refusal, Source};

use crate::{START, heard, json};

const SMALL: Bounds = Bounds { boards: 3, series_a_board: 6, series: 14, bytes: 60_000 };

fn body() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[0-9]{1,3}",
        "-?[0-9]\\.[0-9]e-?[0-9]{1,2}",
        "null",
        "true",
        "\"[a-c\"]{0,3}\"",
        "\\[1,null\\]",
        "\\{\"a\":1,\"b\":null\\}"
    ];
    let entry = ("[a-f]{1,2}", value).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let name = prop_oneof!["[a-e]", "\\PC{0,4}"];
    prop_oneof![
        9 => (name, vec(entry, 0..9)).prop_map(|(name, entries)| {
            let entries: String = entries.iter().map(|entry| format!(",{entry}")).collect();
            format!("{{\"hostname\":\"{name}\"{entries}}}")
        }),
        1 => ".{0,30}",
    ]
}

fn report() -> impl Strategy<Value = (Heard, i64)> {
    let time = prop_oneof![9 => START..START + 9_000_000, 1 => any::<i64>()];
    let id = (0..2_u128, 0..3_u128, prop_oneof![0..40_u64, any::<u64>()])
        .prop_map(|(boot, start, number)| MessageId { boot, start, number });
    let source =
        prop_oneof![Just(Source::Amqp), Just(Source::Rabbitmq), Just(Source::Chasar), Just(Source::Own)];
    (body(), prop::option::of(time.clone()), prop::option::of(id), source, time).prop_map(
        |(body, sampled_ms, id, source, now_ms)| (Heard { source, sampled_ms, id, ..heard(body) }, now_ms),
    )
}

fn holds(fleet: &Fleet, bounds: Bounds) {
    let boards = fleet.boards();
    assert!(boards.len() <= bounds.boards);
    assert!(boards.iter().all(|board| board.cells.cells.len() <= bounds.series_a_board));
    assert_eq!(boards.iter().map(|board| board.cells.cells.len()).sum::<usize>(), fleet.series());
    assert!(fleet.series() <= bounds.series, "{}", fleet.series());
    assert_eq!(boards.iter().map(|board| board.recent.bytes()).sum::<usize>(), fleet.bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_reports_break_a_bound_or_the_answers(reports in vec(report(), 0..200), from in any::<i64>(), to in any::<i64>(), points in any::<usize>()) {
        let mut fleet = Fleet::new(SMALL);
        let mut seen = 0;
        for (n, (heard, now_ms)) in reports.iter().enumerate() {
            let _ = fleet.take(heard, *now_ms);
            holds(&fleet, SMALL);
            if n % 16 == 0 {
                fleet.tick(*now_ms);
                json(fleet.changes(seen, *now_ms));
                seen = fleet.close();
            }
            if n % 60 == 59 {
                fleet.forget("b");
                holds(&fleet, SMALL);
            }
        }
        json(fleet.hosts(START));
        for board in fleet.boards() {
            json(fleet.detail(&board.name, START).unwrap());
            for path in &board.cells.paths {
                let history = fleet.history(&board.name, path, from, to, points).unwrap();
                prop_assert!(history.t.is_sorted() && history.t.len() <= 2 * 2_000);
                json(&history);
                json(fleet.figure(path).unwrap());
            }
        }
    }
}

#[test]
fn boards_series_and_bytes_beyond_their_bounds_are_refused_and_counted() {
    let mut fleet = Fleet::new(SMALL);
    for name in ["a", "b", "c"] {
        let many: String = (0..9).map(|n| format!(",\"{name}{n}\":{n}")).collect();
        fleet.take(&heard(format!("{{\"hostname\":\"{name}\"{many}}}")), START).unwrap();
    }
    let counters = fleet.counters();
    assert_eq!((fleet.series(), counters.refused_series), (14, 13), "one place a board is for the clocks");
    let refusal = fleet.take(&heard(r#"{"hostname":"d"}"#), START).unwrap_err();
    assert!(matches!(refusal, Refusal::Boards(3)), "{refusal}");
    for body in
        ["", "[]", "{}", r#"{"hostname":"a""#, r#"{"hostname":"a","cpu":1e999}"#, r#"{"hostname":"a"}x"#]
    {
        fleet.take(&heard(body), START).unwrap_err();
    }
    let counters = fleet.counters();
    assert_eq!((counters.refused_boards, counters.nameless, counters.malformed), (1, 3, 3));
    assert_eq!(counters.reports, 3);
    holds(&fleet, SMALL);
}

#[test]
fn a_malformed_report_leaves_no_board_and_no_series() {
    let mut fleet = Fleet::new(SMALL);
    fleet.take(&heard(r#"{"hostname":"a","b":1,"c":2"#), START).unwrap_err();
    assert_eq!((fleet.boards().len(), fleet.series()), (0, 0));
    fleet.take(&heard(r#"{"hostname":"a","b":1}"#), START).unwrap();
    fleet.take(&heard(r#"{"hostname":"a","c":1,"d":2"#), START).unwrap_err();
    assert_eq!((fleet.boards().len(), fleet.series()), (1, 1));
    assert!(fleet.figure("c").is_none(), "a path that nobody has is not kept");
}

#[test]
fn beyond_the_bytes_the_hour_is_shorter_and_the_newest_samples_are_there() {
    let bounds = Bounds { bytes: 12_000, ..Bounds::default() };
    let mut fleet = Fleet::new(bounds);
    for n in 0..20_000_u32 {
        // As hard to compress as any.
        let values: String =
            (0..4).map(|m| format!(",\"v{m}\":{}", n.wrapping_mul(2_654_435_761 + m))).collect();
        let now_ms = START + i64::from(n) * 250;
        fleet.take(&heard(format!("{{\"hostname\":\"a\"{values}}}")), now_ms).unwrap();
        assert!(fleet.bytes() <= bounds.bytes, "{} after {n}", fleet.bytes());
    }
    assert!(fleet.counters().evicted > 100);
    let newest = START + 19_999 * 250;
    let history = fleet.history("a", "v0", newest - 5_000, newest, 600).unwrap();
    assert_eq!((history.t.len(), history.t.last()), (21, Some(&newest)));
}

#[test]
fn a_restarted_hub_is_filled_within_the_bounds() {
    let mut fleet = Fleet::new(SMALL);
    for name in ["a", "b", "c", "d"] {
        for n in 0..100 {
            let paths: Vec<_> = (0..9).map(|m| format!("{name}{m}")).collect();
            let samples = paths.iter().map(|path| (&**path, f64::from(n)));
            fleet.recall(name, None, START + i64::from(n) * 1_000, samples);
            holds(&fleet, SMALL);
        }
    }
    let history = fleet.history("a", "a0", START, START + 100_000, 600).unwrap();
    assert_eq!((history.t.len(), history.max[99]), (100, Some(99.0)));
}
