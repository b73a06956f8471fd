//! chasar's client node.

pub mod cli;
mod clock;
pub mod collector;
mod interface;
pub mod node;
