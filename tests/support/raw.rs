//! Peers that speak ZMTP by hand (RFC 23 and 37), octet by octet.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::PATIENCE;

/// `FF 8*0 7F 03 MINOR NULL`, padded.
pub fn greeting(minor: u8, mechanism: &str) -> [u8; 64] {
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10], greeting[11]) = (0xFF, 0x7F, 3, minor);
    greeting[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
    greeting
}

/// A READY of that socket type.
pub fn ready(socket: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type\0\0\0".to_vec();
    body.push(socket.len() as u8);
    body.extend_from_slice(socket.as_bytes());
    frame(4, &body)
}

/// A frame, of a long size where it needs one.
pub fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = match u8::try_from(body.len()) {
        Ok(size) => vec![flags, size],
        Err(_) => [&[flags | 2][..], &(body.len() as u64).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(body);
    frame
}

/// What a client node sends.
pub fn status(body: &[u8]) -> Vec<u8> {
    [frame(1, b"status"), frame(0, body)].concat()
}

/// A connection to `port` without a word yet.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection whose handshake is done, as that socket type.
pub fn peer(port: u16, minor: u8, socket: &str) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(&greeting(minor, "NULL")).unwrap();
    stream.write_all(&ready(socket)).unwrap();
    let mut theirs = [0; 64];
    stream.read_exact(&mut theirs).unwrap();
    assert_eq!(theirs[..12], [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3, 1]);
    let (flags, body) = read_frame(&mut stream);
    assert_eq!((flags, &body[..6]), (4, &b"\x05READY"[..]));
    stream
}

/// A client node that may send: the master has subscribed.
pub fn client(port: u16) -> TcpStream {
    let mut stream = peer(port, 1, "PUB");
    assert_eq!(read_frame(&mut stream), (4, b"\x09SUBSCRIBE".to_vec()));
    stream
}

/// A subscriber to whatever begins so.
pub fn subscriber(port: u16, prefix: &str) -> TcpStream {
    let mut stream = peer(port, 1, "SUB");
    stream.write_all(&frame(4, &[b"\x09SUBSCRIBE", prefix.as_bytes()].concat())).unwrap();
    stream
}

/// Flags and body of the next frame.
pub fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut flags = [0];
    stream.read_exact(&mut flags).unwrap();
    let size = if flags[0] & 2 == 0 {
        let mut size = [0];
        stream.read_exact(&mut size).unwrap();
        usize::from(size[0])
    } else {
        let mut size = [0; 8];
        stream.read_exact(&mut size).unwrap();
        u64::from_be_bytes(size) as usize
    };
    let mut body = vec![0; size];
    stream.read_exact(&mut body).unwrap();
    (flags[0] & !2, body)
}

/// The body of the next message, as a subscriber gets it.
pub fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    loop {
        match read_frame(stream) {
            (1, topic) => assert_eq!(topic, b"Chasar-Client"),
            (0, body) => return body,
            // A PING.
            (flags, _) => assert_eq!(flags, 4),
        }
    }
}

/// Reads to the end, which the other side makes.
pub fn assert_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}
