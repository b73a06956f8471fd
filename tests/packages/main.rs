//! The Debian packages of `boards/package`: what is in them, and what dpkg makes of a machine with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod contents;
mod documents;
mod hub;
mod hub_contents;
mod life;
mod systemd;
mod tree;

use std::path::PathBuf;
use std::process::Command;

const ARCHITECTURES: [&str; 3] = ["armhf", "arm64", "amd64"];
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What `boards/package` has made for `architecture`.
fn package(architecture: &str) -> PathBuf {
    let path = root(&format!("target/packages/psistats_{VERSION}_{architecture}.deb"));
    assert!(path.is_file(), "{} is missing: boards/package {architecture}", path.display());
    path
}

/// What `boards/package --tiny armhf` has made.
fn tiny() -> PathBuf {
    root(&format!("target/packages/psistats-tiny_{VERSION}_armhf.deb"))
}

/// lintian's command line, by which whatever it finds is a failure.
fn lintian() -> Command {
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--display-info", "--fail-on", "error,warning,info"]);
    // A binary's texts stand side by side without a space: which words that makes is up to the compiler.
    lintian.args(["--suppress-tags", "spelling-error-in-binary"]);
    lintian
}

/// What a command, which must succeed, prints.
#[track_caller]
fn text(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{command:?}: {stdout}{stderr}");
    stdout
}
