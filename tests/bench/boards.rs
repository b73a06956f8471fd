//! `boards PORT COUNT SECONDS SEED PAST [INTERVAL RETRY SPREAD]`: simulated boards that publish to a hub or a broker, a
//! report each INTERVAL seconds (1), for `fleet` and `storm`.
//!
//! The boards are the core's own clients with its outbox, so that what is not confirmed stays theirs. Figures walk at
//! random from the seed. Each begins with what it kept in an outage of PAST seconds. Prints `ready` once that is
//! confirmed, then what was counted in the measured time, and in all, when everything is confirmed, as lines of JSON.
//!
//! A board that loses its connection, or gets none, connects again as the agent does: after retry_timer=RETRY (5),
//! which grows, and a part of retry_spread=SPREAD (0) by chance. SIGUSR1 asks for a line of what was counted so far. SECONDS=0 is until SIGTERM.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use psistats_core::amqp::delivery::{self, Envelope};
use psistats_core::amqp::{Buffers, Client, Event, Exchange, Mechanism, Options, Table};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::outbox::{Counters, Outbox, Run};
use psistats_core::time::{Backoff, Instant};
use tokio::io::Interest;
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{LocalSet, spawn_local};
use tokio::time;

const SECOND: Duration = Duration::from_secs(1);
/// Reports of the past that a board sends without having heard of them.
const WINDOW: u64 = 100;
/// For a connection's start, and for what is unconfirmed at the end.
const PATIENCE: Duration = Duration::from_secs(600);

/// For a connection and for its handshake, as the agent has it.
const CONNECT: Duration = Duration::from_secs(5);
/// Boards of one source address: of its 28,000 ports a free one is found slowly when many are taken.
const A_SOURCE: u64 = 5_000;

/// What the command line says.
#[derive(Clone, Copy)]
struct Fleet {
    port: u16,
    count: u64,
    seconds: u64,
    seed: u64,
    past: i64,
    interval: u64,
    retry: Duration,
    spread: Duration,
}

impl Fleet {
    fn read() -> Result<Self, Box<dyn Error>> {
        let numbers = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<Vec<u64>, _>>()?;
        let [port, count, seconds, seed, past, rest @ ..] = &numbers[..] else {
            return Err("expected PORT COUNT SECONDS SEED PAST".into());
        };
        let more = |n: usize, default| rest.get(n).copied().unwrap_or(default);
        Ok(Self {
            port: u16::try_from(*port)?,
            count: *count,
            seconds: *seconds,
            seed: *seed,
            past: i64::try_from(*past)?,
            interval: more(0, 1),
            retry: Duration::from_secs(more(1, 5)),
            spread: Duration::from_secs(more(2, 0)),
        })
    }
}

/// What all boards share.
struct Shared {
    fleet: Fleet,
    start: time::Instant,
    /// No report is sampled from this second on.
    end_s: Cell<u64>,
    ready: Cell<usize>,
    published: Cell<u64>,
    confirmed: Cell<u64>,
    dropped: Cell<u64>,
    /// Attempts that failed, and connections that were lost.
    failed: Cell<u64>,
    /// Boards that may publish now.
    connected: Cell<u64>,
    /// From the attempt until a board may publish, in ms, since the last line of what was counted.
    connect_ms: RefCell<Vec<u64>>,
    ended: Cell<usize>,
}

impl Shared {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn say(&self) {
        let mut ms = self.connect_ms.take();
        ms.sort_unstable();
        let part =
            |percent: usize| ms.get((ms.len() * percent / 100).min(ms.len().saturating_sub(1))).unwrap_or(&0);
        println!(
            r#"{{"boards":{},"connected":{},"published":{},"confirmed":{},"dropped":{},"failed":{},"connect_ms":[{},{},{}]}}"#,
            self.fleet.count,
            self.connected.get(),
            self.published.get(),
            self.confirmed.get(),
            self.dropped.get(),
            self.failed.get(),
            part(50),
            part(99),
            part(100),
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let fleet = Fleet::read()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let shared = Rc::new(Shared {
            fleet,
            start: time::Instant::now(),
            end_s: Cell::new(u64::MAX),
            ready: Cell::default(),
            published: Cell::default(),
            confirmed: Cell::default(),
            dropped: Cell::default(),
            failed: Cell::default(),
            connected: Cell::default(),
            connect_ms: RefCell::default(),
            ended: Cell::default(),
        });
        let (asked, mut asks) = (shared.clone(), signal(SignalKind::user_defined1())?);
        spawn_local(async move {
            while asks.recv().await.is_some() {
                asked.say();
            }
        });
        for n in 0..fleet.count {
            let shared = shared.clone();
            spawn_local(async move {
                board(&shared, n).await;
                shared.ended.update(|n| n + 1);
            });
            // A listener's queue has room for 128 or more.
            if n % 64 == 63 {
                time::sleep(Duration::from_millis(20)).await;
            }
        }
        let all = usize::try_from(fleet.count)?;
        wait(|| shared.ready.get() >= all).await?;
        println!("ready");
        let before = (shared.published.get(), shared.confirmed.get());
        if fleet.seconds == 0 {
            signal(SignalKind::terminate())?.recv().await;
        }
        shared.end_s.set(shared.start.elapsed().as_secs() + fleet.seconds);
        time::sleep(SECOND * u32::try_from(fleet.seconds)?).await;
        let measured = (shared.published.get() - before.0, shared.confirmed.get() - before.1);
        println!(r#"{{"published_in_time":{},"confirmed_in_time":{}}}"#, measured.0, measured.1);
        wait(|| shared.ended.get() >= all).await?;
        shared.say();
        Ok(())
    })
}

async fn wait(is_so: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let until = time::Instant::now() + PATIENCE;
    while !is_so() {
        if time::Instant::now() > until {
            return Err("some boards do not come to an end".into());
        }
        time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// One board, until all that it has sampled is confirmed.
async fn board(shared: &Shared, n: u64) {
    let Fleet { count, seed, past, interval, retry, spread, .. } = shared.fleet;
    let mut board = Board {
        n,
        name: format!("board-{n:05}").into(),
        outbox: Outbox::new(vec![0; 24 * 1024]),
        figures: Figures::new(seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        past,
        // Boards are spread over the interval.
        phase: Duration::from_nanos(1_000_000_000 * interval * n / count.max(1)),
        second: shared.start.elapsed().as_secs() + 1,
        told: Counters::default(),
        is_ready: false,
    };
    let mut backoff = Backoff::new(retry);
    loop {
        let before = board.told.confirmed;
        let mut is_connected = false;
        let ended = board.connection(shared, &mut is_connected).await;
        if is_connected {
            shared.connected.update(|n| n - 1);
        }
        if ended.is_ok() {
            return;
        }
        shared.failed.update(|n| n + 1);
        board.outbox.rewind();
        let is_loss = board.told.confirmed > before;
        if is_loss {
            backoff.reset();
        }
        let chance = u32::try_from(board.figures.next(1 << 31)).unwrap_or_default() << 1;
        let spread_ms = u64::try_from(spread.as_millis()).unwrap_or_default();
        let wait = backoff.next(chance, Duration::ZERO);
        time::sleep(wait + Duration::from_millis(board.figures.next(spread_ms + 1))).await;
    }
}

struct Board {
    n: u64,
    name: Rc<str>,
    outbox: Outbox<Vec<u8>>,
    figures: Figures,
    past: i64,
    phase: Duration,
    second: u64,
    /// What is counted already.
    told: Counters,
    is_ready: bool,
}

impl Board {
    async fn connection(&mut self, shared: &Shared, is_connected: &mut bool) -> Result<(), Box<dyn Error>> {
        let (begin, name) = (time::Instant::now(), self.name.clone());
        let socket = TcpSocket::new_v4()?;
        let source = 1 + u8::try_from(self.n / A_SOURCE)?;
        socket.bind((Ipv4Addr::new(127, 0, 0, source), 0).into())?;
        let to = (Ipv4Addr::LOCALHOST, shared.fleet.port).into();
        let stream = time::timeout(CONNECT, socket.connect(to)).await??;
        stream.set_nodelay(true)?;
        let key = format!("psistats.{name}");
        let options = Options {
            mechanism: Mechanism::Plain,
            user: "guest",
            password: "guest",
            vhost: "/",
            product: "boards",
            version: "1",
            connection_name: &name,
            heartbeat_s: 60,
            retry: SECOND,
            confirm_timeout: 30 * SECOND,
            refused_timeout: Duration::ZERO,
            exchange: Exchange { name: "psistats", kind: "topic", durable: true, auto_delete: false },
            // As profile=fleet has it.
            declare_exchange: false,
            queue: None,
            routing_key: &key,
        };
        let (mut receive, mut send) = (vec![0; limits::AMQP_RECV], vec![0; limits::REPORT + 2048]);
        let buffers = Buffers { receive: &mut receive, send: &mut send };
        let mut client = Client::new(options, buffers, shared.now());
        let run = format!("00000000-0000-4000-8000-{:012x}-1", self.n);
        let runs = [Run { first: 1, id: &run }];
        let envelope = Envelope { runs: &runs, app_id: "boards", headers: Table::EMPTY, persistent: true };
        loop {
            let now = shared.now();
            if client.deadline().is_some_and(|at| at <= now) {
                client.timed_out(now);
            }
            self.sample(shared)?;
            while let Some(event) = delivery::settle(&mut client, &mut self.outbox, now) {
                match event {
                    Event::Ended(result) => return Ok(result?),
                    Event::Ready { .. } => {
                        *is_connected = true;
                        shared.connected.update(|n| n + 1);
                        let ms = u64::try_from(begin.elapsed().as_millis())?;
                        shared.connect_ms.borrow_mut().push(ms);
                    }
                    _ => {}
                }
            }
            delivery::publish_waiting(&mut client, &mut self.outbox, envelope, now);
            if self.count(shared) {
                client.close(now);
            }
            while !client.outgoing().is_empty() {
                match stream.try_write(client.outgoing()) {
                    Ok(n) => client.sent(n, now),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
            let writes = !client.outgoing().is_empty();
            let interest = if writes { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            let deadline = client.deadline().map(|at| shared.start + at.since(Instant::from_nanos(0)));
            let next = (!self.is_over(shared)).then(|| self.due(shared));
            let until = deadline.into_iter().chain(next).min().unwrap_or(time::Instant::now() + SECOND);
            let _ = time::timeout_at(until, stream.ready(interest)).await;
            match stream.try_read(client.recv_space()) {
                Ok(0) => client.disconnected(),
                Ok(n) => client.received(n, shared.now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn due(&self, shared: &Shared) -> time::Instant {
        shared.start + Duration::from_secs(self.second) + self.phase
    }

    fn is_over(&self, shared: &Shared) -> bool {
        self.second >= shared.end_s.get()
    }

    /// Samples what is due, of an outage that is past too, as often as it was due while there was no connection.
    fn sample(&mut self, shared: &Shared) -> Result<(), Box<dyn Error>> {
        let mut body = String::new();
        while self.past > 0 && self.outbox.counters().pending < WINDOW {
            self.figures.report(&self.name, &mut body);
            self.outbox.push(unix_ms() - self.past * 1000, body.as_bytes())?;
            self.past -= 1;
            shared.published.update(|n| n + 1);
        }
        while time::Instant::now() >= self.due(shared) && !self.is_over(shared) {
            let late = i64::try_from(self.due(shared).elapsed().as_millis())?;
            self.second += shared.fleet.interval;
            self.figures.report(&self.name, &mut body);
            self.outbox.push(unix_ms() - late, body.as_bytes())?;
            shared.published.update(|n| n + 1);
        }
        Ok(())
    }

    /// Tells what has become of the reports since the last time. Whether all is done.
    fn count(&mut self, shared: &Shared) -> bool {
        let counters = self.outbox.counters();
        if !self.is_ready && self.past == 0 && counters.confirmed > 0 {
            self.is_ready = true;
            shared.ready.update(|n| n + 1);
        }
        shared.confirmed.update(|n| n + counters.confirmed - self.told.confirmed);
        shared.dropped.update(|n| n + counters.dropped - self.told.dropped);
        self.told = counters;
        self.is_over(shared) && counters.pending == 0
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a board says: eight figures that walk, as those of a board do.
struct Figures {
    random: u64,
    cpu: i64,
    mem: i64,
    temp: i64,
    rx: u64,
    uptime: u64,
}

impl Figures {
    fn new(seed: u64) -> Self {
        let mut figures = Self { random: seed | 1, cpu: 150, mem: 300, temp: 450, rx: 0, uptime: 0 };
        figures.uptime = figures.next(5_000_000);
        figures
    }

    /// xorshift64*, below `most`.
    fn next(&mut self, most: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % most
    }

    fn step(&mut self, most: u64) -> i64 {
        i64::try_from(self.next(2 * most + 1)).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
    }

    fn report(&mut self, name: &str, body: &mut String) {
        self.cpu = (self.cpu + self.step(40)).clamp(0, 1000);
        self.mem = (self.mem + self.step(2)).clamp(100, 900);
        self.temp = (self.temp + self.step(5)).clamp(350, 790);
        self.rx += self.next(4000);
        self.uptime += 1;
        let tenth = |value: i64| format!("{}.{}", value / 10, value % 10);
        body.clear();
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            r#"{{"hostname":"{name}","cpu":{},"mem":{},"cpu_temp":{},"uptime":{},"load":[{},{},{}],"net":{{"eth0":{{"rx":{}}}}}}}"#,
            tenth(self.cpu),
            tenth(self.mem),
            tenth(self.temp),
            self.uptime,
            tenth(self.cpu / 50),
            tenth(self.cpu / 60),
            tenth(self.cpu / 70),
            self.rx,
        );
    }
}
