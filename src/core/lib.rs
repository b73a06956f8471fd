//! An AMQP 0-9-1 publisher, ZMTP 3 (ZeroMQ's protocol), parsers of Linux's `/proc` and `/sys`, and JSON reports made
//! of them, for programs without an operating system, an allocator or threads.
//!
//! `no_std`, no allocation, no I/O, no clock, no `unsafe`, no features to choose from: octets and the time come in
//! as arguments, octets and the next deadline go out. The caller owns every buffer. Nothing that a peer or a kernel
//! says makes it panic, loop, or take more memory.
//!
//! Each part is of use without the others. In the order in which one reads them, and data flows:
//!
//! | module | what it does | example |
//! |---|---|---|
//! | [`kernel`] | text of `/proc` and `/sys` to counters: one module a file, each with a `parse` | `report.rs` |
//! | [`report`] | counters to figures, figures to JSON | `report.rs` |
//! | [`outbox`] | a ring of reports that nobody has confirmed yet | `amqp.rs` |
//! | [`spool`] | a copy of it in a file, which survives a kill and a power cut | |
//! | [`link`] | **how to drive a connection**: the one shape of both protocols | `amqp.rs`, `zmtp.rs` |
//! | [`amqp`] | a publisher with confirms; [`amqp::delivery`] empties an outbox through it; [`amqp::server`] is the end that publishers connect to | `amqp.rs` |
//! | [`zmtp`] | PUB and SUB, and a publisher in fixed memory | `zmtp.rs` |
//! | [`limits`] | sizes of buffers and of what is measured, each with its reason | |
//! | [`time`] | instants, periodic deadlines, backoff | |
//! | [`bytes`] | a checked reader and writer, which the codecs are made of | |
//! | [`json`] | whether a text is JSON | |
//!
//! The examples are complete programs in the crate's folder `examples/`; the tests run them against RabbitMQ and
//! libzmq.
//!
//! Not here: sockets, TLS (it stands between a socket and a link), a consumer of AMQP, other patterns of ZeroMQ than
//! PUB and SUB. Why a connection ended is in its error; what to do about it, only its owner knows.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation
    )
)]
#![forbid(unsafe_code)]

pub mod limits;
pub mod time;
pub mod bytes;
pub mod json;
pub mod kernel;
pub mod report;
pub mod outbox;
pub mod spool;
pub mod link;
pub mod amqp;
pub mod zmtp;
