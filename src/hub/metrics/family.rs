//! What a metric is: its name, its type, and a sentence for whoever reads it.

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only goes up, but for restarts. Its name ends with `_total`.
    Counter,
    /// Its labels are what it says; its value is 1. Its name ends with `_info`.
    Info,
}

/// All samples of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Of its samples.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it says, in one line without backslashes and quotation marks.
    pub help: &'static str,
}

impl Family {
    /// A family of [`Kind::Gauge`].
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, help }
    }

    /// A family of [`Kind::Counter`].
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, help }
    }

    /// A family of [`Kind::Info`].
    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Info, help }
    }
}
