//! What a command needs of the configuration.

use psistats_host::conf::curve::Need;
use psistats_host::conf::{chasar, loggers, near};

/// What a command needs of the configuration: what it does not need cannot stop it.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Whether a section counts, or is perhaps a misspelt one that would. Of any other, nothing is looked at.
    pub(super) section: fn(&str) -> bool,
    pub(super) password: PasswordNeed,
    /// How far it needs the keys of `[chasar]`, where that is enabled.
    pub(super) keys: Need,
    /// Whether the defaults do where this user may not read the file, which nobody has named.
    pub(super) is_optional: bool,
}

/// How far a command needs the password of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PasswordNeed {
    /// It logs in.
    Required,
    /// It reports what is wrong with the password, but is given no credential, which the service alone has.
    Checked,
    /// It can do without.
    None,
}

impl Needs {
    /// Of what publishes reports: everything.
    pub const PUBLISH: Self =
        Self { section: every, password: PasswordNeed::Required, keys: Need::Required, is_optional: false };
    /// Of `check-config`: likewise, but for credentials.
    pub const CHECK: Self = Self { password: PasswordNeed::Checked, keys: Need::Checked, ..Self::PUBLISH };
    /// Of `start-local --stdout`: likewise, but for the broker's password.
    pub const PRINT: Self =
        Self { password: PasswordNeed::None, keys: Need::None, is_optional: true, ..Self::PUBLISH };
    /// Of `status`: where the pidfile is.
    pub const STATUS: Self = Self { section: app, ..Self::PRINT };
    /// Of `stop`: likewise.
    pub const STOP: Self = Self { is_optional: false, ..Self::STATUS };
    /// Of a client node of chasar: `[chasar]`, enabled or not, and the log.
    pub const CLIENT_NODE: Self = Self { section: client_node, keys: Need::Required, ..Self::PRINT };

    /// How far it needs the keys of a `[chasar]` that is enabled, or not.
    pub(super) fn keys_where(self, is_enabled: bool) -> Need {
        // The command of the client node does not ask.
        let is_wanted = is_enabled || !self.an_outlet();
        if is_wanted { self.keys } else { Need::None }
    }

    /// Whether it needs somebody to send reports or messages to.
    pub(super) fn an_outlet(self) -> bool {
        self.password != PasswordNeed::None
    }
}

/// The agent's own and those that it shares with the hub. The hub has none that the agent does not know.
fn every(_: &str) -> bool {
    true
}

fn app(section: &str) -> bool {
    near(section, ["app"].into_iter()).is_some()
}

fn client_node(section: &str) -> bool {
    near(section, [chasar::NAME].into_iter()).is_some() || loggers::is_section(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use psistats_host::figures::FIGURES;

    #[test]
    fn a_command_needs_its_own_sections_and_what_may_be_misspelt_ones() {
        let others =
            ["server", "exchange", "queue", "message", "backlog", "cpu_temp", "mem", "uptime", "ipaddr"];
        let figures = FIGURES.iter().map(|figure| figure.switch().0);
        for section in others.into_iter().chain(figures) {
            for needs in [Needs::STATUS, Needs::STOP, Needs::CLIENT_NODE] {
                assert!(!(needs.section)(section), "{needs:?} {section}");
            }
            assert!((Needs::PRINT.section)(section));
        }
        for (needs, section, needed) in [
            (Needs::STATUS, "app", true),
            (Needs::STATUS, "ap", true),
            (Needs::STATUS, "logging", false),
            (Needs::CLIENT_NODE, "chaser", true),
            (Needs::CLIENT_NODE, "handler_file", true),
            (Needs::CLIENT_NODE, "loging", true),
            (Needs::CLIENT_NODE, "app", false),
        ] {
            assert_eq!((needs.section)(section), needed, "{needs:?} {section}");
        }
    }
}
