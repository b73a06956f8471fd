//! `load KEY=VALUE...`: the clients and the subscribers of a master node of chasar, for `master`.
//!
//! ZMTP 3.0 by hand over raw sockets, from one thread: every master meets the same load, which costs little.
//! Messages that are sent but not yet received by the slowest subscriber are bounded by a window, so that
//! nobody's high-water mark is reached; each must arrive at each subscriber.

#![allow(clippy::indexing_slicing)]

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsFd;
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
const PUB: &[u8] = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB";
const SUB: &[u8] = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB";
/// To everything, as a message.
const SUBSCRIBE: &[u8] = b"\x00\x01\x01";
/// What is sent until every subscription is known to stand.
const PROBE: &[u8] = b"{\"probe\": true}";
const PROBE_EVERY: Duration = Duration::from_millis(10);

/// Handshakes at once: fewer than anybody's backlog.
const HANDSHAKES: usize = 64;
/// For all that is not the measured time.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let options = Options::parse()?;
    let messages = options.seconds > 0.0;
    let mut load = Load::new(&options)?;
    for _ in 0..options.subscribers {
        load.join(options.publish_port, Role::Subscriber, SUB)?;
    }
    load.until(|load| load.pending() == 0)?;
    load.join(options.port, Role::Client, PUB)?;
    load.probe()?;
    let rss_one_kb = options.master.rss_kb()?;
    for _ in 1..options.clients {
        load.join(options.port, Role::Client, PUB)?;
        load.until(|load| load.pending() < HANDSHAKES)?;
    }
    load.until(|load| load.pending() == 0)?;
    let rss_idle_kb = options.master.rss_kb()?;

    if messages {
        for _ in 0..options.clients {
            load.send(1)?;
            load.until(|load| load.in_flight() < load.window)?;
        }
        load.until(|load| load.in_flight() == 0)?;
    }
    let warm_up = load.sent;
    let begin = Instant::now();
    let (master, own) = (options.master.cpu_ns()?, cpu_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
    if options.rate > 0.0 {
        load.paced(begin, options.rate * f64::from(options.clients), options.seconds)?;
    } else {
        load.flood(begin + Duration::from_secs_f64(options.seconds))?;
    }
    load.until(|load| load.in_flight() == 0)?;
    println!(
        r#"{{"messages":{},"wall_s":{:.6},"cpu_ns":{},"load_cpu_ns":{},"rss_one_kb":{rss_one_kb},"rss_idle_kb":{rss_idle_kb},"rss_end_kb":{}}}"#,
        load.sent - warm_up,
        begin.elapsed().as_secs_f64(),
        options.master.cpu_ns()? - master,
        cpu_ns(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - own,
        options.master.rss_kb()?,
    );
    Ok(())
}

struct Options {
    master: Master,
    port: u16,
    publish_port: u16,
    clients: u32,
    subscribers: u32,
    /// Topic of what subscribers get; clients send `status`.
    topic: String,
    body: Vec<u8>,
    /// Messages that a client sends in one turn.
    batch: u64,
    /// Bytes of bodies in flight.
    window: usize,
    /// Messages a second of each client; 0: as many as the window lets through.
    rate: f64,
    /// Measured; 0: nothing is sent, connections stay idle.
    seconds: f64,
}

impl Options {
    fn parse() -> Result<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let values: HashMap<_, _> =
            arguments.iter().filter_map(|argument| argument.split_once('=')).collect();
        let text = |key: &str| values.get(key).copied().ok_or_else(|| format!("expected {key}=VALUE"));
        fn number<T: FromStr>(text: std::result::Result<&str, String>) -> Result<T> {
            let text = text?;
            text.parse().map_err(|_| format!("expected a number, got {text}").into())
        }
        Ok(Self {
            master: Master { pid: Pid::from_raw(number(text("pid"))?) },
            port: number(text("port"))?,
            publish_port: number(text("publish_port"))?,
            clients: number(text("clients"))?,
            subscribers: number(text("subscribers"))?,
            topic: text("topic")?.into(),
            body: fs::read(text("body")?)?,
            batch: number(text("batch"))?,
            window: number(text("window"))?,
            rate: number(text("rate"))?,
            seconds: number(text("seconds"))?,
        })
    }
}

/// The process that is measured.
struct Master {
    pid: Pid,
}

impl Master {
    /// Of all its threads, also of those that have ended.
    fn cpu_ns(&self) -> Result<u64> {
        cpu_ns(clock_getcpuclockid(self.pid)?)
    }

    fn rss_kb(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the master has ended")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

fn cpu_ns(clock: ClockId) -> Result<u64> {
    Ok(u64::try_from(Duration::from(clock_gettime(clock)?).as_nanos())?)
}

/// All connections, and who sends next.
struct Load {
    epoll: Epoll,
    events: Vec<EpollEvent>,
    buffer: Vec<u8>,
    deadline: Instant,
    expected: Expected,
    subscribers: Vec<Peer>,
    clients: Vec<Peer>,
    /// One turn of a client, encoded.
    turn: Vec<u8>,
    next: usize,
    sent: u64,
    batch: u64,
    /// Most messages in flight.
    window: u64,
}

/// What each subscriber gets.
struct Expected {
    topic: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Client,
    Subscriber,
}

impl Load {
    fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            events: vec![EpollEvent::empty(); 256],
            buffer: vec![0; 256 * 1024],
            deadline: Instant::now() + PATIENCE + Duration::from_secs_f64(options.seconds),
            expected: Expected { topic: options.topic.clone().into(), body: options.body.clone() },
            subscribers: Vec::new(),
            clients: Vec::new(),
            turn: message(&options.body).repeat(usize::try_from(options.batch)?),
            next: 0,
            sent: 0,
            batch: options.batch,
            window: u64::try_from(options.window / options.body.len())?.max(options.batch),
        })
    }

    /// One more connection, in its handshake.
    fn join(&mut self, port: u16, role: Role, ready: &[u8]) -> Result<()> {
        let stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Err(error)
                    if error.kind() == ErrorKind::ConnectionRefused && Instant::now() < self.deadline =>
                {
                    thread::sleep(PROBE_EVERY); // it is only just starting
                }
                other => break other?,
            }
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let peers = match role {
            Role::Client => &mut self.clients,
            Role::Subscriber => &mut self.subscribers,
        };
        let token = (peers.len() as u64) << 1 | u64::from(role == Role::Subscriber);
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        self.epoll.add(&stream, EpollEvent::new(flags, token))?;
        let mut peer = Peer::new(stream, role, self.expected.body.len());
        peer.write(&greeting())?;
        peer.write(ready)?;
        peers.push(peer);
        Ok(())
    }

    /// Peers that messages would not yet reach, or come from.
    fn pending(&self) -> usize {
        // Most of the clients are done: the last ones alone can be in a handshake.
        let clients = self.clients.iter().rev().take(2 * HANDSHAKES);
        self.subscribers.iter().chain(clients).filter(|peer| !peer.ready).count()
    }

    fn in_flight(&self) -> u64 {
        self.sent - self.subscribers.iter().map(|peer| peer.received).min().unwrap_or(self.sent)
    }

    /// Sends to whoever listens until each subscriber has heard of it.
    fn probe(&mut self) -> Result<()> {
        self.until(|load| load.pending() == 0)?;
        while self.subscribers.iter().any(|peer| !peer.probed) {
            self.clients[0].write(&message(PROBE))?;
            self.events(Some(Instant::now() + PROBE_EVERY))?;
        }
        Ok(())
    }

    /// The next client sends `count` messages, where it has sent all before; whether it does.
    fn send(&mut self, count: u64) -> Result<bool> {
        let client = &mut self.clients[self.next];
        if !client.unsent.is_empty() {
            return Ok(false);
        }
        let bytes = self.turn.len() / usize::try_from(self.batch)? * usize::try_from(count)?;
        client.write(&self.turn[..bytes])?;
        self.next = (self.next + 1) % self.clients.len();
        self.sent += count;
        Ok(true)
    }

    /// Sends as much as the window lets through.
    fn flood(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            while self.in_flight() + self.batch <= self.window && self.send(self.batch)? {}
            self.events(None)?;
        }
        Ok(())
    }

    /// Sends `rate` messages a second, one at a time.
    fn paced(&mut self, begin: Instant, rate: f64, seconds: f64) -> Result<()> {
        let mut count = 0.0;
        while count < rate * seconds {
            let due = begin + Duration::from_secs_f64(count / rate);
            while Instant::now() < due {
                self.events(Some(due))?;
            }
            while !self.send(1)? {
                self.events(None)?;
            }
            count += 1.0;
        }
        Ok(())
    }

    /// Handles what comes until `done`.
    fn until(&mut self, done: impl Fn(&Self) -> bool) -> Result<()> {
        while !done(self) {
            self.events(None)?;
        }
        Ok(())
    }

    /// Waits until something happens, or `until`, and handles it.
    fn events(&mut self, until: Option<Instant>) -> Result<()> {
        let now = Instant::now();
        if now > self.deadline {
            return Err(format!(
                "stuck: {} handshakes are not done, {} of {} messages did not arrive",
                self.pending(),
                self.in_flight(),
                self.sent
            )
            .into());
        }
        let mut patience = EpollTimeout::from(1000u16);
        if let Some(until) = until {
            let wait = TimeSpec::from(until.saturating_duration_since(now));
            ppoll(&mut [PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN)], Some(wait), None)?;
            patience = EpollTimeout::ZERO;
        }
        let count = self.epoll.wait(&mut self.events, patience)?;
        for event in &self.events[..count] {
            let index = usize::try_from(event.data() >> 1)?;
            let peers = if event.data() & 1 == 1 { &mut self.subscribers } else { &mut self.clients };
            let peer = &mut peers[index];
            peer.flush()?;
            peer.read(&mut self.buffer, &self.expected)?;
        }
        Ok(())
    }
}

/// One connection.
struct Peer {
    stream: TcpStream,
    role: Role,
    frames: Frames,
    unsent: Vec<u8>,
    /// A subscriber has sent its subscription, a client has got one.
    ready: bool,
    probed: bool,
    received: u64,
}

impl Peer {
    fn new(stream: TcpStream, role: Role, keep: usize) -> Self {
        let frames = Frames::new(keep);
        Self { stream, role, frames, unsent: Vec::new(), ready: false, probed: false, received: 0 }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.flush()?;
        let written = if self.unsent.is_empty() { taken(self.stream.write(bytes))? } else { 0 };
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.unsent.is_empty() {
            let written = taken(self.stream.write(&self.unsent))?;
            self.unsent.drain(..written);
        }
        Ok(())
    }

    /// Reads all there is: the epoll tells of it once.
    fn read(&mut self, buffer: &mut [u8], expected: &Expected) -> Result<()> {
        loop {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err("the master has closed a connection: see its log".into()),
                other => taken(other)?,
            };
            let mut input = &buffer[..count];
            while let Some(frame) = self.frames.next(&mut input) {
                match self.role {
                    Role::Client => self.hear(frame)?,
                    Role::Subscriber => self.receive(frame, expected)?,
                }
            }
            if count < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Of a client: a subscription.
    fn hear(&mut self, frame: Frame) -> Result<()> {
        let subscribe = [&b"\x01"[..], b"\x09SUBSCRIBE"];
        self.ready |= subscribe.iter().any(|start| self.frames.body.starts_with(start));
        if frame.flags & COMMAND != 0 { self.command() } else { Ok(()) }
    }

    /// Of a subscriber: a message, whole and in order. The first is compared byte for byte.
    fn receive(&mut self, frame: Frame, expected: &Expected) -> Result<()> {
        let body = &self.frames.body;
        if frame.flags & COMMAND != 0 {
            return self.command();
        } else if frame.flags & MORE != 0 {
            if *body != expected.topic {
                return Err(format!("not the topic: {}", String::from_utf8_lossy(body)).into());
            }
        } else if body == PROBE {
            self.probed = true;
        } else if frame.length == expected.body.len() && (body.is_empty() || *body == expected.body) {
            self.frames.keep = SHORT;
            self.received += 1;
        } else {
            return Err(format!("not the message that was sent, but {} bytes", frame.length).into());
        }
        Ok(())
    }

    fn command(&mut self) -> Result<()> {
        let body = &self.frames.body;
        if body.starts_with(b"\x05READY") && self.role == Role::Subscriber {
            self.write(SUBSCRIBE)?;
            self.ready = true;
        } else if let Some(context) = body.strip_prefix(b"\x04PING").and_then(|rest| rest.get(2..)) {
            let mut pong = b"\x04\x05\x04PONG".to_vec();
            pong.extend_from_slice(context);
            pong[1] += u8::try_from(context.len())?;
            self.write(&pong)?;
        } else if body.starts_with(b"\x05ERROR") {
            return Err(format!("refused: {}", String::from_utf8_lossy(body)).into());
        }
        Ok(())
    }
}

/// Bytes that went through, none where it would block.
fn taken(result: std::io::Result<usize>) -> std::io::Result<usize> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// Longest body of a short frame.
const SHORT: usize = 255;

/// A stream of frames, after the greeting.
struct Frames {
    greeting: usize,
    header: Vec<u8>,
    left: usize,
    /// Of the last frame, empty where it was longer than `keep`.
    body: Vec<u8>,
    keep: usize,
}

struct Frame {
    flags: u8,
    length: usize,
}

impl Frames {
    fn new(keep: usize) -> Self {
        Self { greeting: 64, header: Vec::with_capacity(9), left: 0, body: Vec::new(), keep }
    }

    /// The next frame that ends in `input`.
    fn next(&mut self, input: &mut &[u8]) -> Option<Frame> {
        let greeting = input.split_off(..self.greeting.min(input.len()))?;
        self.greeting -= greeting.len();
        while self.header.len() < self.header_size() {
            self.header.push(*input.split_off_first()?);
            if self.header.len() == self.header_size() {
                self.left = self.length();
                self.body.clear();
            }
        }
        let length = self.length();
        let part = input.split_off(..self.left.min(input.len()))?;
        self.left -= part.len();
        if length <= self.keep {
            self.body.extend_from_slice(part);
        }
        if self.left > 0 {
            return None;
        }
        let flags = self.header[0];
        self.header.clear();
        Some(Frame { flags, length })
    }

    fn header_size(&self) -> usize {
        if self.header.first().is_some_and(|flags| flags & LONG != 0) { 9 } else { 2 }
    }

    fn length(&self) -> usize {
        self.header.iter().skip(1).fold(0, |length, byte| length << 8 | usize::from(*byte))
    }
}

fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9..11].copy_from_slice(&[0x7f, 3]);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// What a client sends: `status`, and a body.
fn message(body: &[u8]) -> Vec<u8> {
    let mut message = b"\x01\x06status".to_vec();
    if let Ok(length) = u8::try_from(body.len()) {
        message.extend_from_slice(&[0, length]);
    } else {
        message.push(LONG);
        message.extend_from_slice(&(body.len() as u64).to_be_bytes());
    }
    message.extend_from_slice(body);
    message
}
