//! psistats.conf for both programs: its syntax, the values in it, and the settings that the programs share.
//!
//! ```text
//! find -> bytes -> ini (sections, keys, lines) -> Reading (asks for keys) -> settings of a program, or every error
//! ```
//!
//! An unknown key is a warning, a wrong value an error; with any error there are no settings. Which sections count
//! is for a program to say: of the others, nothing is looked at. But for [`find`] and [`obtain`], nothing here knows a file or
//! the environment. No error and no warning shows the value of `pass` or `url`.

pub mod chasar;
#[cfg(feature = "curve")]
pub mod curve;
#[cfg(not(feature = "curve"))]
#[path = "no_curve.rs"]
pub mod curve;
pub mod external;
pub mod figures;
pub mod find;
pub mod hosts;
pub mod ini;
mod literal;
pub mod loggers;
pub mod logging;
pub mod obtain;
mod percent;
mod problem;
mod reading;
pub mod reports;
pub mod secret;
pub mod sensors;
mod slips;
pub mod tags;
mod targets;
pub mod tls;
pub mod url;
pub mod values;

pub use problem::{Problem, Problems, Severity, count};
pub use reading::{Expected, Reading, near, shown};
