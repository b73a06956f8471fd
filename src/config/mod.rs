//! psistats.conf for both programs: syntax, settings, where the file is found.
//!
//! ```text
//! file -> ini (sections, keys, lines) -> reading (asks for keys) -> Settings, or every error
//! ```
//!
//! An unknown key is a warning, a wrong value an error; with any error there are no settings.
//! No error and no warning shows the value of `pass` or `url`, or what is in the file that `pass` names.

use std::path::Path;

pub mod chasar;
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
mod reading;
pub mod sensors;
pub mod settings;
mod targets;
mod url;
mod values;

pub use find::{Loaded, load};
pub use problem::{Problem, Problems};
pub use reading::near;
pub use settings::Settings;

/// Reads the bytes of a file; `name` is what messages call it. Gives the settings and the
/// warnings, or every error and warning.
pub fn parse(bytes: &[u8], name: &Path) -> Result<(Settings, Vec<Problem>), Problems> {
    parsed(bytes, name).map(|parsed| (parsed.settings, parsed.warnings))
}

struct Parsed {
    settings: Settings,
    warnings: Vec<Problem>,
    /// Where a password stands, if one does.
    password_line: Option<usize>,
}

fn parsed(bytes: &[u8], name: &Path) -> Result<Parsed, Problems> {
    let ini = ini::parse(bytes, name)?;
    let mut reading = reading::Reading::new(&ini, name);
    let settings = read::settings(&mut reading);
    let password_line = read::password_line(&mut reading);
    reading.warn_of_unknown();
    let reading::Reading { mut errors, mut warnings, .. } = reading;
    if !errors.is_empty() {
        // A misspelt key is often why another is wrong.
        errors.append(&mut warnings);
        errors.sort_by_key(|problem| problem.line);
        return Err(Problems(errors));
    }
    warnings.sort_by_key(|problem| problem.line);
    Ok(Parsed { settings, warnings, password_line })
}
