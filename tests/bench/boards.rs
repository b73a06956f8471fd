//! `boards PORT COUNT SECONDS SEED PAST`: simulated boards that publish to a hub, one report a second each, for `fleet`.
//!
//! The boards are the core's own clients with its outbox, so that what is not confirmed stays theirs. Figures walk at
//! random from the seed. Each begins with what it kept in an outage of PAST seconds. Prints `ready` once that is
//! confirmed, then what was counted in the measured time, and in all, when everything is confirmed, as lines of JSON.

use std::cell::Cell;
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
use psistats_core::outbox::{Outbox, Run};
use psistats_core::time::Instant;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time;

const SECOND: Duration = Duration::from_secs(1);
/// Reports of the past that a board sends without having heard of them.
const WINDOW: u64 = 100;
/// For a connection's start, and for what is unconfirmed at the end.
const PATIENCE: Duration = Duration::from_secs(600);

/// What all boards share.
struct Shared {
    start: time::Instant,
    /// No report is sampled from this second on.
    end_s: Cell<u64>,
    ready: Cell<usize>,
    published: Cell<u64>,
    confirmed: Cell<u64>,
    failed: Cell<u64>,
    ended: Cell<usize>,
}

impl Shared {
    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut number = || {
        args.next()
            .ok_or("expected PORT COUNT SECONDS SEED PAST")?
            .parse::<u64>()
            .map_err(Box::<dyn Error>::from)
    };
    let (port, count, seconds) = (u16::try_from(number()?)?, number()?, number()?);
    let (seed, past) = (number()?, i64::try_from(number()?)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let shared = Rc::new(Shared {
            start: time::Instant::now(),
            end_s: Cell::new(u64::MAX),
            ready: Cell::new(0),
            published: Cell::new(0),
            confirmed: Cell::new(0),
            failed: Cell::new(0),
            ended: Cell::new(0),
        });
        for n in 0..count {
            let shared = shared.clone();
            spawn_local(async move {
                if let Err(error) = board(&shared, port, n, count, seed, past).await {
                    eprintln!("board {n}: {error}");
                    shared.failed.update(|n| n + 1);
                }
                shared.ended.update(|n| n + 1);
            });
            // A listener's queue has room for 128 or more.
            if n % 64 == 63 {
                time::sleep(Duration::from_millis(20)).await;
            }
        }
        let all = usize::try_from(count)?;
        wait(|| shared.ready.get() + shared.ended.get() >= all).await?;
        println!("ready");
        let before = (shared.published.get(), shared.confirmed.get());
        shared.end_s.set(shared.start.elapsed().as_secs() + seconds);
        time::sleep(SECOND * u32::try_from(seconds)?).await;
        let measured = (shared.published.get() - before.0, shared.confirmed.get() - before.1);
        println!(r#"{{"published_in_time":{},"confirmed_in_time":{}}}"#, measured.0, measured.1);
        wait(|| shared.ended.get() >= all).await?;
        println!(
            r#"{{"boards":{count},"published":{},"confirmed":{},"failed":{}}}"#,
            shared.published.get(),
            shared.confirmed.get(),
            shared.failed.get()
        );
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

/// One board, from its connection to the end.
async fn board(
    shared: &Shared,
    port: u16,
    n: u64,
    count: u64,
    seed: u64,
    mut past: i64,
) -> Result<(), Box<dyn Error>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    let name = format!("board-{n:05}");
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
        exchange: Exchange { name: "psistats", kind: "topic", durable: false, auto_delete: false },
        declare_exchange: true,
        queue: None,
        routing_key: &name,
    };
    let (mut receive, mut send) = (vec![0; 1024], vec![0; limits::REPORT + 2048]);
    let mut client = Client::new(options, Buffers { receive: &mut receive, send: &mut send }, shared.now());
    let mut outbox = Outbox::new(vec![0; 24 * 1024]);
    let run = format!("00000000-0000-4000-8000-{n:012x}-1");
    let envelope = Envelope {
        runs: &[Run { first: 1, id: &run }],
        app_id: "boards",
        headers: Table::EMPTY,
        persistent: false,
    };
    let mut figures = Figures::new(seed ^ n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    // Boards are spread over the second.
    let phase = Duration::from_nanos(1_000_000_000 * n / count.max(1));
    let mut second = shared.start.elapsed().as_secs() + 1;
    let (mut told, mut is_ready, mut body) = (0, false, String::new());
    loop {
        let now = shared.now();
        if client.deadline().is_some_and(|at| at <= now) {
            client.timed_out(now);
        }
        while past > 0 && outbox.counters().pending < WINDOW {
            figures.report(&name, &mut body);
            outbox.push(unix_ms() - past * 1000, body.as_bytes())?;
            past -= 1;
            shared.published.update(|n| n + 1);
        }
        let due = shared.start + Duration::from_secs(second) + phase;
        if time::Instant::now() >= due && second < shared.end_s.get() {
            second += 1;
            figures.report(&name, &mut body);
            outbox.push(unix_ms(), body.as_bytes())?;
            shared.published.update(|n| n + 1);
        }
        while let Some(event) = delivery::settle(&mut client, &mut outbox, now) {
            if let Event::Ended(result) = event {
                return Ok(result?);
            }
        }
        delivery::publish_waiting(&mut client, &mut outbox, envelope, now);
        let counters = outbox.counters();
        if !is_ready && past == 0 && counters.confirmed > 0 {
            is_ready = true;
            shared.ready.update(|n| n + 1);
        }
        shared.confirmed.update(|n| n + counters.confirmed - told);
        told = counters.confirmed;
        let is_over = second >= shared.end_s.get();
        if is_over && counters.pending == 0 {
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
        let next = (!is_over).then(|| shared.start + Duration::from_secs(second) + phase);
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
