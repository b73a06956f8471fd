//! Boards that publish to the hub as if it were a broker: their psistats.conf needs `host=` and nothing else.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use log::{info, warn};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{coop, spawn_local};
use tokio::time;

use crate::clock::Clock;
use crate::complaints::Complaints;
use crate::fleet::name::host_name;
use crate::fleet::{Heard, MessageId, Source};
use crate::intake::door::{Full, Standing, Ticket};
use crate::intake::users::{Boards, Users};
use crate::intake::{Door, batch};
use crate::tls;
use psistats_core::amqp::server::{Message, Tag};
use psistats_core::amqp::{Server, ServerBuffers, ServerEvent, ServerOptions, Value};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

const OPTIONS: ServerOptions<'static> = ServerOptions {
    product: "psistats-hub",
    version: env!("CARGO_PKG_VERSION"),
    heartbeat_s: 60,
    channels: CHANNELS,
    external: false,
    refusal: "this is psistats-hub: consume from its API, or use RabbitMQ",
};

/// Channels of a connection: a publisher needs one.
const CHANNELS: u16 = 2;

/// Bytes of a message and its properties: the agent's reports have 6 KiB at most, others may be larger.
const MESSAGE: usize = 16 * 1024;

/// RESOURCE_ERROR of AMQP 0-9-1.
const RESOURCE_ERROR: u16 = 506;

/// ACCESS_REFUSED of AMQP 0-9-1.
const ACCESS_REFUSED: u16 = 403;

/// Bytes that wait for a client.
const SEND: usize = 4 * 1024;

/// Before accepting again, where the system has no more descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(200);

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

    /// Accepts connections without end, each as a task of its own; with TLS where it is given.
    pub async fn serve(self: Rc<Self>, listener: TcpListener, tls: Option<Rc<tls::Server>>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) if self.connections.get() < self.room => {
                    let _ = stream.set_nodelay(true);
                    let (intake, tls) = (self.clone(), tls.clone());
                    self.connections.update(|n| n + 1);
                    spawn_local(async move {
                        let ended = match tls {
                            None => intake.converse(stream, peer, None).await,
                            // Only who speaks TLS takes its room.
                            Some(tls) => Box::pin(intake.converse_by_tls(stream, peer, &tls)).await,
                        };
                        if let Err(error) = ended {
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

    /// Does the handshake, and serves the connection until it ends.
    async fn converse_by_tls(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: &tls::Server,
    ) -> Result<(), String> {
        let stream = tls.accept(stream).await?;
        let certificate = tls::server::names(&stream).map(Rc::from);
        self.converse(stream, peer, certificate).await
    }

    /// Serves one connection until it ends. `certificate` has the names of the client's.
    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        peer: SocketAddr,
        certificate: Option<Rc<[String]>>,
    ) -> Result<(), String> {
        let mut receive = vec![0; limits::AMQP_RECV];
        let mut send = vec![0; SEND];
        let mut messages = vec![0; usize::from(CHANNELS) * MESSAGE];
        let buffers = ServerBuffers { receive: &mut receive, send: &mut send, messages: &mut messages };
        let options = ServerOptions { external: certificate.is_some(), ..OPTIONS };
        let mut server = Server::new(options, buffers, self.clock.now());
        let mut publisher = Publisher::new(peer, certificate);
        let mut standing = self.door.standing();
        loop {
            let now = self.clock.now();
            if server.deadline().is_some_and(|at| at <= now) {
                server.timed_out(now);
            }
            let mut ended = self.drain(&mut server, &mut publisher, now);
            // Confirms go out as it drains. What came just now may be kept already, so that nothing would wake it.
            while ended.is_none() && publisher.tell(&mut standing, &mut server, now) {
                ended = self.drain(&mut server, &mut publisher, now);
            }
            if let Some(ended) = ended {
                // As a courtesy, as far as there is room.
                let _ = write(&mut server, &mut stream, now, &mut Context::from_waker(Waker::noop()));
                return ended;
            }
            let changed = standing.changed(!publisher.unconfirmed.is_empty());
            self.wait(&mut server, &mut stream, changed).await;
            // A socket that always has something counts for nothing by itself: others would never have their turn.
            coop::consume_budget().await;
        }
    }

    /// Takes what has come. The end, once it has come, and why.
    fn drain(
        &self,
        server: &mut Server<'_>,
        publisher: &mut Publisher,
        now: Instant,
    ) -> Option<Result<(), String>> {
        let peer = publisher.peer;
        while let Some(event) = server.poll_event(now) {
            match event {
                ServerEvent::Login => {
                    let Some(login) = server.login() else { continue };
                    match self.users.borrow().allow(&login, peer.ip(), publisher.certificate.as_ref()) {
                        Ok(boards) => {
                            publisher.boards = boards;
                            server.accept(now);
                        }
                        Err(expected) => {
                            self.complain(peer, &format!("login refused: {expected}"));
                            server.refuse(now);
                        }
                    }
                }
                ServerEvent::Opened { .. } => {
                    publisher.is_open = true;
                    info!("board at {peer}: connected");
                }
                ServerEvent::Publish(tag) => {
                    let Some(message) = server.message().map(|message| heard(&message, peer)) else {
                        continue;
                    };
                    let reports: Vec<_> = batch::reports(message).collect();
                    if let Some(why) = reports.iter().find_map(|report| publisher.refusal(&report.body)) {
                        server.close(ACCESS_REFUSED, &format!("ACCESS_REFUSED - {why}"), now);
                        return Some(Err(why));
                    }
                    // The last is kept after those before it.
                    match reports.iter().fold(None, |_, report| Some(self.door.take(report))) {
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

    /// Writes what there is. Until something was read, the time has come for something, or the disk's standing has
    /// `changed`.
    async fn wait<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: &mut Server<'_>,
        stream: &mut S,
        changed: impl Future<Output = ()>,
    ) {
        let (deadline, mut changed) = (server.deadline(), pin!(changed));
        let any = poll_fn(|cx| {
            let now = self.clock.now();
            let is_over = write(server, stream, now, cx).is_break()
                || read(server, stream, now, cx).is_ready()
                || changed.as_mut().poll(cx).is_ready();
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        });
        match deadline {
            Some(at) => drop(time::timeout_at(self.clock.instant(at), any).await),
            None => any.await,
        }
    }
}

/// Whoever publishes on a connection, and what it waits for.
struct Publisher {
    peer: SocketAddr,
    /// The names of its certificate.
    certificate: Option<Rc<[String]>>,
    /// As whom it may report, once it has logged in.
    boards: Boards,
    /// Of each batch on each channel the last message that is not confirmed.
    unconfirmed: VecDeque<(Ticket, Tag)>,
    /// It was asked to wait.
    is_blocked: bool,
    is_open: bool,
}

impl Publisher {
    fn new(peer: SocketAddr, certificate: Option<Rc<[String]>>) -> Self {
        let (unconfirmed, boards) = (VecDeque::new(), Boards::Of(Rc::default()));
        Self { peer, certificate, boards, unconfirmed, is_blocked: false, is_open: false }
    }

    /// Why it may not send a report: it is another board's.
    fn refusal(&self, body: &[u8]) -> Option<String> {
        let Boards::Of(names) = &self.boards else { return None };
        let mut buffer = String::new();
        // One without a name is nobody's.
        let name = host_name(body, &mut buffer).filter(|name| !self.boards.have(name))?;
        let names = names.join(", ");
        Some(format!("this login may report as {names}, and not as another board: {name:?}"))
    }

    fn took(&mut self, ticket: Ticket, tag: Tag) {
        let same = |(of, last): &&mut (Ticket, Tag)| *of == ticket && last.channel() == tag.channel();
        match self.unconfirmed.iter_mut().rev().take(usize::from(CHANNELS)).find(same) {
            Some((_, last)) => *last = tag,
            None => self.unconfirmed.push_back((ticket, tag)),
        }
    }

    /// Tells the publisher how the disk stands. Whether something is confirmed by it.
    fn tell(&mut self, standing: &mut Standing, server: &mut Server<'_>, now: Instant) -> bool {
        let waiting = self.unconfirmed.len();
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
        self.unconfirmed.len() < waiting
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

/// Writes what there is, as far as there is room. Break: the connection has ended, which the server was told.
fn write<S: AsyncWrite + Unpin>(
    server: &mut Server<'_>,
    stream: &mut S,
    now: Instant,
    cx: &mut Context<'_>,
) -> ControlFlow<()> {
    let mut stream = Pin::new(stream);
    while !server.outgoing().is_empty() {
        match stream.as_mut().poll_write(cx, server.outgoing()) {
            Poll::Ready(Ok(n)) if n > 0 => server.sent(n, now),
            Poll::Pending => break,
            Poll::Ready(_) => {
                server.disconnected();
                return Break(());
            }
        }
    }
    // TLS has a buffer of its own.
    if let Poll::Ready(Err(_)) = stream.poll_flush(cx) {
        server.disconnected();
        return Break(());
    }
    Continue(())
}

/// Reads once. Pending: there is nothing to read yet.
fn read<S: AsyncRead + Unpin>(
    server: &mut Server<'_>,
    stream: &mut S,
    now: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let mut space = ReadBuf::new(server.recv_space());
    match Pin::new(stream).poll_read(cx, &mut space) {
        Poll::Pending => return Poll::Pending,
        Poll::Ready(Err(_)) => server.disconnected(),
        Poll::Ready(Ok(())) => match space.filled().len() {
            0 => server.disconnected(),
            n => server.received(n, now),
        },
    }
    Poll::Ready(())
}
