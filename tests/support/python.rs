//! Debian's Python with psutil, as an oracle.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The JSON that `script` prints.
pub fn python(script: &str) -> Value {
    let mut python = Command::new("/usr/bin/python3")
        .args(["-W", "ignore", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("/usr/bin/python3: {error}; apt-get install python3-psutil"));
    python.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle failed; is python3-psutil installed?");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
pub fn assert_near(ours: &Value, theirs: &Value, tolerance: f64) {
    let (ours, theirs) = (ours.as_f64().unwrap(), theirs.as_f64().unwrap());
    assert!((ours - theirs).abs() <= tolerance, "ours {ours}, the oracle's {theirs} +- {tolerance}");
}
