//! `flood PORT VHOST COUNT`: the agent's own publisher, fed as fast as it takes reports.
//!
//! The same task, window, message and line of results as the programs in `peers/`.

#![allow(clippy::expect_used)]

use std::cell::Cell;
use std::error::Error;
use std::fs;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use psistats::life::connection::Connection;
use psistats::life::context::{Mode, Shared};
use psistats::net::reactor::Reactor;
use psistats::outlets::amqp;
use psistats::settings::Settings;
use psistats_core::outbox::{Outbox, Run};
use psistats_host::conf::hosts::Host;
use smol::LocalExecutor;
use smol::future::zip;

/// What every message id begins with.
const RUN: &str = "5a14246a-69da-4eec-b180-ab0f81d3cafe-0";

const BODY: &[u8; 120] = br#"{"hostname":"raspberrypi-livingroom","cpu":24.1,"mem":34.1,"cpu_temp":72.4,"uptime":130583.1,"ipaddr":["192.168.1.101"]}"#;

/// Most messages without a confirm.
const WINDOW: u64 = 1000;

/// How often the outbox is filled up at least.
const REFILL: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [port, vhost, count] = args.as_slice() else { return Err("expected PORT VHOST COUNT".into()) };
    let count: u64 = count.parse()?;
    let mut settings = Settings::default();
    settings.server.hosts = vec![Host { name: "127.0.0.1".into(), port: port.parse()? }];
    settings.server.vhost = vhost.clone();
    settings.backlog.bytes = 1024 * 1024;

    let reactor = Reactor::new()?;
    let shared = Shared::new(&reactor, settings, Mode::Send)?;
    shared.replace_hostname("bench");
    let begin = Cell::new(None);
    let timer = reactor.timer()?;
    // Asked whenever the publisher has been: it stands behind it in the same task.
    let feed = poll_fn(|cx| {
        if shared.connection.get() == Connection::Ready {
            if begin.get().is_none() {
                begin.set(Some((Instant::now(), cpu_ns())));
            }
            if fill(&mut shared.outbox.borrow_mut(), count) {
                shared.publishing.notify();
            }
            if shared.outbox.borrow().counters().confirmed == count {
                shared.stop();
                return Poll::Ready(());
            }
        }
        // The connection becomes ready without telling anybody but the log.
        let _ = timer.poll_at(Some(reactor.now() + REFILL), cx);
        Poll::Pending
    });
    let (published, ()) = reactor
        .block_on(LocalExecutor::new().run(zip(amqp::run(&shared, &[Run { first: 1, id: RUN }]), feed)))?;
    published?;
    let (wall, cpu) = begin.get().ok_or("the broker was never ready")?;
    println!(
        r#"{{"client":"psistats","messages":{count},"wall_s":{:.6},"cpu_us":{},"max_rss_kb":{}}}"#,
        wall.elapsed().as_secs_f64(),
        (cpu_ns() - cpu) / 1000,
        max_rss_kb(),
    );
    Ok(())
}

/// Fills the outbox up to the window; whether anything was added.
fn fill(outbox: &mut Outbox<Box<[u8]>>, count: u64) -> bool {
    let before = outbox.counters().sampled;
    while outbox.counters().sampled < count && outbox.counters().pending < WINDOW {
        outbox.push(1_700_000_000_000, BODY).expect("the ring holds the window");
    }
    outbox.counters().sampled > before
}

/// Time on a processor of this one thread, user and system, in nanoseconds.
fn cpu_ns() -> u64 {
    let stat = fs::read_to_string("/proc/self/schedstat").expect("/proc is mounted");
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).expect("schedstat begins with nanoseconds")
}

fn max_rss_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}
