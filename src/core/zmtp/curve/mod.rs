//! CURVE, ZMTP's encryption (ZeroMQ RFC 25 and 26): both sides prove who they are, and each connection has keys of its
//! own, so that what was recorded cannot be opened with a key that is stolen later.
//!
//! ```text
//!  client                                                                 server
//!    | -- HELLO: transient key C', a box that only the server opens -------> |
//!    | <-- WELCOME: transient key S', a cookie for the client to return ---- |
//!    | -- INITIATE: the cookie, own key C, its vouch for C', metadata -----> |
//!    | <-- READY: metadata -------------------------------------------------- |
//!    | <-- MESSAGE, one for each frame, between C' and S' -----------------> |
//! ```
//!
//! The server keeps neither key in between: they come back in the cookie, which is of this connection alone. The count
//! in a box's nonce is higher than that of the one before, so that none is taken twice.

mod boxes;
mod client;
mod keys;
mod sealed;
mod server;

use core::cell::Cell;
use core::fmt;
use core::mem;
use core::ops::RangeInclusive;

use crypto_box::SalsaBox;
use heapless::Vec;

use crate::bytes::Writer;
use crate::zmtp::command;
use crate::zmtp::error::{Error, Step, Violation};
use crate::zmtp::frame::{self, COMMAND, Header, MORE};
use boxes::{TAG, close, counted, open};
use client::Client;
pub use keys::{KEY, NotAKey, PublicKey, Revealed, SecretKey};
pub use sealed::Sealed;
use server::{Server, Waiting};

/// Random octets that a connection needs.
pub const RANDOM: usize = 96;

/// A command of the handshake; the longest that is written here is INITIATE.
pub(super) type Handshake = Vec<u8, 300>;

const WELCOME: usize = 168;
const COOKIE: usize = 96;

/// The name of a MESSAGE, which precedes the count of its box.
const MESSAGE: &[u8] = b"\x07MESSAGE";

/// Octets that the body of a frame is longer by when it is sealed: name, count, tag, and flags.
pub(super) const SEAL: usize = MESSAGE.len() + 8 + TAG + 1;

/// The flag of a command within a MESSAGE (libzmq; RFC 26 knows only MORE).
const SEALED_COMMAND: u8 = 0b10;

/// The keys of one side of one connection.
pub struct Curve {
    is_server: bool,
    state: State,
    /// Count of the last box that was closed here. Closing is part of a write, which changes nothing else.
    sent: Cell<u64>,
    /// Count of the last box of the peer's.
    received: u64,
}

enum State {
    Client(Client),
    Server(Server),
    Waiting(Waiting),
    /// Of a client until READY has come: [`Curve::shake`] takes that, and the session no MESSAGE before.
    Shared {
        cipher: SalsaBox,
        peer: Option<PublicKey>,
    },
    Failed,
}

/// What a command of the peer's leads to.
pub(super) struct Shaken<'i> {
    /// What to send.
    pub reply: Option<Handshake>,
    /// The peer's metadata, with which the handshake is done.
    pub metadata: Option<&'i [u8]>,
}

impl Curve {
    /// A client with the key `own`, of a server with the key `server`. `random` is from a generator that is fit for
    /// keys, and fresh for each connection; it is wiped.
    pub fn client(own: &SecretKey, server: PublicKey, random: &mut [u8; RANDOM]) -> Self {
        Self::new(false, State::Client(Client::new(own.clone(), server, random)))
    }

    /// A server with the key `own`; `random` as in [`Curve::client`]. It takes every client: which one it is,
    /// [`Session::client`](super::Session::client) tells once that is proven.
    pub fn server(own: &SecretKey, random: &mut [u8; RANDOM]) -> Self {
        Self::new(true, State::Server(Server::new(own.clone(), random)))
    }

    const fn new(is_server: bool, state: State) -> Self {
        Self { is_server, state, sent: Cell::new(0), received: 0 }
    }

    pub(super) const fn is_server(&self) -> bool {
        self.is_server
    }

    /// To a server: the client's own key, once it is proven.
    pub(super) const fn peer(&self) -> Option<PublicKey> {
        match self.state {
            State::Shared { peer, .. } => peer,
            _ => None,
        }
    }

    /// What a client begins with.
    pub(super) fn hello(&self) -> Option<Handshake> {
        match &self.state {
            State::Client(client) => Some(client.hello(self.count())),
            _ => None,
        }
    }

    /// Takes a command of the handshake, whose boxes are opened where they are. `metadata` are ours.
    pub(super) fn shake<'i>(&mut self, body: &'i mut [u8], metadata: &[u8]) -> Result<Shaken<'i>, Error> {
        match mem::replace(&mut self.state, State::Failed) {
            State::Client(client) => {
                let (initiate, cipher) = client.initiate(body, self.count(), metadata)?;
                self.state = State::Shared { cipher, peer: None };
                Ok(Shaken { reply: Some(initiate), metadata: None })
            }
            State::Server(server) => {
                let (welcome, waiting, count) = server.welcome(body)?;
                (self.received, self.state) = (count, State::Waiting(waiting));
                Ok(Shaken { reply: Some(welcome), metadata: None })
            }
            State::Waiting(waiting) => {
                let met = waiting.meet(body, self.received)?;
                let count = self.count();
                let mut sealed: Handshake = join(&[&[0; TAG], metadata]);
                close(&met.cipher, &counted(b"CurveZMQREADY---", count), &mut sealed);
                let ready = join(&[b"\x05READY", &count.to_be_bytes(), &sealed]);
                self.received = met.count;
                self.state = State::Shared { cipher: met.cipher, peer: Some(met.peer) };
                Ok(Shaken { reply: Some(ready), metadata: Some(met.metadata) })
            }
            State::Shared { cipher, peer } => {
                let mut rest = command(body, b"\x05READY", 14 + TAG..=command::LONGEST)?;
                self.received = newer(take(&mut rest)?, self.received)?;
                let nonce = counted(b"CurveZMQREADY---", self.received);
                let metadata = open(&cipher, &nonce, rest).ok_or(Error::Unopened(Sealed::Ready))?;
                self.state = State::Shared { cipher, peer };
                Ok(Shaken { reply: None, metadata: Some(metadata) })
            }
            // A session that has failed asks no more.
            State::Failed => Err(Violation::Command.into()),
        }
    }

    /// Opens a MESSAGE where it is: the frame in it.
    pub(super) fn open<'i>(
        &mut self,
        outer: Header,
        body: &'i mut [u8],
    ) -> Result<(Header, &'i [u8]), Error> {
        let State::Shared { cipher, .. } = &self.state else { return Err(Violation::Clear.into()) };
        // A command by RFC 26, no command by libzmq.
        if outer.more || !body.starts_with(MESSAGE) {
            return Err(Violation::Clear.into());
        }
        let mut rest = command(body, MESSAGE, SEAL..=usize::MAX)?;
        self.received = newer(take(&mut rest)?, self.received)?;
        let nonce = counted(nonce_of_messages(!self.is_server), self.received);
        let mut inner = open(cipher, &nonce, rest).ok_or(Error::Unopened(Sealed::Message))?;
        let [flags] = *take(&mut inner)?;
        let (more, command) = (flags & MORE != 0, flags & SEALED_COMMAND != 0);
        if flags & !(MORE | SEALED_COMMAND) != 0 || more && command {
            return Err(Violation::Flags(flags).into());
        }
        Ok((Header { more, command, size: inner.len() as u64, octets: 0 }, inner))
    }

    /// Writes a frame as a MESSAGE; `flags` are those of the frame in clear.
    pub(super) fn put_frame(&self, w: &mut Writer<'_>, flags: u8, body: &[u8]) {
        let State::Shared { cipher, .. } = &self.state else { return };
        let count = self.count();
        frame::put_header(w, 0, SEAL + body.len());
        w.bytes(MESSAGE);
        w.u64(count);
        let at = w.len();
        w.bytes(&[0; TAG]);
        w.u8(flags & MORE | if flags & COMMAND != 0 { SEALED_COMMAND } else { 0 });
        w.bytes(body);
        if let Some(sealed) = w.written_from(at) {
            close(cipher, &counted(nonce_of_messages(self.is_server), count), sealed);
        }
    }

    /// The count of the next box. Some may be left out.
    fn count(&self) -> u64 {
        self.sent.set(self.sent.get() + 1);
        self.sent.get()
    }
}

/// Tells nothing of the keys.
impl fmt::Debug for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Curve").field("is_server", &self.is_server).finish_non_exhaustive()
    }
}

const fn nonce_of_messages(of_server: bool) -> &'static [u8; 16] {
    if of_server { b"CurveZMQMESSAGES" } else { b"CurveZMQMESSAGEC" }
}

/// What follows the name of a command of so many octets.
fn command<'b>(
    body: &'b mut [u8],
    name: &[u8],
    octets: RangeInclusive<usize>,
) -> Result<&'b mut [u8], Error> {
    if !body.starts_with(name) {
        // HELLO comes from a client, and so to one.
        let is_hello = body.starts_with(b"\x05HELLO");
        return Err(if is_hello { Error::Roles } else { Violation::Unexpected(Step::Handshake).into() });
    }
    if !octets.contains(&body.len()) {
        return Err(Violation::Command.into());
    }
    Ok(body.get_mut(name.len()..).unwrap_or_default())
}

/// The next `N` octets, which stay where they are.
fn take<'b, const N: usize>(rest: &mut &'b mut [u8]) -> Result<&'b mut [u8; N], Violation> {
    let (head, tail) = mem::take(rest).split_first_chunk_mut().ok_or(Violation::Command)?;
    *rest = tail;
    Ok(head)
}

/// The count of a box, which is higher than that of the `last` one.
fn newer(count: &[u8; 8], last: u64) -> Result<u64, Violation> {
    Some(u64::from_be_bytes(*count)).filter(|count| *count > last).ok_or(Violation::Replayed)
}

/// All the parts, which fit.
fn join(parts: &[&[u8]]) -> Handshake {
    let mut joined = Handshake::new();
    for part in parts {
        let _ = joined.extend_from_slice(part);
    }
    joined
}
