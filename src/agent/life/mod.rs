//! The life of the program: from a start to a stop, in the foreground, in the background, and by a service manager.

pub mod context;
pub mod notify;
pub mod pidfile;
pub mod run;
pub mod service;
pub mod status;
pub mod ticker;
