//! A name server that answers with an address, with an error, or not at all.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// How it answers to any name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It answers that there is no such name.
    Denies,
    /// It does not answer. Pending queries are answered when this changes.
    Silent,
    Knows(Ipv4Addr),
}

/// A name server at port 53 of a loopback address. It runs until the test ends.
pub struct NameServer {
    address: Ipv4Addr,
    socket: UdpSocket,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    waiting: Vec<(Vec<u8>, SocketAddr)>,
}

impl NameServer {
    /// A name server at 127.53.0.`number`.
    pub fn new(number: u8, mood: Mood) -> Self {
        let address = Ipv4Addr::new(127, 53, 0, number);
        let socket = UdpSocket::bind((address, 53))
            .unwrap_or_else(|e| panic!("{address}:53: {e}; run tests/run as root"));
        let state = Arc::new(Mutex::new(State { mood, waiting: Vec::new() }));
        let (serving, theirs) = (socket.try_clone().unwrap(), Arc::clone(&state));
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = serving.recv_from(&mut buffer) {
                let query = buffer[..length].to_vec();
                let mut state = theirs.lock().unwrap();
                match answer(&query, state.mood) {
                    Some(answer) => drop(serving.send_to(&answer, from)),
                    None => state.waiting.push((query, from)),
                }
            }
        });
        Self { address, socket, state }
    }

    /// Changes how it answers, also to pending queries.
    pub fn becomes(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        state.mood = mood;
        for (query, from) in std::mem::take(&mut state.waiting) {
            match answer(&query, mood) {
                Some(answer) => drop(self.socket.send_to(&answer, from)),
                None => state.waiting.push((query, from)),
            }
        }
    }

    /// Lines of sh that make it the name server of a mount namespace, with a timeout of 30 s.
    pub fn mount(&self, resolv_conf: &std::path::Path) -> String {
        let text = format!("nameserver {}\noptions timeout:30 attempts:1\n", self.address);
        std::fs::write(resolv_conf, text).unwrap();
        format!("mount --bind '{}' /etc/resolv.conf", resolv_conf.display())
    }
}

/// The answer to `query` (RFC 1035 §4.1): the question, and an address if the question is for one.
fn answer(query: &[u8], mood: Mood) -> Option<Vec<u8>> {
    let name_end = 12 + query[12..].iter().position(|byte| *byte == 0)?;
    let question = query.get(12..name_end + 5)?;
    let is_a = question.ends_with(&[0, 1, 0, 1]);
    let (code, address) = match mood {
        Mood::Silent => return None,
        Mood::Denies => (3, None),
        Mood::Knows(address) => (0, is_a.then_some(address)),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, u8::from(address.is_some()), 0, 0, 0, 0]);
    answer.extend(question);
    if let Some(address) = address {
        // The name of the question, type A, class IN, TTL 0.
        answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
