//! A machine and its files, for the programs that report of it: [`machine`] opens what the kernel says,
//! [`figures`] are made of that, [`sampler`] makes reports of figures and [`chasar`] messages. [`conf`] reads
//! psistats.conf, [`output`] writes lines to whoever may not read them.
//!
//! After the start nothing is allocated. There is no executor in here.
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
pub mod conf;
#[forbid(unsafe_code)]
pub mod output;
pub mod machine;
#[forbid(unsafe_code)]
pub mod figures;
#[forbid(unsafe_code)]
pub mod sampler;
#[forbid(unsafe_code)]
pub mod chasar;
