//! What the boards say, for Prometheus and whoever reads its format. [README.md](README.md) has all names.
//!
//! | where | what |
//! |---|---|
//! | [`family`] | what a metric is |
//! | [`table`] | from the path of a series to its metric |
//! | [`text`] | how metrics are written |
//! | [`boards`] | the metrics of one board, or of all |
//! | [`hub`], `process` | the hub's own |
//! | [`targets`] | each board as a target, for service discovery |

pub mod boards;
pub mod family;
pub mod hub;
mod process;
pub mod table;
pub mod targets;
pub mod text;

pub use boards::Scrape;
pub use text::Format;
