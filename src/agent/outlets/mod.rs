//! Where reports and messages go.

pub mod advice;
pub mod amqp;
pub mod chasar;
