//! Who reads a configuration, and so what of it counts.

use crate::conf::reading::near;

/// Who reads: what one command does not need cannot stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// What publishes reports. All of it counts.
    Publisher,
    /// `check-config`: likewise, but for credentials, which the service alone has.
    Checker,
    /// `start-local --stdout`: likewise, but for the password.
    Printer,
    /// `status`: `[app]`, where the pidfile is.
    Status,
    /// `stop`: likewise.
    Stop,
    /// A client node of chasar: `[chasar]` and the log.
    ClientNode,
    /// chasar's master node: `[chasar]`.
    MasterNode,
}

impl Reader {
    /// Whether a section counts, or is perhaps a misspelt one that would.
    pub(super) fn wants(self, section: &str) -> bool {
        let (wanted, log): (&[&str], bool) = match self {
            Self::Publisher | Self::Checker | Self::Printer => return true,
            Self::Status | Self::Stop => (&["app"], false),
            Self::ClientNode => (&["chasar", "logging", "loggers", "handlers", "formatters"], true),
            Self::MasterNode => (&["chasar"], false),
        };
        let named = ["logger_", "handler_", "formatter_"].iter().any(|kind| section.starts_with(kind));
        (log && named) || near(section, wanted.iter().copied()).is_some()
    }

    /// Whether the defaults do where this user may not read the file, which nobody has named.
    pub(super) fn can_do_without(self) -> bool {
        matches!(self, Self::Printer | Self::Status | Self::ClientNode | Self::MasterNode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::FIGURES;

    #[test]
    fn a_reader_wants_its_own_sections_and_what_is_misspelt() {
        let others =
            ["server", "exchange", "queue", "message", "backlog", "cpu_temp", "mem", "uptime", "ipaddr"];
        let figures = FIGURES.iter().map(|figure| figure.switch().0);
        for section in others.into_iter().chain(figures) {
            for reader in [Reader::Status, Reader::Stop, Reader::ClientNode, Reader::MasterNode] {
                assert!(!reader.wants(section), "{reader:?} {section}");
            }
            assert!(Reader::Printer.wants(section));
        }
        for (reader, section, wanted) in [
            (Reader::Status, "app", true),
            (Reader::Status, "ap", true),
            (Reader::Status, "logging", false),
            (Reader::MasterNode, "chaser", true),
            (Reader::MasterNode, "handler_file", false),
            (Reader::ClientNode, "handler_file", true),
            (Reader::ClientNode, "loging", true),
            (Reader::ClientNode, "app", false),
        ] {
            assert_eq!(reader.wants(section), wanted, "{reader:?} {section}");
        }
    }
}
