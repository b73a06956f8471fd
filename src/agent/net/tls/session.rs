//! A connection whose handshake is over: plain octets to records, and back.

use rustls::client::UnbufferedClientConnection;
use rustls::{AlertDescription, ContentType, ProtocolVersion, SupportedCipherSuite};

use crate::net::tls::buffer::Buffer;
use crate::net::tls::fault::{self, Fault};
use crate::net::tls::keys::Secret;
use crate::net::tls::record::{self, Cipher, OVERHEAD, PLAINTEXT};

/// Octets that data leaves free in the buffer, so that a KeyUpdate and an alert always have room.
const RESERVE: usize = 2 * (OVERHEAD + KEY_UPDATE.len());

/// KeyUpdate, which asks for none in return (RFC 8446 §4.6.3).
const KEY_UPDATE: [u8; 5] = [KEY_UPDATE_TYPE, 0, 0, 1, 0];
const KEY_UPDATE_TYPE: u8 = 24;
const NEW_SESSION_TICKET: u8 = 4;

/// Level of an alert that ends the connection (RFC 5246 §7.2), or says nothing in TLS 1.3 (§6).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// A connection whose handshake is over.
pub struct Session<'b> {
    incoming: Buffer<'b>,
    outgoing: Buffer<'b>,
    sealing: Cipher,
    opening: Cipher,
    version: ProtocolVersion,
    /// What the next keys come from; none with TLS 1.2.
    ours: Option<Secret>,
    theirs: Option<Secret>,
    /// Records that one key may seal: more would give AES-GCM away.
    limit: u64,
    /// What of the first record is plain, and was not read yet.
    plain: usize,
    /// The rest of that record, which is none of it.
    behind: usize,
    messages: Messages,
    /// The peer has asked for a KeyUpdate of ours.
    is_asked: bool,
    /// The peer has said that there is no more: close_notify.
    is_over: bool,
}

impl<'b> Session<'b> {
    /// Takes over from rustls, with what has come in since the handshake. None where there are no keys for it.
    pub(super) fn new(
        incoming: Buffer<'b>,
        outgoing: Buffer<'b>,
        connection: UnbufferedClientConnection,
        [ours, theirs]: [Option<Secret>; 2],
    ) -> Result<Self, rustls::Error> {
        let (secrets, connection) = connection.dangerous_into_kernel_connection()?;
        let version = connection.protocol_version();
        let cipher = |secrets| Cipher::new(version, secrets).ok_or(rustls::Error::EncryptError);
        let suite = match connection.negotiated_cipher_suite() {
            SupportedCipherSuite::Tls12(suite) => &suite.common,
            SupportedCipherSuite::Tls13(suite) => &suite.common,
        };
        Ok(Self {
            incoming,
            outgoing,
            sealing: cipher(secrets.tx)?,
            opening: cipher(secrets.rx)?,
            limit: suite.confidentiality_limit,
            version,
            ours,
            theirs,
            plain: 0,
            behind: 0,
            messages: Messages::default(),
            is_asked: false,
            is_over: false,
        })
    }

    /// Where to put octets from the transport. Never empty while [`Session::is_readable`] is false.
    pub fn recv_space(&mut self) -> &mut [u8] {
        self.incoming.room()
    }

    /// So many octets were put there.
    pub fn received(&mut self, n: usize) {
        self.incoming.add(n);
    }

    /// Octets that wait for the transport.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.waiting()
    }

    /// The transport has taken the first `n` of them.
    pub fn sent(&mut self, n: usize) {
        self.outgoing.take(n);
    }

    /// TLS 1.2 or 1.3.
    pub fn version(&self) -> ProtocolVersion {
        self.version
    }

    /// Whether the peer has ended the connection as it should. Where it has not, the end may be an attacker's.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether [`Session::read`] has something to tell.
    pub fn is_readable(&self) -> bool {
        self.plain > 0 || self.is_over || !matches!(record::whole(self.incoming.waiting()), Ok(None))
    }

    /// Reads plain octets of what has been received: how many. None where more has to be received first; zero after
    /// the end ([`Session::is_over`]).
    ///
    /// # Errors
    /// Why the connection has come to its end. An alert for the peer then waits.
    pub fn read(&mut self, to: &mut [u8]) -> Result<Option<usize>, Fault> {
        loop {
            if self.plain > 0 {
                return Ok(Some(self.copy(to)));
            }
            if self.is_over {
                return Ok(Some(0));
            }
            match self.open() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(fault) => return Err(self.fail(fault)),
            }
        }
    }

    /// Seals as much of `content` as there is room for: how much.
    ///
    /// # Errors
    /// Where another connection is needed: TLS 1.2 has no other keys for this one.
    pub fn write(&mut self, content: &[u8]) -> Result<usize, Fault> {
        self.answer()?;
        let mut written = 0;
        while let Some(rest) = content.get(written..).filter(|rest| !rest.is_empty()) {
            let room = self.outgoing.room().len().saturating_sub(RESERVE + OVERHEAD + 1);
            let Some(part) = rest.get(..rest.len().min(room).min(PLAINTEXT)).filter(|part| !part.is_empty())
            else {
                break;
            };
            if self.sealing.records() >= self.limit {
                self.refresh()?;
            }
            self.seal(ContentType::ApplicationData, part)?;
            written += part.len();
        }
        Ok(written)
    }

    /// Says that nothing more is sent (close_notify).
    pub fn close(&mut self) {
        self.alert(WARNING, AlertDescription::CloseNotify);
    }

    fn copy(&mut self, to: &mut [u8]) -> usize {
        let n = self.plain.min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..n), self.incoming.waiting().get(..n)) {
            to.copy_from_slice(from);
        }
        self.incoming.take(n);
        self.plain -= n;
        if self.plain == 0 {
            self.incoming.take(std::mem::take(&mut self.behind));
        }
        n
    }

    /// Opens the first record that was received. False where there is none.
    fn open(&mut self) -> Result<bool, Problem> {
        let version = self.version();
        let Some(length) = record::whole(self.incoming.waiting())? else { return Ok(false) };
        let record = self.incoming.waiting_mut().get_mut(..length).unwrap_or_default();
        let (kind, content) = self.opening.open(record)?;
        let octets = record.get(content.clone()).unwrap_or_default();
        match kind {
            ContentType::ApplicationData if self.messages.is_between() => {
                self.incoming.take(content.start);
                (self.plain, self.behind) = (content.len(), length - content.end);
                if self.plain == 0 {
                    self.incoming.take(std::mem::take(&mut self.behind));
                }
                return Ok(true);
            }
            ContentType::Alert if self.messages.is_between() => self.is_over = is_end(octets, version)?,
            ContentType::Handshake if !octets.is_empty() => {
                if let Some(is_asked) = self.messages.read(octets, version)? {
                    let changed = self.theirs.as_mut().and_then(|secret| self.opening.change(secret));
                    changed.ok_or(AlertDescription::InternalError)?;
                    self.is_asked |= is_asked;
                    self.answer().map_err(Problem::Fault)?;
                }
            }
            _ => return Err(AlertDescription::UnexpectedMessage.into()),
        }
        self.incoming.take(length);
        Ok(true)
    }

    /// Answers a KeyUpdate, one for all that came while there was no room (RFC 8446 §4.6.3).
    fn answer(&mut self) -> Result<(), Fault> {
        if self.is_asked && self.outgoing.room().len() >= RESERVE {
            self.refresh()?;
            self.is_asked = false;
        }
        Ok(())
    }

    /// Has what is sealed from now on be sealed by another key. The peer is told (RFC 8446 §4.6.3).
    ///
    /// # Errors
    /// Where there is none: TLS 1.2 has one for all of a connection.
    pub fn refresh(&mut self) -> Result<(), Fault> {
        if self.ours.is_none() {
            return Err(fault::used_up(self.limit));
        }
        self.seal(ContentType::Handshake, &KEY_UPDATE)?;
        let changed = self.ours.as_mut().and_then(|secret| self.sealing.change(secret));
        changed.ok_or_else(fault::unsealed)
    }

    fn seal(&mut self, kind: ContentType, content: &[u8]) -> Result<(), Fault> {
        let length = self.sealing.seal(kind, content, self.outgoing.room()).ok_or_else(fault::unsealed)?;
        self.outgoing.add(length);
        Ok(())
    }

    /// The last words, for which there is room; where there is none, the peer does without.
    fn alert(&mut self, level: u8, alert: AlertDescription) {
        let _ = self.seal(ContentType::Alert, &[level, alert.into()]);
    }

    fn fail(&mut self, problem: Problem) -> Fault {
        match problem {
            Problem::Ours(alert) => {
                self.alert(FATAL, alert);
                fault::violation(alert)
            }
            Problem::Theirs(alert) => fault::alert(alert),
            Problem::Fault(fault) => fault,
        }
    }
}

/// Why no more can be read.
enum Problem {
    /// What the peer is to be told.
    Ours(AlertDescription),
    /// What the peer has told.
    Theirs(AlertDescription),
    Fault(Fault),
}

impl From<AlertDescription> for Problem {
    fn from(alert: AlertDescription) -> Self {
        Self::Ours(alert)
    }
}

/// Whether an alert is the orderly end, and none that says nothing.
fn is_end(octets: &[u8], version: ProtocolVersion) -> Result<bool, Problem> {
    let &[level, alert] = octets else { return Err(AlertDescription::DecodeError.into()) };
    match AlertDescription::from(alert) {
        AlertDescription::CloseNotify => Ok(true),
        // RFC 8446 §6: every other alert but this one is fatal, whatever its level.
        AlertDescription::UserCanceled => Ok(false),
        _ if version == ProtocolVersion::TLSv1_2 && level == WARNING => Ok(false),
        alert => Err(Problem::Theirs(alert)),
    }
}

/// Reads the messages that come after a handshake, in however many pieces.
#[derive(Default)]
struct Messages {
    /// The first octets of a message.
    head: heapless::Vec<u8, { KEY_UPDATE.len() }>,
    /// Octets of a message that is of no use, and still to come.
    skip: u32,
}

impl Messages {
    /// Whether no message is unfinished: nothing else may come within one (RFC 8446 §5.1).
    fn is_between(&self) -> bool {
        self.head.is_empty() && self.skip == 0
    }

    /// Reads the content of a record. Whether the peer's next one has other keys, and then whether ours should have.
    fn read(&mut self, octets: &[u8], version: ProtocolVersion) -> Result<Option<bool>, AlertDescription> {
        let mut octets = octets.iter();
        while let Some(octet) = octets.next() {
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.head.push(*octet).map_err(|_| AlertDescription::InternalError)?;
            match (version, self.head.as_slice()) {
                (ProtocolVersion::TLSv1_3, [NEW_SESSION_TICKET, a, b, c]) => {
                    self.skip = u32::from_be_bytes([0, *a, *b, *c]);
                    self.head.clear();
                }
                // RFC 8446 §5.1: another key is for another record.
                (ProtocolVersion::TLSv1_3, [KEY_UPDATE_TYPE, 0, 0, 1, asks])
                    if octets.as_slice().is_empty() =>
                {
                    let asks = match asks {
                        0 => false,
                        1 => true,
                        _ => return Err(AlertDescription::IllegalParameter),
                    };
                    self.head.clear();
                    return Ok(Some(asks));
                }
                (ProtocolVersion::TLSv1_3, [KEY_UPDATE_TYPE, 0, 0, 1]) => {}
                // HelloRequest: RFC 5246 §7.4.1.1 lets a client pass over it.
                (ProtocolVersion::TLSv1_2, [0, 0, 0, 0]) => self.head.clear(),
                (_, [_] | [_, _] | [_, _, _]) => {}
                _ => return Err(AlertDescription::UnexpectedMessage),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion, version};

    use crate::net::tls::{Buffers, Handshake, Step, config};
    use psistats_host::conf::tls::Tls;

    /// Seals records of which a key may seal four, and gives all to rustls. How many there were before an error.
    fn seal(version: &'static SupportedProtocolVersion) -> (usize, Option<String>) {
        let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
        let chain = vec![CertificateDer::from_pem_file(file("ecdsa.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(file("ecdsa.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        let client = config(&Tls { ca: Some(file("ca.pem")), ..Tls::default() }).unwrap();
        let mut buffers = Buffers::default();
        buffers.prepare();
        let mut client = Handshake::new(client, "localhost", &mut buffers).unwrap();
        loop {
            let step = client.advance().unwrap();
            give(&mut server, client.outgoing());
            client.sent(client.outgoing().len());
            if step == Step::Finish {
                break;
            }
            let n = server.write_tls(&mut client.recv_space()).unwrap();
            client.received(n);
        }
        let mut session = client.finish().unwrap();
        session.limit = session.sealing.records() + 4;
        for sealed in 0..20 {
            let written = session.write(b"report");
            // What is sealed is read by whoever follows the keys.
            give(&mut server, session.outgoing());
            session.sent(session.outgoing().len());
            if let Err(fault) = written {
                return (sealed, Some(fault.text));
            }
        }
        (20, None)
    }

    fn give(server: &mut ServerConnection, mut octets: &[u8]) {
        while !octets.is_empty() {
            server.read_tls(&mut octets).unwrap();
            server.process_new_packets().unwrap();
        }
    }

    #[test]
    fn a_key_seals_as_many_records_as_it_may_and_is_changed_or_the_connection_is() {
        assert_eq!(seal(&version::TLS13), (20, None));
        let (sealed, fault) = seal(&version::TLS12);
        assert_eq!(sealed, 4);
        assert!(fault.unwrap().contains("the TLS key is used up"));
    }
}
