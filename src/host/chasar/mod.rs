//! The messages of chasar's client node.

mod clock;
pub mod collector;
mod interface;
