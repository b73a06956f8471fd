//! Sockets on one thread: what can be waited for, how a connection comes about, and when it is tried again.

pub mod aside;
pub mod attempts;
pub mod channel;
pub mod connect;
pub mod reactor;
pub mod resolve;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
pub mod tls;
pub mod wire;
