//! `boot`

use psistats_core::limits;
use serde_json::{Value, json};

use crate::{figure, live, psutil};
use support::boards::{Tree, all, name};

#[test]
fn the_start_is_found_behind_a_line_of_interrupts_that_is_longer_than_the_buffer_and_0_is_null() {
    let tree = Tree::new();
    let interrupts = " 0".repeat(limits::KERNEL_FILE);
    tree.put("proc/stat", format!("cpu  1 2 3 4\nintr 1{interrupts}\nctxt 1\nbtime 1795879592\n"));
    assert_eq!(figure(&tree, "boot"), json!(1_795_879_592));
    for text in ["cpu  1 2 3 4\nbtime 0\n", "cpu  1 2 3 4\n", ""] {
        tree.put("proc/stat", text);
        assert_eq!(figure(&tree, "boot"), Value::Null);
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn boot_is_psutils_on_this_machine_and_on_captured_ones() {
    assert_eq!(live("boot"), psutil("int(psutil.boot_time())"));
    let mut boards = 0;
    for board in all() {
        let Ok(text) = std::fs::read_to_string(board.join("proc/stat")) else { continue };
        // A few are cut off before it. Of 0 psutil makes 1970.
        if text.contains("\nbtime ") && !text.contains("\nbtime 0\n") && name(&board) != "made-broken" {
            let tree = Tree::of(&board);
            let theirs = psutil(&format!(
                "[setattr(psutil, 'PROCFS_PATH', {:?}), int(psutil.boot_time())][1]",
                tree.path().join("proc")
            ));
            assert_eq!(figure(&tree, "boot"), theirs, "{}", name(&board));
            boards += 1;
        }
    }
    assert!(boards >= 2, "{boards}");
}
