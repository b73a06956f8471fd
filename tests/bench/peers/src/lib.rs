//! What all publishers have in common: the task, the message, and the line of results.
//!
//! `NAME PORT VHOST COUNT` connects to 127.0.0.1 as guest, declares the agent's default exchange and
//! queue, publishes `COUNT` times [`BODY`], mandatory, with at most [`WINDOW`] unconfirmed, and
//! prints one line of JSON when the last confirm is there. Anything returned or refused is a failure.

use std::process::exit;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// A report of the agent, 120 bytes.
pub const BODY: &[u8; 120] = br#"{"hostname":"raspberrypi-livingroom","cpu":24.1,"mem":34.1,"cpu_temp":72.4,"uptime":130583.1,"ipaddr":["192.168.1.101"]}"#;
/// Most messages without a confirm.
pub const WINDOW: u64 = 1000;
/// Topic, neither durable nor deleted on its own.
pub const EXCHANGE: &str = "psistats";
/// Exclusive, deleted with its connection, not durable; bound under its own name.
pub const QUEUE: &str = "psistats.bench";
/// `x-message-ttl` of the queue, milliseconds.
pub const TTL: i32 = 10_000;

/// What to do.
pub struct Task {
    /// Port of the broker.
    pub port: u16,
    /// Virtual host.
    pub vhost: String,
    /// Messages to publish.
    pub count: u64,
}

impl Task {
    /// From the command line; a wrong one ends the program.
    pub fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).collect();
        if let [port, vhost, count] = args.as_slice()
            && let (Ok(port), Ok(count)) = (port.parse(), count.parse())
        {
            return Self { port, vhost: vhost.clone(), count };
        }
        eprintln!("expected PORT VHOST COUNT, got {args:?}");
        exit(2)
    }
}

/// Measures from the first publish to the last confirm.
pub struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    /// Call when everything is declared.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu() }
    }

    /// Call when everything is confirmed: prints the line of results.
    pub fn finish(self, client: &str, messages: u64) {
        let wall = self.wall.elapsed().as_secs_f64();
        let cpu_us = (cpu() - self.cpu).as_micros();
        let max_rss_kb = max_rss_kb();
        println!(
            r#"{{"client":"{client}","messages":{messages},"wall_s":{wall:.6},"cpu_us":{cpu_us},"max_rss_kb":{max_rss_kb}}}"#
        );
    }
}

/// User and system time of all threads.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("getrusage cannot fail for oneself");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// Most resident memory, in KiB. Not getrusage's: that one still knows the program that called exec.
fn max_rss_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("VmHWM is a number of kB")
}
