//! A server of rustls in memory, and the session under test at the other end.

use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use psistats::net::tls::{Buffers, Fault, Handshake, Session, Step, config};
use psistats_host::conf::tls::Tls;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ServerConfig, ServerConnection, SupportedCipherSuite};

/// Every suite of both versions.
pub fn suites() -> Vec<SupportedCipherSuite> {
    let suites = ring::ALL_CIPHER_SUITES.to_vec();
    assert_eq!(suites.len(), 9);
    suites
}

/// A server that has this one suite.
pub fn server(suite: SupportedCipherSuite) -> ServerConnection {
    let is_rsa = suite.suite().as_str().unwrap().contains("RSA");
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
    let (cert, key) = if is_rsa { ("rsa.pem", "rsa.key") } else { ("ecdsa.pem", "ecdsa.key") };
    let chain = CertificateDer::pem_file_iter(file(cert)).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(file(key)).unwrap();
    let provider = rustls::crypto::CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[suite.version()])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.enable_secret_extraction = true;
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// A session with that server, after the handshake. What the server has said since is not read yet.
pub fn connect<'b>(server: &mut ServerConnection, buffers: &'b mut Buffers) -> Session<'b> {
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/ca.pem");
    let config = config(&Tls { ca: Some(ca), ..Tls::default() }).unwrap();
    buffers.prepare();
    let mut client = Handshake::new(config, "localhost", buffers).unwrap();
    loop {
        let step = client.advance().unwrap();
        server_takes(server, client.outgoing()).unwrap();
        client.sent(client.outgoing().len());
        if step == Step::Finish {
            assert!(!server.is_handshaking());
            return client.finish().unwrap();
        }
        // In small pieces.
        for piece in server_says(server).chunks(100) {
            client.recv_space()[..piece.len()].copy_from_slice(piece);
            client.received(piece.len());
            if client.advance().unwrap() != Step::Receive {
                continue;
            }
        }
    }
}

/// What the server has for its peer.
pub fn server_says(server: &mut ServerConnection) -> Vec<u8> {
    let mut said = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut said).unwrap();
    }
    said
}

/// Gives the server what its peer has said. What of that is data.
pub fn server_takes(server: &mut ServerConnection, octets: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let (mut octets, mut read) = (Cursor::new(octets), Vec::new());
    while (octets.position() as usize) < octets.get_ref().len() {
        server.read_tls(&mut octets).unwrap();
        server.process_new_packets()?;
        // Ends with WouldBlock.
        let _ = server.reader().read_to_end(&mut read);
    }
    Ok(read)
}

/// Has the server seal `content` as one record or more.
pub fn server_seals(server: &mut ServerConnection, content: &[u8]) -> Vec<u8> {
    server.writer().write_all(content).unwrap();
    server_says(server)
}

/// Gives `octets` to the session in pieces of these lengths, over and over, and reads what comes out, with room for
/// `room` octets at a time.
pub fn session_reads(
    session: &mut Session<'_>,
    mut octets: &[u8],
    pieces: &[usize],
    room: usize,
) -> Result<Vec<u8>, Fault> {
    let (mut read, mut to) = (Vec::new(), vec![0; room]);
    for piece in pieces.iter().cycle() {
        let space = session.recv_space();
        let n = (*piece).min(octets.len()).min(space.len());
        space[..n].copy_from_slice(&octets[..n]);
        session.received(n);
        octets = &octets[n..];
        while let Some(n) = session.read(&mut to)? {
            read.extend_from_slice(&to[..n]);
            if session.is_over() {
                return Ok(read);
            }
        }
        if octets.is_empty() {
            break;
        }
        assert!(n > 0 || !session.recv_space().is_empty(), "there is always room for the rest of a record");
    }
    assert!(!session.is_readable());
    Ok(read)
}

/// Has the session seal all of `content`, and gives it to the server. What it reads.
pub fn session_says(session: &mut Session<'_>, server: &mut ServerConnection, mut content: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !content.is_empty() {
        let n = session.write(content).unwrap();
        assert!(n > 0, "an empty buffer has room");
        content = &content[n..];
        assert!(session.outgoing().len() > n, "sealed");
        read.extend(server_takes(server, session.outgoing()).unwrap());
        session.sent(session.outgoing().len());
    }
    read
}

/// Its name, for messages.
pub fn name(suite: SupportedCipherSuite) -> &'static str {
    CipherSuite::as_str(&suite.suite()).unwrap()
}

/// The same, but what the server says is changed on the way: each octet, by its number, as `change` says.
pub fn connect_over<'b>(
    server: &mut ServerConnection,
    buffers: &'b mut Buffers,
    change: impl Fn(usize, u8) -> u8,
) -> Result<Session<'b>, Fault> {
    let ca = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/ca.pem");
    buffers.prepare();
    let config = config(&Tls { ca: Some(ca), ..Tls::default() })?;
    let mut client = Handshake::new(config, "localhost", buffers)?;
    let mut came = 0;
    loop {
        let step = client.advance()?;
        // What the server thinks of it does not matter here.
        let heard = server_takes(server, client.outgoing());
        client.sent(client.outgoing().len());
        if step == Step::Finish {
            return client.finish();
        }
        let said = server_says(server);
        if heard.is_err() || said.is_empty() {
            return Err(client.disconnected());
        }
        for octet in said {
            client.recv_space()[0] = change(came, octet);
            client.received(1);
            came += 1;
        }
    }
}
