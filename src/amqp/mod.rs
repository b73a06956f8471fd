//! AMQP 0-9-1, as much of it as a publisher needs.
