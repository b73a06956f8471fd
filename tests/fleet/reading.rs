//! From JSON to series, against a flattening that is simple and independent.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use psistats_hub::fleet::cells::{Cells, Paths, Reading};
use psistats_hub::fleet::name::host_name;
use psistats_hub::fleet::report::{DEPTH, PATH, Reader, TEXT};
use psistats_hub::fleet::series::ROWS;
use psistats_hub::fleet::{Heard, MessageId, Turn};
use serde_json::{Value as Json, json};

use crate::counting::Counted;
use crate::{START, fleet, heard, take};

/// A reader with the series of one board.
#[derive(Default)]
struct Board {
    reader: Reader,
    cells: Cells,
    paths: Paths,
}

type Flat = BTreeMap<String, Json>;

impl Board {
    fn read(&mut self, body: &str) -> Result<Flat, serde_json::Error> {
        let room = 512 - self.cells.cells.len();
        self.reader.read(body.as_bytes(), false, &mut self.cells, &mut self.paths, room)?;
        let mut flat = Flat::new();
        for (slot, reading) in self.reader.readings() {
            let value = match reading {
                Reading::Null => Json::Null,
                Reading::Number(number) => json!(number),
                Reading::Truth(truth) => json!(truth),
                Reading::Text(text) => json!(text),
            };
            assert!(flat.insert(self.cells.paths[usize::from(slot)].to_string(), value).is_none(), "twice");
        }
        Ok(flat)
    }
}

/// JSON that may have a key twice.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(Json),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Leaf(leaf) => leaf.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(",")),
            Self::Object(items) => {
                let items = items.iter().map(|(key, item)| format!("{} : {}", json!(key), item.text()));
                format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn flatten(&self, path: &str, depth: usize, flat: &mut Flat) {
        let join = |key: &str| if depth == 0 { key.to_owned() } else { format!("{path}.{key}") };
        let members: Vec<(String, &Tree)> = match self {
            Self::Leaf(leaf) => {
                let value = match leaf {
                    // Whose last digit is as serde_json reads it.
                    Json::Number(_) => json!(serde_json::from_str::<f64>(&leaf.to_string()).unwrap()),
                    Json::String(text) => {
                        let mut kept = String::new();
                        for character in text.chars() {
                            if kept.len() + character.len_utf8() > TEXT {
                                break;
                            }
                            kept.push(character);
                        }
                        json!(kept)
                    }
                    other => other.clone(),
                };
                let is_left_out = path == "hostname" || (path == "ts" && leaf.is_number());
                if path.len() <= PATH && !is_left_out {
                    flat.insert(path.to_owned(), value);
                }
                return;
            }
            _ if depth >= DEPTH || path.len() > PATH => return,
            Self::List(items) => {
                items.iter().enumerate().map(|(index, item)| (join(&index.to_string()), item)).collect()
            }
            Self::Object(items) => items.iter().map(|(key, item)| (join(key), item)).collect(),
        };
        for (path, member) in members {
            member.flatten(&path, depth + 1, flat);
        }
    }
}

fn leaf() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(|truth| json!(truth)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        (-1e18..1e18).prop_map(|number: f64| json!(number)),
        (-1000..1000_i32).prop_map(|tenths| json!(f64::from(tenths) / 10.0)),
        ".{0,40}".prop_map(|text| json!(text)),
        "[aä€😀]{30,140}".prop_map(|text| json!(text)),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]", "[abc]", "[a-c.]{0,3}", ".{0,6}", "ä{60,90}", Just("ts".to_owned())]
}

fn object() -> impl Strategy<Value = Tree> {
    let node = leaf().prop_map(Tree::Leaf).prop_recursive(20, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Tree::List),
            vec((key(), inner), 0..5).prop_map(Tree::Object)
        ]
    });
    vec((key(), node), 0..8).prop_map(Tree::Object)
}

proptest! {
    #[test]
    fn reports_are_the_series_of_a_simple_flattening_whatever_came_before(trees in vec(object(), 1..5)) {
        let mut board = Board::default();
        for tree in &trees {
            let mut expected = Flat::new();
            tree.flatten("", 0, &mut expected);
            prop_assert_eq!(board.read(&tree.text()).unwrap(), expected);
        }
    }

    #[test]
    fn what_serde_json_refuses_is_refused_and_leaves_nothing(tree in object(), cut in any::<prop::sample::Index>()) {
        let text = tree.text();
        let cut = text.char_indices().map(|(at, _)| at).nth(cut.index(text.chars().count())).unwrap();
        let mut board = Board::default();
        board.read(r#"{"cpu":1,"b":{"c":2}}"#).unwrap();
        prop_assert!(board.read(&text[..cut]).is_err());
        prop_assert_eq!(board.cells.cells.len(), 2);
        prop_assert_eq!(board.read(r#"{"cpu":1,"b":{"c":2}}"#).unwrap().len(), 2);
    }

    #[test]
    fn any_bytes_are_read_or_refused_as_serde_json_does(bytes in vec(any::<u8>(), 0..60), text in r#"[\[\]{}:,"a0-9. \\u-]{0,40}"#) {
        for bytes in [&bytes[..], text.as_bytes()] {
            let mut board = Board::default();
            let ours = board.reader.read(bytes, false, &mut board.cells, &mut board.paths, 512).is_ok();
            prop_assert_eq!(ours, serde_json::from_slice::<serde_json::Map<String, Json>>(bytes).is_ok());
            host_name(bytes, &mut String::new());
        }
    }

    #[test]
    fn the_host_name_is_the_first_of_the_object(name in ".{1,20}", key in "[a-h]{0,3}", plain in any::<bool>()) {
        let start = if plain { String::new() } else { format!("\"{key}\":{{\"hostname\":1}}, ") };
        let body = format!("{{{start}\"hostname\":{},\"hostname\":\"other\"}}", json!(name));
        let mut buffer = String::new();
        prop_assert_eq!(host_name(body.as_bytes(), &mut buffer), Some(&*name));
    }
}

#[test]
fn a_report_of_the_agent_has_its_series_by_path() {
    let mut board = Board::default();
    let flat = board
        .read(
            r#"{"hostname":"pi-1","cpu":24.1,"mem":40,"ipaddr":["10.0.0.1","fe80::1"],"ts":1700000000.25,
                "disk":{"/":{"percent":45.2}},"percpu":[1.5,null],"throttled":{"under_voltage":false}}"#,
        )
        .unwrap();
    let expected = json!({
        "cpu": 24.1, "mem": 40.0, "ipaddr.0": "10.0.0.1", "ipaddr.1": "fe80::1", "disk./.percent": 45.2,
        "percpu.0": 1.5, "percpu.1": null, "throttled.under_voltage": false,
    });
    assert_eq!(json!(flat), expected);
    assert_eq!(board.reader.ts_ms, Some(1_700_000_000_250));
}

#[test]
fn of_a_path_that_comes_twice_the_last_value_counts() {
    let flat = Board::default().read(r#"{"a":1,"b":{"c":1},"a":null,"b":{"c":"x","d":2},"b.d":3}"#).unwrap();
    assert_eq!(json!(flat), json!({"a": null, "b.c": "x", "b.d": 3.0}));
}

#[test]
fn integers_beyond_2_to_the_53_are_the_nearest_double() {
    let flat = Board::default().read(r#"{"a":9007199254740993,"b":18446744073709551615,"c":1e300}"#).unwrap();
    assert_eq!(
        json!(flat),
        json!({"a": 9_007_199_254_740_992.0, "b": 18_446_744_073_709_551_616.0, "c": 1e300})
    );
}

#[test]
fn what_has_no_place_is_counted_and_the_rest_is_read() {
    let mut board = Board::default();
    let deep = format!("{}1{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let long = "x".repeat(PATH);
    let body = format!(r#"{{"{long}":1,"{long}x":2,"y{long}":{{"z":[{{}}]}},"deep":{deep},"cpu":3}}"#);
    let flat = board.read(&body).unwrap();
    assert_eq!(json!(flat), json!({long: 1.0, "cpu": 3.0}));
    assert_eq!((board.reader.left_out.paths, board.reader.left_out.depth), (2, 1));
    let many: Vec<_> = (0..600).map(|n| format!("\"n{n}\":{n}")).collect();
    assert_eq!(board.read(&format!("{{{}}}", many.join(","))).unwrap().len(), 510);
    assert_eq!(board.reader.left_out.series, 90);
}

#[test]
fn host_names_that_are_none_are_none() {
    let long = format!(r#"{{"hostname":"{}"}}"#, "x".repeat(256));
    for body in [
        "",
        "{}",
        r#"{"hostname":null}"#,
        r#"{"hostname":7}"#,
        r#"{"hostname":""}"#,
        r#"["hostname"]"#,
        &long,
    ] {
        assert_eq!(host_name(body.as_bytes(), &mut String::new()), None, "{body}");
    }
    let longest = "x".repeat(255);
    let body = format!(r#"{{"hostname": "{longest}"}}"#);
    assert_eq!(host_name(body.as_bytes(), &mut String::new()), Some(&*longest));
}

#[test]
fn a_report_like_the_one_before_allocates_nothing_until_a_block_is_full() {
    let mut fleet = fleet();
    let mut counts = Vec::new();
    for number in 1..=300_u64 {
        let body = format!(
            r#"{{"hostname":"pi-1","cpu":{number}.5,"os":"Debian","ipaddr":["10.0.0.1"],"mem":40.5,"disk":{{"/":{{"percent":45.{number}}}}}}}"#
        );
        let at_ms = START + number as i64 * 1_000;
        let id = Some(MessageId { boot: 1, start: 1, number });
        let report = Heard { id, sampled_ms: Some(at_ms), ..heard(body) };
        counts.push(Counted::over(|| assert_eq!(take(&mut fleet, &report, at_ms), Turn::New)));
    }
    let warm = &counts[120..];
    assert_eq!(warm.iter().filter(|count| **count > 0).count(), 180 / ROWS, "{warm:?}");
}
