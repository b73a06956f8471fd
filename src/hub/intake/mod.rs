//! Where reports come from. An intake knows the fleet's door, [`Take`], and nothing of who looks at the fleet.
//!
//! | where | what |
//! |---|---|
//! | [`amqp`] | boards that connect to the hub as if it were a broker |
//! | [`chasar`] | chasar's client nodes, whose messages the relay publishes, too |
//! | [`own`] | the machine that the hub runs on |

pub mod amqp;
pub mod chasar;
pub mod own;

use crate::fleet::Heard;

/// Takes a report into the fleet. False where it was refused.
pub type Take = dyn Fn(&Heard) -> bool;
