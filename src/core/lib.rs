//! The health of a small board, as protocols and text: what the kernel says becomes figures, figures become
//! JSON, JSON becomes messages of AMQP 0-9-1 or ZMTP 3.
//!
//! `no_std`, no allocation, no I/O, no clock, no unsafe: bytes and the time come in as arguments, bytes and
//! the next deadline go out. The caller owns every buffer; [`limits`] says how large each has to be.
//!
//! The map, in the order in which data flows:
//!
//! | module | what it does |
//! |---|---|
//! | [`kernel`] | text of `/proc` and `/sys` to counters |
//! | [`report`] | counters to figures, figures to JSON |
//! | [`outbox`] | a ring of reports that nobody has confirmed yet |
//! | [`link`] | the one shape of every end of a connection |
//! | [`amqp`], [`zmtp`] | ends of such connections |
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
pub mod link;
pub mod amqp;
pub mod zmtp;
