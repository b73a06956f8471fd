//! Where reports and messages go.

pub mod amqp;
pub mod chasar;
