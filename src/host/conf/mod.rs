//! psistats.conf for both programs: syntax, settings, where the file is found.
//!
//! ```text
//! file -> ini (sections, keys, lines) -> reading (asks for keys) -> Settings, or every error
//! ```
//!
//! An unknown key is a warning, a wrong value an error; with any error there are no settings. Of sections that
//! its [`Reader`] does not need, nothing is looked at.
//! No error and no warning shows the value of `pass` or `url`, or what is in the file that `pass` names.

use std::path::Path;

pub mod chasar;
pub mod external;
pub mod figures;
mod find;
pub mod ini;
mod literal;
mod loggers;
pub mod logging;
mod password;
mod percent;
mod problem;
mod read;
mod reader;
mod reading;
pub mod sensors;
pub mod settings;
mod slips;
pub mod tags;
mod targets;
mod url;
mod values;

pub use find::{Loaded, load};
pub use problem::{Problem, Problems, Severity, count};
pub use reader::Reader;
pub use reading::near;
pub use settings::Settings;

/// Reads the bytes of a file; `name` is what messages call it. Gives the settings and the
/// warnings, or every error and warning.
pub fn parse(bytes: &[u8], name: &Path) -> Result<(Settings, Vec<Problem>), Problems> {
    parsed(bytes, name, Reader::Publisher).map(|parsed| (parsed.settings, parsed.warnings))
}

struct Parsed {
    settings: Settings,
    warnings: Vec<Problem>,
    /// Where a password stands, if one does.
    password_line: Option<usize>,
}

fn parsed(bytes: &[u8], name: &Path, reader: Reader) -> Result<Parsed, Problems> {
    let ini = ini::parse_sections(bytes, name, &|section| reader.wants(section))?;
    let mut reading = reading::Reading::new(&ini, name);
    let settings = read::settings(&mut reading, reader);
    let password_line = read::password_line(&mut reading);
    reading.warn_of_unknown();
    reading.warn_of_slips();
    let problems = reading.problems;
    // A misspelt key is often why another is wrong: warnings go with the errors.
    if problems.first().is_some_and(|problem| problem.severity == Severity::Error) {
        return Err(Problems(problems));
    }
    Ok(Parsed { settings, warnings: problems, password_line })
}
