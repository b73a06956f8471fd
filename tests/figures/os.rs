//! `os`

use serde_json::{Value, json};

use crate::{figure, live, python};
use support::boards::Tree;

#[test]
fn the_name_is_of_etc_or_else_of_usr_lib() {
    let tree = Tree::new();
    assert_eq!(figure(&tree, "os"), Value::Null);
    tree.put("usr/lib/os-release", "PRETTY_NAME=\"Raspbian GNU/Linux 11 (bullseye)\"\nID=raspbian\n");
    assert_eq!(figure(&tree, "os"), json!("Raspbian GNU/Linux 11 (bullseye)"));
    tree.put("etc/os-release", "NAME=Raspbian\n");
    assert_eq!(figure(&tree, "os"), json!("Raspbian GNU/Linux 11 (bullseye)"));
    tree.put("etc/os-release", "PRETTY_NAME=\"Raspbian GNU/Linux 7 (wheezy)\"\n");
    assert_eq!(figure(&tree, "os"), json!("Raspbian GNU/Linux 7 (wheezy)"));
}

/// Python's own reader of the running machine's file, and of any other text.
#[test]
fn the_name_is_unquoted_as_python_unquotes_it() {
    let theirs =
        python("import json, platform\nprint(json.dumps(platform.freedesktop_os_release()['PRETTY_NAME']))");
    assert_eq!(live("os"), theirs);

    let texts = [
        "PRETTY_NAME=\"Debian GNU/Linux 7 (wheezy)\"\n",
        "# PRETTY_NAME=none\nPRETTY_NAME='single quotes'\n",
        "PRETTY_NAME=bare\nPRETTY_NAME=\"the last \\\"one\\\"\"\nVERSION=1",
        "PRETTY_NAME=\"\\$HOME \\\\ \\` \\n 'x'\"\nNAME=y\n",
        "PRETTY_NAME=\"Gr\u{fc}n \u{1f427}\"\n",
    ];
    let theirs = python(&format!(
        "
import json, platform
texts = json.loads({:?})
print(json.dumps([platform._parse_os_release(text.splitlines())['PRETTY_NAME'] for text in texts]))
",
        serde_json::to_string(&texts).unwrap()
    ));
    for (text, theirs) in texts.iter().zip(theirs.as_array().unwrap()) {
        let tree = Tree::new();
        tree.put("etc/os-release", text);
        assert_eq!(figure(&tree, "os"), *theirs, "{text}");
    }
}
