//! The committed OpenAPI document as a judge, by Debian's python3-jsonschema.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::project;

/// What is wrong with answers, `{"path","status","type","body"}` each, and with values, `{"schema","value"}` each.
pub fn problems(answers: &[Value], values: &[Value]) -> Vec<String> {
    let document = fs::read_to_string(project::path("src/hub/web/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let given = json!({"document": document, "answers": answers, "values": values});
    let mut python = Command::new("/usr/bin/python3")
        .args(["-W", "ignore"])
        .arg(project::path("tests/web/openapi.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "is python3-jsonschema installed?");
    serde_json::from_slice(&output.stdout).unwrap()
}
