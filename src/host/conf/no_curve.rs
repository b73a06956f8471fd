//! In the place of `curve`, where the crate is built without it: keys are told to be of no use.

use crate::conf::Reading;
use crate::conf::chasar::NAME;

/// There are none.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Keys {}

impl Keys {
    /// Never.
    pub const fn has_server(&self) -> bool {
        false
    }
}

/// Whose keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A client node's.
    ClientNode,
}

/// How far they are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It would connect by them.
    Required,
    /// It reports what is wrong with them.
    Checked,
    /// It can do without.
    None,
}

/// Nothing goes in clear that was meant to be encrypted.
pub fn read(r: &mut Reading<'_>, _: &mut Keys, _: Role, need: Need) {
    let keys = ["curve_server_key", "curve_key", "curve_clients"].map(|key| r.entry(NAME, key));
    for entry in keys.into_iter().flatten().filter(|_| need != Need::None) {
        let text = format_args!(
            "[{NAME}] {}: this psistats is built without encryption of chasar, as those for 32-bit boards are: reports over AMQP have TLS",
            entry.key
        );
        r.error(entry.line, text);
    }
}
