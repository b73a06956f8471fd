//! Boards that publish to the hub as if it were a broker: their psistats.conf needs `host=` and nothing else.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use log::{info, warn};
use tokio::io::{AsyncRead as _, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{coop, spawn_local};
use tokio::time;

use crate::clock::Clock;
use crate::complaints::Complaints;
use crate::fleet::{Heard, MessageId, Source};
use crate::intake::Door;
use crate::intake::door::{Full, Standing, Ticket};
use psistats_core::amqp::server::{Login, Message, Tag};
use psistats_core::amqp::{Server, ServerBuffers, ServerEvent, ServerOptions, Value};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;
use psistats_host::conf::secret::Secret;

const OPTIONS: ServerOptions<'static> = ServerOptions {
    product: "psistats-hub",
    version: env!("CARGO_PKG_VERSION"),
    heartbeat_s: 60,
    channels: CHANNELS,
    refusal: "this is psistats-hub: consume from its API, or use RabbitMQ",
};

/// Channels of a connection: a publisher needs one.
const CHANNELS: u16 = 2;

/// Bytes of a message and its properties: the agent's reports have 6 KiB at most, others may be larger.
const MESSAGE: usize = 16 * 1024;

/// RESOURCE_ERROR of AMQP 0-9-1.
const RESOURCE_ERROR: u16 = 506;

/// Bytes that wait for a client.
const SEND: usize = 4 * 1024;

/// Before accepting again, where the system has no more descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Who may log in.
#[derive(Debug)]
pub struct Users {
    /// `[hub] user`; none: from this machine alone.
    pub user: Option<String>,
    /// `[hub] pass`
    pub pass: Secret,
}

impl Users {
    /// Whether `login`, which came from `peer`, may publish. As with RabbitMQ, `guest` may from this machine alone.
    fn allow(&self, login: &Login<'_>, peer: IpAddr) -> bool {
        let expected = match &self.user {
            Some(user) if user == login.user => Some(self.pass.reveal()),
            _ if login.user == "guest" && peer.to_canonical().is_loopback() => Some("guest"),
            _ => None,
        };
        expected.is_some_and(|expected| is_same(expected.as_bytes(), login.password))
    }
}

/// Takes the same time whichever octet differs.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

/// What all connections share.
pub struct Intake {
    door: Rc<Door>,
    users: RefCell<Users>,
    clock: Clock,
    room: usize,
    connections: Cell<usize>,
    complaints: Complaints,
}

impl Intake {
    /// For at most `room` connections.
    pub fn new(door: Rc<Door>, users: Users, room: usize) -> Rc<Self> {
        let (clock, users, connections) = (Clock::start(), RefCell::new(users), Cell::default());
        Rc::new(Self { door, users, clock, room, connections, complaints: Complaints::default() })
    }

    /// Takes over who may log in from now on.
    pub fn set_users(&self, users: Users) {
        self.users.replace(users);
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Accepts connections without end, each as a task of its own.
    pub async fn serve(self: Rc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) if self.connections.get() < self.room => {
                    let intake = self.clone();
                    self.connections.update(|n| n + 1);
                    spawn_local(async move {
                        if let Err(error) = intake.converse(stream, peer).await {
                            intake.complain(peer, &error);
                        }
                        intake.connections.update(|n| n - 1);
                    });
                }
                Ok((_, peer)) => self.complain(peer, "refused: too many connections (limit of open files)"),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!("cannot accept a board's connection: {error}; retried until it works");
                    time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// Writes a line about a board's connection to the log, but not more than a few a second.
    fn complain(&self, peer: SocketAddr, text: &str) {
        self.complaints.say(self.clock.now(), format_args!("board at {peer}: {text}"));
    }

    /// Serves one connection until it ends.
    async fn converse(&self, mut stream: TcpStream, peer: SocketAddr) -> Result<(), String> {
        let _ = stream.set_nodelay(true);
        let mut receive = vec![0; limits::AMQP_RECV];
        let mut send = vec![0; SEND];
        let mut messages = vec![0; usize::from(CHANNELS) * MESSAGE];
        let buffers = ServerBuffers { receive: &mut receive, send: &mut send, messages: &mut messages };
        let mut server = Server::new(OPTIONS, buffers, self.clock.now());
        let mut publisher = Publisher { unconfirmed: VecDeque::new(), is_blocked: false, is_open: false };
        let mut standing = self.door.standing();
        loop {
            let now = self.clock.now();
            if server.deadline().is_some_and(|at| at <= now) {
                server.timed_out(now);
            }
            publisher.tell(&mut standing, &mut server, now);
            let ended = self.drain(&mut server, &mut publisher, peer, now);
            write(&mut server, &stream, now);
            if let Some(ended) = ended {
                return ended;
            }
            let changed = standing.changed(!publisher.unconfirmed.is_empty());
            self.wait(&server, &stream, changed).await;
            read(&mut server, &mut stream, &self.clock).await;
            // A socket that always has something counts for nothing by itself: others would never have their turn.
            coop::consume_budget().await;
        }
    }

    /// Takes what has come. The end, once it has come, and why.
    fn drain(
        &self,
        server: &mut Server<'_>,
        publisher: &mut Publisher,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<Result<(), String>> {
        while let Some(event) = server.poll_event(now) {
            match event {
                ServerEvent::Login => {
                    let allowed =
                        server.login().is_some_and(|login| self.users.borrow().allow(&login, peer.ip()));
                    if allowed {
                        server.accept(now);
                    } else {
                        self.complain(
                            peer,
                            "login refused: expected [hub] user and pass of psistats-hub.conf; guest may log in \
                             from this machine only",
                        );
                        server.refuse(now);
                    }
                }
                ServerEvent::Opened { .. } => {
                    publisher.is_open = true;
                    info!("board at {peer}: connected");
                }
                ServerEvent::Publish(tag) => {
                    let taken = server.message().map(|message| self.door.take(&heard(&message, peer)));
                    match taken {
                        Some(Ok(ticket)) => publisher.took(ticket, tag),
                        // To confirm a later one would confirm this one.
                        Some(Err(Full)) => {
                            let text = "the hub's disk does not keep up: publish again later";
                            server.close(RESOURCE_ERROR, text, now);
                            return Some(Err(text.into()));
                        }
                        None => {}
                    }
                }
                ServerEvent::TooLarge { size, .. } => {
                    self.complain(peer, &format!("a message of {size} bytes, where {MESSAGE} are the most"));
                }
                ServerEvent::Ended(Ok(())) => return Some(Ok(())),
                ServerEvent::Ended(Err(error)) => return Some(Err(error.to_string())),
                _ => {}
            }
        }
        None
    }

    /// Until there is something to read or to write, the time has come for something, or the disk's standing has `changed`.
    async fn wait(&self, server: &Server<'_>, stream: &TcpStream, changed: impl Future<Output = ()>) {
        let writes = !server.outgoing().is_empty();
        let interest = if writes { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        // An error of the socket is told when it is read.
        let (mut ready, mut changed) = (pin!(stream.ready(interest)), pin!(changed));
        let either = poll_fn(|cx| {
            let is_over = ready.as_mut().poll(cx).is_ready() || changed.as_mut().poll(cx).is_ready();
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        });
        match server.deadline() {
            Some(at) => drop(time::timeout_at(self.clock.instant(at), either).await),
            None => either.await,
        }
    }
}

/// What a connection's publisher waits for.
struct Publisher {
    /// Of each batch on each channel the last message that is not confirmed.
    unconfirmed: VecDeque<(Ticket, Tag)>,
    /// It was asked to wait.
    is_blocked: bool,
    is_open: bool,
}

impl Publisher {
    fn took(&mut self, ticket: Ticket, tag: Tag) {
        let same = |(of, last): &&mut (Ticket, Tag)| *of == ticket && last.channel() == tag.channel();
        match self.unconfirmed.iter_mut().rev().take(usize::from(CHANNELS)).find(same) {
            Some((_, last)) => *last = tag,
            None => self.unconfirmed.push_back((ticket, tag)),
        }
    }

    /// Tells the publisher how the disk stands.
    fn tell(&mut self, standing: &mut Standing, server: &mut Server<'_>, now: Instant) {
        while let Some((ticket, tag)) = self.unconfirmed.front().copied()
            && standing.keeps(ticket)
        {
            server.confirm(tag);
            self.unconfirmed.pop_front();
        }
        let is_full = standing.is_full();
        if self.is_open && self.is_blocked != is_full {
            self.is_blocked = is_full;
            if is_full {
                server.block("the hub's disk does not keep up", now);
            } else {
                server.unblock(now);
            }
        }
    }
}

fn heard(message: &Message<'_>, peer: SocketAddr) -> Heard {
    let properties = &message.properties;
    let seconds = properties.timestamp.and_then(|seconds| i64::try_from(seconds).ok());
    let of_seconds = seconds.and_then(|seconds| seconds.checked_mul(1000));
    let exact = match properties.headers.get("timestamp_in_ms") {
        Some(Value::Int(ms)) => Some(ms),
        _ => None,
    };
    Heard {
        source: Source::Amqp,
        peer: Some(peer),
        id: MessageId::parse(properties.message_id),
        sampled_ms: exact.or(of_seconds),
        body: Bytes::copy_from_slice(message.body),
    }
}

fn write(server: &mut Server<'_>, stream: &TcpStream, now: Instant) {
    while !server.outgoing().is_empty() {
        match stream.try_write(server.outgoing()) {
            Ok(n) => server.sent(n, now),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => return server.disconnected(),
        }
    }
}

/// Reads once, if there is something. A read that did not fill its room has emptied the socket, which `poll_read` keeps
/// in mind: the next wait ends with the next octets, without a read in vain.
async fn read(server: &mut Server<'_>, stream: &mut TcpStream, clock: &Clock) {
    let mut space = ReadBuf::new(server.recv_space());
    let result = poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut space))).await;
    match (result, space.filled().len()) {
        (Poll::Pending, _) => {}
        (Poll::Ready(Ok(())), n) if n > 0 => server.received(n, clock.now()),
        (Poll::Ready(_), _) => server.disconnected(),
    }
}
