//! psistats.conf for both programs: syntax, settings, where the file is found.

pub mod logging;
pub mod settings;

pub use settings::Settings;
