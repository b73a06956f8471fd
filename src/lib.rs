//! Health reports from small boards, in fixed memory.
//!
//! The map, in the order in which data flows; a module uses only what stands above it.
//!
//! The core is `no_std`, allocates nothing, does no I/O and reads no clock:
#![cfg_attr(not(any(feature = "std", test)), no_std)]
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

#[forbid(unsafe_code)]
pub mod limits;
#[forbid(unsafe_code)]
pub mod time;
#[forbid(unsafe_code)]
pub mod bytes;
#[forbid(unsafe_code)]
pub mod json;
#[forbid(unsafe_code)]
pub mod link;
#[forbid(unsafe_code)]
pub mod sample;
#[forbid(unsafe_code)]
pub mod report;
#[forbid(unsafe_code)]
pub mod outbox;
#[forbid(unsafe_code)]
pub mod amqp;
#[forbid(unsafe_code)]
pub mod zmtp;
// With std:
#[cfg(feature = "std")]
#[forbid(unsafe_code)]
pub mod config;
// With std and system calls:
#[cfg(any(feature = "agent", feature = "hub"))]
#[forbid(unsafe_code)]
pub mod output;
#[cfg(feature = "agent")]
pub mod agent;
#[cfg(feature = "hub")]
#[forbid(unsafe_code)]
pub mod hub;
