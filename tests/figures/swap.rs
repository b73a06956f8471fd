//! `swap`

use serde_json::{Value, json};

use crate::{assert_near, figure, live, psutil, python};
use support::boards::{Tree, all, name};

fn swap(meminfo: &str) -> Value {
    let tree = Tree::new();
    tree.put("proc/meminfo", meminfo);
    figure(&tree, "swap")
}

#[test]
fn swap_is_the_share_in_use_with_one_decimal_and_without_swap_0() {
    assert_eq!(swap("MemTotal: 9 kB\nSwapTotal:  102396 kB\nSwapFree:  102392 kB\n"), json!(0.0));
    assert_eq!(swap("SwapTotal: 800 kB\nSwapFree: 100 kB\n"), json!(87.5));
    assert_eq!(swap("SwapTotal: 0 kB\nSwapFree: 0 kB\n"), json!(0.0));
    assert_eq!(swap("SwapTotal: 1 kB\nSwapFree: 2 kB\n"), json!(0.0), "nonsense of a container");
}

#[test]
fn swap_is_null_where_meminfo_does_not_tell_it() {
    for text in ["", "SwapTotal: 1 kB\n", "SwapTotal: 1 kB\nSwapFree: x kB\n", "SwapFree:\nSwapTotal:\n"] {
        assert_eq!(swap(text), Value::Null, "{text}");
    }
    assert_eq!(figure(&Tree::new(), "swap"), Value::Null);
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn swap_of_every_board_is_what_psutil_makes_of_it() {
    let has_swap = |text: String| text.contains("SwapTotal:");
    let boards: Vec<_> = all()
        .into_iter()
        .filter(|board| std::fs::read_to_string(board.join("proc/meminfo")).is_ok_and(has_swap))
        .collect();
    assert!(boards.len() > 10);
    let theirs = python(&format!(
        "
import json, psutil
percents = []
for path in {boards:?}:
    psutil.PROCFS_PATH = path + '/proc'
    percents.append(psutil.swap_memory().percent)
print(json.dumps(percents))
"
    ));
    for (board, theirs) in boards.iter().zip(theirs.as_array().unwrap()) {
        assert_eq!(figure(&Tree::of(board), "swap"), *theirs, "{}", name(board));
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn swap_is_psutils() {
    assert_near(&live("swap"), &psutil("psutil.swap_memory().percent"), 1.0);
}
