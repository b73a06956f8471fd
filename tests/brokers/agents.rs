//! Agents, what becomes of their reports, and what the broker says of them.

use std::process::Command;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::project;
use support::reports::Counters;

/// An agent's own queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Exclusive.
    Default,
    Durable,
    Quorum,
    Stream,
    /// Neither durable nor exclusive.
    Transient,
    /// The same, where the broker refuses it; exclusive then.
    Refused,
}

impl Kind {
    /// Whether nobody else may read or delete it.
    pub fn is_exclusive(self) -> bool {
        matches!(self, Kind::Default | Kind::Refused)
    }
}

/// An agent with a virtual host of its own, in which `count` gets all reports as well.
pub struct Publisher {
    agent: Agent,
    port: u16,
    pub vhost: String,
    pub kind: Kind,
    /// Reports of the time in which `count` was not bound, and what its own queue has may go with the broker.
    uncounted: (u64, u64),
}

impl Publisher {
    /// Starts one whose exchange is durable, and waits until it publishes: five reports a second.
    pub fn start(broker: &Broker, kind: Kind) -> Self {
        Self::start_every(broker, kind, "0.2")
    }

    /// The same with a report each so many seconds.
    pub fn start_every(broker: &Broker, kind: Kind, interval: &str) -> Self {
        let vhost = format!("{kind:?}").to_lowercase();
        broker.ctl(&["add_vhost", &vhost]);
        broker.ctl(&["set_permissions", "--vhost", &vhost, "guest", ".*", ".*", ".*"]);
        let port = broker.port;
        pika(port, &vhost, &["count", "declare"]);
        let mut config = Config::new(port, &vhost)
            .set("exchange", "durable", "yes")
            .set("message", "persistent", "yes")
            .set("app", "primary_timer", interval)
            .set("backlog", "bytes", 1 << 20);
        if kind != Kind::Default {
            let durable = matches!(kind, Kind::Durable | Kind::Quorum | Kind::Stream);
            let durable = if durable { "yes" } else { "no" };
            config = config
                .set("queue", "exclusive", "no")
                .set("queue", "autodelete", "no")
                .set("queue", "ttl", "");
            config = config.set("queue", "durable", durable).set("queue", "prefix", "psistats");
        }
        if let Some(queue_type) = match kind {
            Kind::Quorum => Some("quorum"),
            Kind::Stream => Some("stream"),
            _ => None,
        } {
            config = config.set("queue", "type", queue_type);
        }
        // The host name ends the queue's name, by which drain.py knows a stream.
        let publisher =
            Self { agent: Agent::on_board(&vhost, &config), port, vhost, kind, uncounted: (0, 0) };
        if kind == Kind::Refused {
            // It keeps its reports until the operator has done what it says.
            let advice = publisher.agent.wait_for_line("set [queue] exclusive=yes or durable=yes", PATIENCE);
            assert!(advice.contains("541"), "{advice}");
            publisher.agent.reload(&config.set("queue", "exclusive", "yes"));
        }
        publisher.wait_until_caught_up();
        publisher
    }

    /// Until all that was sampled by now is confirmed.
    pub fn wait_until_caught_up(&self) {
        let now = Counters::wait_for(&self.agent, |_| true);
        Counters::wait_for(&self.agent, |c| c.connection == "Ready" && c.confirmed > now.sampled);
    }

    pub fn wait_until_blocked(&self) {
        Counters::wait_for(&self.agent, |c| c.connection == "Blocked" && c.pending > 2);
    }

    /// Its own queue, where there is one that others may delete.
    pub fn delete_queue(&self, broker: &Broker) {
        if !self.kind.is_exclusive() {
            broker.ctl(&["delete_queue", "--vhost", &self.vhost, &self.queue()]);
        }
    }

    /// The exchange with the bindings of both queues. `count` is bound again: it is the oracle's.
    pub fn delete_exchange(&mut self) {
        let begin = Counters::wait_for(&self.agent, |_| true).sampled;
        pika(self.port, &self.vhost, &["count", "delete-exchange"]);
        pika(self.port, &self.vhost, &["count", "declare"]);
        self.uncounted = (begin, Counters::wait_for(&self.agent, |_| true).sampled);
    }

    /// Stops it, and counts its reports in the queues.
    pub fn stop(mut self) -> Counted {
        assert_eq!(self.agent.stop().code(), Some(0), "{:#?}", self.agent.lines());
        let end = Counters::last(&self.agent.lines()).unwrap();
        assert_eq!((end.dropped, end.pending), (0, 0), "{end:?}");
        let mut counted = Counted::of(&pika(self.port, &self.vhost, &["count"]), end.sampled);
        // The others are gone with their connection or their broker, or were refused.
        if matches!(self.kind, Kind::Durable | Kind::Quorum | Kind::Stream) {
            counted.also(&pika(self.port, &self.vhost, &[&self.queue()]));
        } else {
            counted.forgive(self.uncounted);
        }
        assert!(counted.most() <= 1 + TROUBLES, "{counted:?}");
        counted
    }

    fn queue(&self) -> String {
        format!("psistats.{}", self.vhost)
    }
}

/// Reports by number, and the most copies of each that a queue has.
#[derive(Debug)]
pub struct Counted(Vec<usize>);

impl Counted {
    /// Of message ids, one a line; there were `sampled` reports.
    pub fn of(ids: &str, sampled: u64) -> Self {
        let mut counted = Self(vec![0; usize::try_from(sampled).unwrap()]);
        counted.also(ids);
        counted
    }

    /// Of another queue.
    pub fn also(&mut self, ids: &str) {
        let mut copies = vec![0; self.0.len()];
        for id in ids.lines() {
            copies[id.rsplit('-').next().unwrap().parse::<usize>().unwrap() - 1] += 1;
        }
        for (most, copies) in self.0.iter_mut().zip(copies) {
            *most = copies.max(*most);
        }
    }

    /// Leaves out the reports after one and until another, for want of an oracle.
    fn forgive(&mut self, (after, until): (u64, u64)) {
        for (number, copies) in (1_u64..).zip(&mut self.0) {
            if number > after && number <= until {
                *copies = (*copies).max(1);
            }
        }
    }

    /// All reports.
    pub fn sampled(&self) -> usize {
        self.0.len()
    }

    /// Reports that are in no queue.
    pub fn lost(&self) -> usize {
        self.0.iter().filter(|copies| **copies == 0).count()
    }

    /// Reports of which a queue has more than one copy.
    pub fn twice(&self) -> usize {
        self.0.iter().filter(|copies| **copies > 1).count()
    }

    /// The most copies of one report.
    pub fn most(&self) -> usize {
        self.0.iter().copied().max().unwrap_or_default()
    }
}

/// The troubles that end a connection, so that what was not confirmed is sent again.
const TROUBLES: usize = 3;

/// What a broker logs of clients that break the protocol, but for what the test does on purpose.
pub fn complaints(log: &str, kinds: &[Kind]) -> Vec<String> {
    let words = ["exception", "bad_header", "frame", "handshake", "missed heartbeats", "unexpected_method"];
    let is_one = |line: &&str| {
        (line.contains("[error]") || line.contains("[warning]"))
            && words.iter().any(|word| line.contains(word))
    };
    // The deleted exchange, the stopped broker, and the refused queue.
    let meant = |line: &&str| {
        line.contains("not_found")
            || line.contains("connection_forced")
            || (kinds.contains(&Kind::Refused) && line.contains("connection exception"))
    };
    log.lines().filter(is_one).filter(|line| !meant(line)).map(str::to_owned).collect()
}

fn pika(port: u16, vhost: &str, arguments: &[&str]) -> String {
    let mut python = Command::new("/usr/bin/python3");
    python.arg(project::path("tests/brokers/drain.py")).arg(port.to_string()).arg(vhost).args(arguments);
    output(&mut python)
}

/// What a command prints, which succeeds.
pub fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
