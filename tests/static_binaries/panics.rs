//! The message of a panic in a program without unwinding (boards/stand_ins.c).

use std::process::Command;

use crate::{X86_64, binary};

#[test]
#[ignore = "needs strace and boards/build: tests/run"]
fn a_panic_prints_its_message_and_place_and_aborts() {
    let folder = tempfile::tempdir().unwrap();
    // No panic of our own code is known. But before main, Rust's standard library allocates an alternative
    // stack (the first mmap is musl's), and panics where that fails.
    let mut strace = Command::new("strace");
    strace
        .args(["-o", "trace", "-e", "inject=mmap:error=ENOMEM:when=2"])
        .arg(binary(X86_64))
        .arg("--version");
    let output = strace.current_dir(&folder).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let trace = std::fs::read_to_string(folder.path().join("trace")).unwrap();
    let [place, what] = said.trim().lines().collect::<Vec<_>>()[..] else { panic!("{said}\n{trace}") };
    assert!(place.contains("panicked at ") && place.contains("stack_overflow.rs:"), "{said}");
    assert_eq!(what, "failed to allocate an alternative stack: Out of memory (os error 12)");
    assert!(trace.ends_with("+++ killed by SIGABRT +++\n"), "{trace}");
}
