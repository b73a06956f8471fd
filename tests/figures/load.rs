//! `load`

use std::fs;

use serde_json::{Value, json};

use crate::{assert_near, figure, live, psutil};
use support::boards::{Tree, all, name};

#[test]
fn load_is_the_three_averages_of_every_captured_board() {
    let mut boards = 0;
    for board in all() {
        let Ok(text) = fs::read_to_string(board.join("proc/loadavg")) else { continue };
        let expected: Vec<f64> = text.split(' ').take(3).map(|number| number.parse().unwrap()).collect();
        assert_eq!(figure(&Tree::of(&board), "load"), json!(expected), "{}", name(&board));
        boards += 1;
    }
    assert!(boards >= 2, "{boards}");
}

#[test]
fn load_is_null_without_a_source() {
    assert_eq!(figure(&Tree::new(), "load"), Value::Null);
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn load_is_psutils() {
    let (ours, theirs) = (live("load"), psutil("psutil.getloadavg()"));
    for (ours, theirs) in ours.as_array().unwrap().iter().zip(theirs.as_array().unwrap()) {
        // The kernel may have renewed it in between.
        assert_near(ours, theirs, 0.5);
    }
}
