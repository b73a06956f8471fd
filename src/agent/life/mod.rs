//! The program's life from start to stop: in the foreground, in the background, and under a service manager.

pub mod connection;
pub mod context;
pub mod notify;
pub mod pidfile;
pub mod reload;
pub mod run;
pub mod service;
pub mod signals;
pub mod status;
pub mod ticker;
