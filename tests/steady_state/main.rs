//! In the steady state nothing is allocated, nothing grows, and nobody is woken without need.
#![allow(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod chasar;
mod counting;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::thread::JoinHandleExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use counting::Counted;
use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use psistats::life::context::Mode;
use psistats::life::notify::Manager;
use psistats::life::run::{Options, run};
use psistats::net::tls::{Buffers, Handshake, Step, config};
use psistats::settings::Configuration;
use psistats_host::conf::tls::Tls;
use psistats_host::figures::{FIGURES, Tick};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use support::PATIENCE;
use support::agent::Config;
use support::boards::Sampler;
use support::broker::Broker;
use support::consumer::Tap;
use support::master::Master;
use support::memory::Memory;
use support::pki::{LOCALHOST, P256, Pki, VALID};
use support::process::Process;
use support::proxy::{Direction, Proxy};
use support::refusing::Refusing;
use support::reports::{Counters, read_past, sequence};
use support::service_manager::ServiceManager;
use tempfile::TempDir;

/// The whole agent on a thread of this process, its allocations counted; a service manager listens.
struct Inside {
    thread: JoinHandle<std::io::Result<()>>,
    allocations: Counted,
    log: PathBuf,
    manager: ServiceManager,
    _dir: TempDir,
}

impl Inside {
    /// Both timers run fast: ten milliseconds, and twenty. Reports have every further figure.
    fn start(config: &Config) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let log = dir.path().join("log");
        let handler = format!("class=FileHandler\nargs=({:?},)\n", log.display());
        let config = config
            .clone()
            .set("app", "primary_timer", "0.01")
            .set("app", "secondary_timer", "0.02")
            .text("[logging]\nkeys=root\n[logger_root]\nlevel=INFO\nhandlers=file\n[handler_file]\n")
            .text(&handler);
        let config = FIGURES.iter().fold(config, |config, figure| {
            let (section, switch) = figure.switch();
            config.set(section, switch, "yes").set(section, "interval", "0.01")
        });
        let value = dir.path().join("value");
        fs::write(&value, "{\"celsius\": 21.5}\n").unwrap();
        let config = config
            .set("net", "counters", "yes")
            .set("diskio", "counters", "yes")
            .set("ipaddr", "ipv6", "yes")
            .set("tags", "site", "garage")
            .set("value:room", "file", value.display())
            .set("value:room", "interval", "0.01");
        let file = dir.path().join("psistats.conf");
        fs::write(&file, config.to_string()).unwrap();
        let manager = ServiceManager::at_a_path();
        let socket = manager.socket.clone();
        let allocations = Counted::default();
        let thread = thread::spawn(move || {
            allocations.begin();
            let mut configuration = Configuration::new(Some(file));
            let loaded = configuration.load().unwrap();
            let manager = Manager::new(&socket, Some(Duration::from_millis(30))).unwrap();
            let (mode, launcher, socket) = (Mode::Send, None, None);
            run(Options { loaded, configuration, root: "/".into(), mode, launcher, manager, socket })
        });
        Self { thread, allocations, log, manager, _dir: dir }
    }

    fn allocations(&self) -> u64 {
        self.allocations.so_far()
    }

    fn signal(&self, signal: Signal) {
        pthread_kill(self.thread.as_pthread_t(), signal).unwrap();
    }

    /// Asks for the counters until they are as wanted.
    fn wait_for(&self, what: &str, wanted: impl Fn(Counters) -> bool) -> Counters {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline && !self.thread.is_finished(), "no {what}: {:?}", self.lines());
            if let Some(counters) = Counters::last(&self.lines())
                && wanted(counters)
            {
                return counters;
            }
            // Before its first line it may not have taken charge of its signals.
            if !self.lines().is_empty() {
                self.signal(Signal::SIGUSR1);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.log).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn stop(self) {
        self.signal(Signal::SIGTERM);
        self.thread.join().unwrap().unwrap();
    }
}

/// One agent at a time in this process: they share the one logger.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_thousand_reports_are_sampled_sent_and_confirmed_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let agent = Inside::start(&Config::new(broker.port, &vhost));

    let warm = reading.take(200, PATIENCE);
    let before = agent.allocations();
    assert!(before > 0, "the allocator does not count");
    let heard = agent.manager.heard().len();
    let steady = reading.take(1000, PATIENCE);
    assert_eq!(agent.allocations() - before, 0, "allocations over 1,000 reports");
    agent.manager.wait_for_after(heard, "WATCHDOG=1");
    agent.manager.wait_for_after(heard, "STATUS=");

    assert!(steady.iter().all(|m| m.body["tags"]["site"] == "garage"));
    assert!(
        steady.iter().filter(|m| m.body.get("room").is_some_and(|room| room["celsius"] == 21.5)).count()
            > 900
    );
    let with_addresses = steady.iter().filter(|m| m.body.get("ipaddr").is_some()).count();
    assert!(with_addresses > 100, "of 1,000 reports {with_addresses} were secondary ones");
    let sequences: Vec<_> = warm.iter().chain(&steady).map(sequence).collect();
    assert_eq!(sequences, (1..=1200).collect::<Vec<_>>());
    agent.stop();
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_thousand_reports_in_messages_of_several_take_not_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let agent = Inside::start(&Config::new(broker.port, &vhost).set("message", "batch", 4));
    reading.take(50, PATIENCE);
    let before = agent.allocations();
    assert!(before > 0, "the allocator does not count");
    let steady = reading.take(250, PATIENCE);
    assert_eq!(agent.allocations() - before, 0, "allocations over 1,000 reports");
    let count: usize = steady.iter().map(|message| message.body.as_array().unwrap().len()).sum();
    assert!(count > 900, "{count} reports in 250 messages");
    agent.stop();
}

#[test]
#[ignore = "needs RabbitMQ and openssl: tests/run"]
fn a_thousand_reports_over_tls_are_sampled_sent_and_confirmed_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let pki = Pki::default();
    pki.issue("broker", "ca", P256, VALID, LOCALHOST);
    let broker = Broker::tls(&pki, "broker", &[]);
    let reading = Tap::new(broker.port, "/").open();
    let config = Config::new(broker.tls_port, "/").set("server", "tls", "yes");
    let agent = Inside::start(&config.set("server", "tls_ca", pki.cert("ca").display()));

    reading.take(200, PATIENCE);
    let before = agent.allocations();
    assert!(before > 0, "the allocator does not count");
    reading.take(1000, PATIENCE);
    assert_eq!(agent.allocations() - before, 0, "allocations over 1,000 reports");
    assert!(agent.lines().iter().any(|line| line.contains("over TLS 1.3")), "{:?}", agent.lines());
    agent.stop();
}

#[test]
fn records_tickets_and_new_keys_of_both_ends_take_not_one_allocation() {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
    let chain = vec![CertificateDer::from_pem_file(file("ecdsa.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("ecdsa.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
    server.send_tls13_tickets = 4;
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    let config = config(&Tls { ca: Some(file("ca.pem")), ..Tls::default() }).unwrap();
    let mut buffers = Buffers::default();
    buffers.prepare();
    let mut client = Handshake::new(config, "localhost", &mut buffers).unwrap();
    let mut to_client = Vec::new();
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
    let mut allocations = 0;
    for n in 0..1000 {
        if n % 100 == 50 {
            server.refresh_traffic_keys().unwrap();
        }
        server.writer().write_all(b"a confirm").unwrap();
        to_client.clear();
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
        allocations += Counted::over(|| {
            let mut read = [0; 100];
            session.recv_space()[..to_client.len()].copy_from_slice(&to_client);
            session.received(to_client.len());
            assert_eq!(session.read(&mut read).unwrap(), Some(9));
            assert_eq!(session.read(&mut read).unwrap(), None);
            if n % 100 == 70 {
                session.refresh().unwrap();
            }
            assert_eq!(session.write(&[b'x'; 200]).unwrap(), 200);
        });
        give(&mut server, session.outgoing());
        session.sent(session.outgoing().len());
    }
    assert_eq!(allocations, 0, "over 1,000 records each way, 4 tickets and 30 new keys");
}

fn give(server: &mut ServerConnection, mut octets: &[u8]) {
    while !octets.is_empty() {
        server.read_tls(&mut octets).unwrap();
        server.process_new_packets().unwrap();
        let _ = server.reader().read_to_end(&mut Vec::new());
    }
}

#[test]
fn figures_are_read_again_and_looked_for_again_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/boards");
    let configuration: String =
        FIGURES.iter().map(|figure| format!("[{}]\nenabled=yes\ninterval=0.001\n", figure.name)).collect();
    let (settings, _) = psistats::settings::parse(configuration.as_bytes(), Path::new("f")).unwrap();
    let tick = |n: u64| {
        let now = psistats_core::time::Instant::from_nanos(n * 1_000_000_000);
        Tick { unix_ms: 0, now, due: now, secondary: true }
    };
    // With sensors, without a fan, with sensors that do not answer.
    for board in ["rpi5-b-hwmon-haos", "rpi4-b-bullseye-5.10", "made-broken"] {
        let mut sampler = Sampler::open(&boards.join(board), &settings.reports);
        sampler.prime(tick(1).now);
        // Tells what is missing.
        sampler.report(tick(2));
        let allocations = Counted::over(|| {
            for n in 3..100 {
                sampler.report(tick(n));
            }
        });
        assert_eq!(allocations, 0, "{board}");
        let report = std::str::from_utf8(sampler.report(tick(100))).unwrap();
        assert!(report.contains("\"sensors\":") && report.contains("\"fan\":"), "{report}");
    }
}

#[test]
fn an_outage_is_sampled_into_the_ring_and_over_its_end_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let nobody = Refusing::new();
    let config = Config::new(nobody.port, "/")
        .set("app", "retry_timer", 3600) // the next attempt allocates: not within this test
        .set("backlog", "bytes", 8192);
    let agent = Inside::start(&config);

    let before = agent.wait_for("first reports", |c| c.sampled > 5);
    let allocations = agent.allocations();
    let after = agent.wait_for("dropped reports", |c| c.sampled > before.sampled + 300 && c.dropped > 100);
    assert_eq!(agent.allocations() - allocations, 0, "allocations while {before:?} became {after:?}");
    agent.manager.wait_for("WATCHDOG=1");
    assert_eq!(after.sampled, after.confirmed + after.dropped + after.pending);
    let refusals =
        agent.lines().iter().filter(|line| line.contains("refused") && !line.contains("sampled=")).count();
    assert_eq!(refusals, 1, "{:?}", agent.lines());
    agent.stop();
}

#[test]
fn an_outage_is_written_to_the_spool_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let nobody = Refusing::new();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let spool = folder.path().join("spool");
    let config = Config::new(nobody.port, "/")
        .set("app", "retry_timer", 3600) // the next attempt allocates: not within this test
        .set("backlog", "bytes", 65_536)
        .set("backlog", "file", spool.display())
        .set("backlog", "spool_interval", 1);
    let agent = Inside::start(&config);
    let read = || fs::read(&spool).unwrap_or_default();
    let written = || {
        let before = read();
        let deadline = Instant::now() + PATIENCE;
        while read() == before {
            assert!(Instant::now() < deadline, "nothing is written: {:?}", agent.lines());
            thread::sleep(Duration::from_millis(10));
        }
    };

    agent.wait_for("first reports", |c| c.sampled > 5);
    written();
    let before = agent.wait_for("reports", |_| true);
    let allocations = agent.allocations();
    written();
    written();
    let after = agent.wait_for("dropped reports", |c| c.dropped > before.dropped + 100);
    assert_eq!(agent.allocations() - allocations, 0, "allocations while {before:?} became {after:?}");
    agent.stop();
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn reports_and_messages_to_a_master_node_are_made_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let nobody = Refusing::new();
    let master = Master::start(0);
    let config = Config::new(nobody.port, "/")
        .set("app", "retry_timer", 3600) // the next attempt allocates: not within this test
        .set("chasar", "enabled", "yes")
        .set("chasar", "port", master.port)
        .set("chasar", "interval", "0.01");
    let agent = Inside::start(&config);

    master.wait_for_messages(20);
    let before = agent.wait_for("first reports", |c| c.sampled > 20);
    let allocations = agent.allocations();
    master.wait_for_messages(300);
    let after = agent.wait_for("reports", |c| c.sampled > before.sampled + 200);
    assert_eq!(agent.allocations() - allocations, 0, "allocations while {before:?} became {after:?}");
    agent.stop();
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_handshake_and_a_backlog_of_hundreds_go_out_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    proxy.stall(Direction::FromServer);
    let agent = Inside::start(&Config::new(proxy.port, &vhost).set("backlog", "bytes", 1_048_576));

    let before = agent.wait_for("backlog", |c| c.pending >= 200);
    assert_eq!(proxy.accepted(), 1, "the handshake's deadline has passed: {:?}", agent.lines());
    let allocations = agent.allocations();
    proxy.resume(Direction::FromServer);
    let backlog = reading.take(before.pending as usize, PATIENCE);
    agent.wait_for("confirmation of the backlog", |c| c.confirmed >= before.pending);
    assert_eq!(agent.allocations() - allocations, 0, "allocations while a backlog was sent");
    assert_eq!(proxy.accepted(), 1);
    let sequences: Vec<_> = backlog.iter().map(sequence).collect();
    assert_eq!(sequences, (1..=before.pending).collect::<Vec<_>>());
    agent.stop();
}

/// The static binary, as boards get it, against `broker`.
struct Shipped {
    process: Process,
    _dir: TempDir,
}

impl Shipped {
    fn start(config: &Config) -> Self {
        let program = support::project::target("boards").join("x86_64-unknown-linux-musl/psistats");
        assert!(program.exists(), "{} is missing: boards/build makes it", program.display());
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let file = dir.path().join("psistats.conf");
        fs::write(&file, config.to_string()).unwrap();
        let process = Process::start(Command::new(program).arg("start-local").arg("--config").arg(&file));
        Self { process, _dir: dir }
    }
}

fn descriptors(process: &Process) -> usize {
    fs::read_dir(format!("/proc/{}/fd", process.pid())).unwrap().count()
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn once_a_name_is_resolved_there_is_one_thread_of_little_memory_that_wakes_at_most_three_times_a_second() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost)
        .set("server", "host", "localhost")
        .set("app", "primary_timer", 1)
        .set("app", "secondary_timer", 5);
    let agent = Shipped::start(&config);

    read_past(&reading, 2);
    let wakes = || agent.process.status("voluntary_ctxt_switches");
    let (threads, before) = (agent.process.status("Threads"), wakes());
    read_past(&reading, 12);
    let wakes = wakes() - before;
    assert_eq!((threads, agent.process.status("Threads")), (1, 1));
    assert!(wakes <= 30, "{wakes} context switches for 10 reports, one a second");
    let memory = Memory::of(&agent.process);
    assert!(memory.resident < 2048, "{memory:?} KiB");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_thousand_reports_leave_the_memory_of_the_static_binary_as_it_was() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost)
        .set("app", "primary_timer", "0.005")
        .set("app", "secondary_timer", "0.01")
        .set("backlog", "bytes", 8192); // all of its pages are soon in use
    let agent = Shipped::start(&config);

    read_past(&reading, 300);
    let before = Memory::of(&agent.process);
    read_past(&reading, 1300);
    let after = Memory::of(&agent.process);
    assert_eq!((after.anonymous, after.data), (before.anonymous, before.data), "KiB");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fifty_reconnects_leave_no_descriptor_and_no_memory_behind() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    let config = Config::new(proxy.port, &vhost)
        .set("server", "host", "localhost") // each attempt resolves it on a thread
        .set("app", "retry_timer", "0.02")
        .set("backlog", "bytes", 8192);
    let agent = Shipped::start(&config);

    let mut last = 0;
    let mut flap = |times: usize| {
        for _ in 0..times {
            last = sequence(&read_past(&reading, last + 1));
            let so_far = proxy.accepted();
            proxy.reset();
            let deadline = Instant::now() + PATIENCE;
            while proxy.accepted() == so_far {
                assert!(Instant::now() < deadline, "no new connection: {:?}", agent.process.lines());
                thread::sleep(Duration::from_millis(2));
            }
        }
        // The second report of a connection: nothing of the first one is under way.
        last = sequence(&read_past(&reading, last + 1));
        last = sequence(&read_past(&reading, last + 1));
        (descriptors(&agent.process), agent.process.status("Threads"), Memory::of(&agent.process))
    };
    let (descriptors, threads, memory) = flap(10);
    let after = flap(50);
    assert_eq!((after.0, after.1), (descriptors, threads), "descriptors, threads");
    after.2.assert_not_above(memory);
}
