//! One agent that meets a series of faulty peers, with a correct one after each.

use std::time::{Duration, Instant};

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, connection};
use nix::sys::signal::Signal;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::scripted::{Peer, Publish, ScriptedBroker, Step};

/// The reports that a correct peer reads before the next faulty one.
const REPORTS: usize = 3;

/// The agent, the broker that it connects to, and the unconfirmed reports.
pub struct Walk {
    pub broker: ScriptedBroker,
    pub agent: Agent,
    config: Config,
    /// The first unconfirmed sequence number.
    pub next: u64,
}

/// How soon the agent should reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    Soon,
    /// After at least half a minute, unless the configuration is reloaded.
    Slow,
}

impl Walk {
    /// Starts an agent.
    pub fn start() -> Self {
        Self::with(|config| config)
    }

    /// Starts an agent with further settings.
    pub fn with(settings: impl FnOnce(Config) -> Config) -> Self {
        let broker = ScriptedBroker::new();
        let config = settings(Config::new(broker.port, "/"));
        let agent = Agent::start(&config, &[]);
        Self { broker, agent, config, next: 1 }
    }

    /// Plays `fault` to the agent's next connection. Asserts that one line has the address and `words`, that
    /// the next attempt comes as `retry` says, and that the next connection works.
    pub fn survives(&mut self, words: &str, retry: Retry, fault: impl FnOnce(&mut Peer)) {
        let mut peer = self.broker.accept();
        fault(&mut peer);
        self.says(words, retry);
        if retry == Retry::Slow {
            // Without a reload, the next attempt would come after half a minute.
            self.agent.reload(&self.config);
        }
        self.delivers();
    }

    /// Waits for a line with `words`, and asserts that there is only one.
    pub fn says(&self, words: &str, retry: Retry) -> String {
        let line = self.agent.wait_for_line(words, PATIENCE);
        assert!(line.contains(&format!("127.0.0.1:{}: ", self.broker.port)), "which broker? {line}");
        let (level, wait) = (if retry == Retry::Slow { " ERROR " } else { " WARNING " }, wait_s(&line));
        assert!(line.contains(level), "expected{level}in {line}");
        assert_eq!(wait >= 30.0, retry == Retry::Slow, "{line}");
        let lines = self.agent.lines();
        // The line of counters repeats the last error.
        let told = |line: &&String| line.contains(words) && !line.contains("sampled=");
        assert_eq!(lines.iter().filter(told).count(), 1, "once: {lines:#?}");
        line
    }

    /// Acts as a correct broker: asserts that everything unconfirmed arrives first and in order, and confirms
    /// some of it.
    pub fn delivers(&mut self) {
        let (mut peer, channel) = self.connects();
        let tag = REPORTS as u64;
        for _ in 0..tag {
            assert_eq!(sequence(&peer.read_publish()), self.next);
            self.next += 1;
        }
        peer.ack(channel, tag, true);
        end(&mut peer);
    }

    /// Accepts the next connection, up to the declarations and confirm mode, and returns it with its channel.
    pub fn connects(&self) -> (Peer, u16) {
        let mut peer = self.broker.accept();
        let (channel, select) = peer.handshake_until(Step::ConfirmSelect);
        peer.answer(channel, &select);
        (peer, channel)
    }

    /// Asks the agent for its counters, asserts that they add up, and returns the line.
    pub fn counters(&self) -> String {
        let count = || self.agent.lines().iter().filter(|line| line.contains("sampled=")).count();
        let before = count();
        self.agent.signal(Signal::SIGUSR1);
        let deadline = Instant::now() + PATIENCE;
        while count() == before {
            assert!(Instant::now() < deadline, "no counters after SIGUSR1");
            std::thread::sleep(Duration::from_millis(2));
        }
        let line = self.agent.lines().into_iter().rfind(|line| line.contains("sampled=")).unwrap();
        let sum = figure(&line, "confirmed") + figure(&line, "dropped") + figure(&line, "pending");
        assert_eq!(figure(&line, "sampled"), sum, "{line}");
        line
    }

    /// Asserts that nothing was dropped and that every confirm was counted, and stops the agent.
    pub fn ends_well(mut self) {
        let line = self.counters();
        assert_eq!((figure(&line, "dropped"), figure(&line, "confirmed")), (0, self.next - 1), "{line}");
        assert!(self.agent.stop().success());
    }
}

/// Closes a connection in order, so that the agent has received everything.
pub fn end(peer: &mut Peer) {
    peer.close(320, "CONNECTION_FORCED");
    let is_close_ok = |frame: &AMQPFrame| {
        matches!(frame, AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))))
    };
    while !is_close_ok(&peer.read()) {}
}

/// The sequence number at the end of a report's message id.
pub fn sequence(publish: &Publish) -> u64 {
    let id = publish.properties.message_id().as_ref().unwrap().to_string();
    id.rsplit('-').next().unwrap().parse().unwrap()
}

/// The seconds until the next attempt in a log line.
pub fn wait_s(line: &str) -> f32 {
    let (_, rest) =
        line.split_once("next attempt in ").unwrap_or_else(|| panic!("no next attempt in {line}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// A counter in the line of counters, such as `confirmed`.
pub fn figure(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}
