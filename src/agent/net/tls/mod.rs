//! TLS 1.2 and 1.3 (RFC 5246, RFC 8446), as state machines without I/O.
//!
//! ```text
//! config (certificate, key: read anew) -> Handshake (rustls, Verifier) -> Session (Cipher, Secret) -> plain octets
//!                                              |                            |
//!                                              +---------> Fault <----------+
//! ```
//!
//! rustls shakes hands, and hands its keys over as it would to the kernel. From there on the records are sealed and
//! opened here: rustls 0.23 allocates for each, and 0.24, which does not, has yet to be released. Sessions are not
//! resumed: a board connects once in a long time. [`Secured`] drives both over a socket.

mod buffer;
mod config;
mod fault;
mod handshake;
mod keys;
pub mod record;
mod secured;
mod session;
mod verifier;

pub use config::{Config, config};
pub use fault::Fault;
pub use handshake::{Handshake, Step};
pub use secured::Secured;
pub use session::Session;

/// Octets for the broker that are sealed and wait for the transport. One write carries so many.
const OUTGOING: usize = 8192;

/// The memory of a session, which serves one connection after another.
#[derive(Default)]
pub struct Buffers {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Buffers {
    /// Makes room, once, where TLS is wanted.
    pub fn prepare(&mut self) {
        self.incoming.resize(record::LONGEST, 0);
        self.outgoing.resize(OUTGOING, 0);
    }
}
