//! A connection until its handshake is over.

use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};

use crate::net::tls::Buffers;
use crate::net::tls::buffer::Buffer;
use crate::net::tls::config::Config;
use crate::net::tls::fault::{self, Fault};
use crate::net::tls::keys::Secrets;
use crate::net::tls::record;
use crate::net::tls::session::Session;

/// A connection until its handshake is over.
pub struct Handshake<'b> {
    incoming: Buffer<'b>,
    outgoing: Buffer<'b>,
    connection: UnbufferedClientConnection,
    secrets: Arc<Secrets>,
    /// Octets that rustls has been given, and may still need. It gets record by record, so that it opens none behind
    /// the handshake.
    given: usize,
    /// The first octets of the peer's have been looked at, and may be a record of TLS.
    is_tls: bool,
}

/// What a handshake waits for, after what is outgoing was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Room: the rest follows what is outgoing.
    Send,
    /// Octets of the peer's.
    Receive,
    /// Nothing: it is over.
    Finish,
}

impl<'b> Handshake<'b> {
    /// A handshake with a server whose certificate has to be for `name`: a DNS name or an address.
    ///
    /// # Errors
    /// Where the name cannot be one, or there is no randomness to be had.
    pub fn new(config: Config, name: &str, buffers: &'b mut Buffers) -> Result<Self, Fault> {
        // RFC 4007 §11: no certificate has the zone of an address.
        let bare = name.split('%').next().unwrap_or_default();
        let server = ServerName::try_from(bare.to_owned()).map_err(|_| fault::unnameable(name))?;
        Ok(Self {
            incoming: Buffer::new(&mut buffers.incoming),
            outgoing: Buffer::new(&mut buffers.outgoing),
            connection: UnbufferedClientConnection::new(config.client, server)
                .map_err(|error| fault::of(&error))?,
            secrets: config.secrets,
            given: 0,
            is_tls: false,
        })
    }

    /// Where to put octets from the transport.
    pub fn recv_space(&mut self) -> &mut [u8] {
        self.incoming.room()
    }

    /// So many octets were put there.
    pub fn received(&mut self, n: usize) {
        self.incoming.add(n);
    }

    /// The transport has come to its end: why that is.
    pub fn disconnected(&self) -> Fault {
        match self.is_tls {
            true => fault::cut_off(),
            false => fault::not_tls(self.incoming.waiting()),
        }
    }

    /// Octets that wait for the transport.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.waiting()
    }

    /// The transport has taken the first `n` of them.
    pub fn sent(&mut self, n: usize) {
        self.outgoing.take(n);
    }

    /// Goes on with what has been received.
    ///
    /// # Errors
    /// Why there is no connection. An alert for the peer then waits.
    pub fn advance(&mut self) -> Result<Step, Fault> {
        if !self.is_tls {
            match self.incoming.waiting().first_chunk() {
                // An alert or a handshake, of SSL 3 or later.
                Some([0x15 | 0x16, 3, _, _]) => self.is_tls = true,
                Some(_) => return Err(fault::not_tls(self.incoming.waiting())),
                None if !self.incoming.is_empty() => return Ok(Step::Receive),
                // Nothing has come yet: ours is the first word.
                None => {}
            }
        }
        loop {
            let given = self.incoming.waiting_mut().get_mut(..self.given).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(given);
            let step = match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => match data.encode(self.outgoing.room()) {
                    Ok(n) => {
                        self.outgoing.add(n);
                        None
                    }
                    Err(EncodeError::InsufficientSize(_)) if !self.outgoing.is_empty() => Some(Step::Send),
                    Err(_) => return Err(fault::too_long("our certificates are")),
                },
                // They are sent before anything else is.
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Step::Receive),
                Ok(ConnectionState::WriteTraffic(_)) => Some(Step::Finish),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => return Err(fault::cut_off()),
                Ok(_) => return Err(fault::too_early()),
                Err(error) => {
                    self.discard(discard);
                    self.take_alert();
                    return Err(fault::of(&error));
                }
            };
            self.discard(discard);
            match step {
                Some(Step::Receive) if self.give() => {}
                Some(Step::Receive) if self.incoming.room().is_empty() => {
                    return Err(fault::too_long("the broker's certificates are"));
                }
                Some(step) => return Ok(step),
                None => {}
            }
        }
    }

    /// The session, after [`Step::Finish`].
    ///
    /// # Errors
    /// Where the handshake is not over.
    pub fn finish(self) -> Result<Session<'b>, Fault> {
        Session::new(self.incoming, self.outgoing, self.connection, self.secrets.take())
            .map_err(|error| fault::of(&error))
    }

    /// Gives rustls another record, if there is one. What can be none is for rustls to refuse.
    fn give(&mut self) -> bool {
        let rest = self.incoming.waiting().get(self.given..).unwrap_or_default();
        let more = match record::whole(rest) {
            Ok(length) => length.unwrap_or(0),
            Err(_) => rest.len(),
        };
        self.given += more;
        more > 0
    }

    /// Rustls needs the first `n` octets no more.
    fn discard(&mut self, n: usize) {
        self.incoming.take(n);
        self.given = self.given.saturating_sub(n);
    }

    /// Takes the alert that rustls has after an error, if it has one. It is asked once, since it would look at the
    /// octets again, and gets those that it may still refer to: otherwise it would panic.
    fn take_alert(&mut self) {
        let given = self.incoming.waiting_mut().get_mut(..self.given).unwrap_or_default();
        if let Ok(ConnectionState::EncodeTlsData(mut data)) = self.connection.process_tls_records(given).state
            && let Ok(n) = data.encode(self.outgoing.room())
        {
            self.outgoing.add(n);
        }
    }
}
