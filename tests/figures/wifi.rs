//! `wifi`

use serde_json::{Value, json};

use crate::figure;
use support::boards::{Tree, all};

/// Of a Raspberry Pi 5, kernel 6.18; then the second and third line as an Amazon Echo's driver writes them.
const CAPTURED: &str = "\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   58.  -52.  -256        0      0      0      0      0        0
 wlan1: 0000    0   208     0        0      0      0      0      0        0
  p2p0: 0000    0     0     0        0      0      0      0      0        0
";

#[test]
fn wifi_is_dbm_and_null_where_the_driver_does_not_say() {
    let tree = Tree::new();
    tree.put("proc/net/wireless", CAPTURED);
    assert_eq!(
        figure(&tree, "wifi"),
        json!({
            "wlan0": {"quality": 58, "level": -52, "noise": null},
            "wlan1": {"quality": 0, "level": -48, "noise": null},
            "p2p0": {"quality": 0, "level": null, "noise": null},
        })
    );
}

#[test]
fn wifi_is_empty_on_boards_whose_file_has_a_head_alone_and_null_without_the_file() {
    let boards = all().into_iter().filter(|board| board.join("proc/net/wireless").exists());
    let found: Vec<Value> = boards.map(|board| figure(&Tree::of(&board), "wifi")).collect();
    assert!(found.len() >= 2 && found.iter().all(|wifi| *wifi == json!({})), "{found:?}");
    assert_eq!(figure(&Tree::new(), "wifi"), Value::Null);
}

#[test]
fn of_more_interfaces_than_there_is_room_for_the_first_stay() {
    let tree = Tree::new();
    let line =
        |n| format!(" wlan{n}: 0000   58.  -52.  -95.        0      0      0      0      0        0\n");
    tree.put("proc/net/wireless", (0..20).map(line).collect::<String>());
    let wifi = figure(&tree, "wifi");
    assert_eq!((wifi.as_object().unwrap().len(), &wifi["wlan7"]["noise"]), (8, &json!(-95)));
}
