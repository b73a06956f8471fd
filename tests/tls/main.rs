//! TLS: the session against rustls in memory, and the agent against openssl's server and RabbitMQ.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod openssl;
mod oracle;
mod rabbitmq;
mod records;
mod settings;
