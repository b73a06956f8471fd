//! Where the project's files and programs lie, whichever of its crates a test belongs to.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A path of the project, from its top level.
pub fn path(relative: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let top = crate_folder.ancestors().find(|folder| folder.join("Cross.toml").exists());
    top.expect("the tests are run where the project is").join(relative)
}

/// A program of the project, as built beside this test.
pub fn program(name: &str) -> PathBuf {
    let program = built().join(name);
    assert!(program.exists(), "{} is not there: cargo build --workspace", program.display());
    program
}

/// A folder of cargo's target folder, made where it is not there.
pub fn target(name: &str) -> PathBuf {
    let folder = built().with_file_name(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// `target/debug`: tests are built into a folder in it.
fn built() -> PathBuf {
    let test = env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().to_owned()
}
