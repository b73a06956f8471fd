//! The program's counters, and comparisons of them with the broker's queue.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Collector, Message, Tap};
pub use support::reports::{Counters, sequence};

/// The present counters.
pub fn counters(agent: &Agent) -> Counters {
    // Before its first line, the signal would end the program.
    agent.wait_for_line(concat!("psistats ", env!("CARGO_PKG_VERSION")), PATIENCE);
    let seen = agent.lines().len();
    agent.signal(Signal::SIGUSR1);
    Counters::parse(&agent.wait_for_line_after(seen, "sampled=", PATIENCE)).expect("counters")
}

/// Waits until the counters satisfy `is_so`, and returns them.
pub fn wait_until(agent: &Agent, what: &str, is_so: impl Fn(&Counters) -> bool) -> Counters {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = counters(agent);
        if is_so(&now) {
            return now;
        }
        assert!(Instant::now() < deadline, "not {what}, but {now:?}:\n{}", news(agent).join("\n"));
        thread::sleep(Duration::from_millis(20)); // between two looks
    }
}

/// Waits until everything sampled until now is confirmed, or was dropped.
pub fn wait_until_caught_up(agent: &Agent) -> Counters {
    let now = counters(agent);
    wait_until(agent, "caught up", |c| c.connection == "Ready" && c.confirmed + c.dropped > now.sampled)
}

/// Waits until the agent is connected and publishes.
pub fn started(config: &Config) -> Agent {
    let agent = Agent::start(config, &[]);
    wait_until_caught_up(&agent);
    agent
}

/// The number of connections that were made.
pub fn connections_made(agent: &Agent) -> usize {
    agent.lines().iter().filter(|line| line.contains("connected to") && !line.contains("sampled=")).count()
}

/// Sends SIGTERM, asserts a quick and successful end, and returns the final counters.
pub fn stop(agent: &mut Agent) -> Counters {
    let begin = Instant::now();
    let status = agent.stop();
    let took = begin.elapsed();
    println!("stopped after {} ms", took.as_millis());
    let lines = agent.lines();
    assert_eq!(status.code(), Some(0), "{}", news(agent).join("\n"));
    assert!(took < Duration::from_secs(10), "a stop took {took:?}:\n{}", news(agent).join("\n"));
    let stopping = lines.iter().position(|line| line.ends_with("stopping")).expect("it says that it stops");
    Counters::last(&lines[stopping..]).expect("last counters")
}

/// A configuration whose reports stay in a durable queue that the test can read.
pub fn kept(port: u16, vhost: &str) -> Config {
    Config::new(port, vhost).durable().set("message", "persistent", "yes")
}

/// The queue of [`kept`].
pub fn kept_queue(port: u16, vhost: &str) -> Tap {
    Tap::new(port, vhost).exchange("psistats", true).durable_queue(&queue_name())
}

/// The name of the program's queue, with the prefix `psistats`.
pub fn queue_name() -> String {
    format!("psistats.{}", nix::unistd::gethostname().unwrap().to_str().unwrap())
}

/// The messages up to number `last`.
pub fn messages_to(collector: &Collector, last: u64) -> Vec<Message> {
    let mut messages = Vec::new();
    while messages.last().map(sequence) != Some(last) {
        messages.push(collector.next(PATIENCE).expect("the last report"));
    }
    messages
}

/// Minimum bytes of a report in the backlog.
pub const REPORT_BYTES: u64 = 80;

/// Asserts that the reports are in order and without a gap, and returns the first and the last number. On a new
/// connection, numbers may be repeated.
pub fn in_order(messages: &[Message]) -> (u64, u64) {
    let numbers: Vec<u64> = messages.iter().map(sequence).collect();
    let first = *numbers.first().expect("messages");
    let mut newest = first - 1;
    for number in &numbers {
        assert!((first..=newest + 1).contains(number), "{number} after {newest} in {numbers:?}");
        newest = newest.max(*number);
    }
    (first, newest)
}

/// Asserts that the queue holds every confirmed report, from the first one on.
pub fn assert_kept(queue: &Tap, counters: &Counters) -> Vec<Message> {
    assert_eq!(counters.dropped, 0, "{counters:?}");
    let messages = queue.drain();
    let (first, newest) = in_order(&messages);
    assert_eq!(first, 1);
    assert!(newest >= counters.confirmed, "{newest} are stored of {counters:?}");
    println!("{counters:?}, {} messages", messages.len());
    messages
}

/// Asserts that the program's connections to a virtual host were closed without a warning in the broker's log.
pub fn assert_closed_in_order(broker: &Broker, vhost: &str) {
    let ends = |log: String| {
        let is_ours = |line: &&str| {
            line.contains("closing AMQP connection")
                && line.contains(&format!("{}, vhost: '{vhost}'", queue_name()))
        };
        log.lines().filter(is_ours).map(str::to_owned).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + PATIENCE;
    while ends(broker.log()).is_empty() {
        assert!(Instant::now() < deadline, "the broker tells of no end:\n{}", broker.log());
        thread::sleep(Duration::from_millis(20)); // between two looks
    }
    let ends = ends(broker.log());
    assert!(ends.iter().all(|line| line.contains("[info]")), "{ends:#?}");
}

/// The lines that the program logged by itself, without those of counters.
fn news(agent: &Agent) -> Vec<String> {
    agent.lines().into_iter().filter(|line| !line.contains("sampled=")).collect()
}
