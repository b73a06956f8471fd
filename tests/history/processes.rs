//! Two processes at one folder.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::process::Stdio;

use psistats_hub::history::{History, Limits};

use super::{START_MS, again, folder_of_child, open};

#[test]
fn child_that_holds_the_folder() {
    let Some(folder) = folder_of_child() else { return };
    let _history = open(&folder, START_MS);
    println!("\nheld");
    std::io::stdout().flush().unwrap();
    std::thread::sleep(support::PATIENCE);
}

#[test]
fn a_folder_in_use_is_refused_with_the_pid_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = again("processes::child_that_holds_the_folder", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    let refused = History::open(folder.path(), Limits::default(), START_MS, |_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
    let message = format!("{} is in use by process {}", folder.path().display(), child.id());
    assert_eq!(refused.to_string(), message);
    child.kill().unwrap();
    child.wait().unwrap();
    open(folder.path(), START_MS);
}
