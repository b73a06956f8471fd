//! Where reports come from. An intake knows the [`Door`], and nothing of who looks at the fleet.
//!
//! | where | what |
//! |---|---|
//! | [`door`] | what they all hand their reports to |
//! | [`amqp`] | boards that connect to the hub as if it were a broker |
//! | [`rabbitmq`] | a queue of a RabbitMQ that boards publish to |
//! | [`batch`] | messages of several reports, of either |
//! | [`chasar`] | chasar's client nodes, whose messages the relay publishes, too |
//! | [`users`] | who may publish, and as which boards |
//! | [`own`] | the machine that the hub runs on |

pub mod amqp;
mod batch;
pub mod chasar;
pub mod door;
pub mod own;
pub mod rabbitmq;
pub mod users;

pub use door::Door;
