//! Reports in a spool outlive the agent: in order, under their own ids, each once.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::watch::{Counters, counters, kept, kept_queue, sequence, stop, wait_until, wait_until_caught_up};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Message;
use support::proxy::Proxy;
use support::refusing::Refusing;

/// Log level DEBUG, at which each write of the spool is a line.
const EVERY_WRITE: &str = "
[logging]
keys=root
[logger_root]
level=DEBUG
handlers=out
[handler_out]
class=StreamHandler
";

/// A folder for a spool, and a port at which a broker may appear.
struct Outage {
    folder: TempDir,
    port: Refusing,
}

impl Outage {
    fn new() -> Self {
        Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), port: Refusing::new() }
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// Reports 20 a second; a spool that is written each second.
    fn config(&self, vhost: &str) -> Config {
        kept(self.port.port, vhost)
            .set("backlog", "file", self.spool().display())
            .set("backlog", "spool_interval", 1)
            .set("message", "timestamp", "yes")
    }

    /// What has arrived at the broker when everything has that the agent of `config` has.
    fn end(self, broker: &Broker, vhost: &str, config: &Config) -> (Agent, Counters, Vec<Message>) {
        let mut agent = Agent::start(config, &[]);
        agent.wait_for_line("reports restored", PATIENCE);
        let _proxy = Proxy::on(self.port.listen(), broker.port);
        wait_until_caught_up(&agent);
        let end = stop(&mut agent);
        assert_eq!((end.pending, end.dropped), (0, 0), "{end:?}");
        (agent, end, kept_queue(broker.port, vhost).drain())
    }
}

/// The number before `words` in the last line that has them.
fn number(agent: &Agent, words: &str) -> u64 {
    let lines = agent.lines();
    let before = lines.iter().rev().find_map(|line| line.split_once(words)).expect(words).0;
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

fn says(agent: &Agent, words: &str) -> bool {
    agent.lines().iter().any(|line| line.contains(words))
}

/// Asserts that the messages of each run follow one another, up to the next run, from number 1 on; and gives how many
/// each has.
fn runs(messages: &[Message]) -> Vec<u64> {
    let run = |message: &Message| message.message_id.clone().unwrap().rsplit_once('-').unwrap().0.to_owned();
    let runs: Vec<Vec<u64>> =
        messages.chunk_by(|a, b| run(a) == run(b)).map(|run| run.iter().map(sequence).collect()).collect();
    for numbers in &runs {
        assert_eq!(*numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    }
    let mut before_s = 0.0;
    for message in messages {
        let ts = message.body["ts"].as_f64().unwrap();
        assert!(
            ts > before_s && message.timestamp.map(|s| s as f64) == Some(ts.floor()),
            "{message:?} after {before_s}"
        );
        before_s = ts;
    }
    runs.iter().map(|numbers| numbers.len() as u64).collect()
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn stops_and_starts_without_a_broker_lose_nothing_and_each_report_comes_once_in_order_under_its_own_id() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let outage = Outage::new();
    let config = outage.config(&vhost);
    let mut pending = 0;
    let mut made = Vec::new();
    for start in 0..2 {
        // A ring of another size has a spool of another size.
        let config = config.clone().set("backlog", "bytes", 131_072 >> start);
        let mut agent = Agent::start(&config, &[]);
        wait_until(&agent, "keeping more", |c| c.pending > pending + 20);
        if start > 0 {
            assert_eq!(number(&agent, " reports restored"), pending);
        }
        let end = stop(&mut agent);
        assert_eq!(
            (end.sampled, end.pending),
            (end.pending, number(&agent, " unconfirmed reports are kept"))
        );
        made.push(end.pending - pending);
        pending = end.pending;
        assert!(!says(&agent, "lost") && !says(&agent, "no spool"), "{:#?}", agent.lines());
        let mode = fs::metadata(outage.spool()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let (agent, end, messages) = outage.end(&broker, &vhost, &config);
    assert_eq!(number(&agent, " reports restored"), pending);
    made.push(end.sampled - pending);
    assert_eq!(runs(&messages), made);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_kill_costs_at_most_what_came_after_the_last_write_and_the_next_start_says_how_many_that_may_be() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let outage = Outage::new();
    let config = outage.config(&vhost);
    let agent = Agent::start(&config.clone().text(EVERY_WRITE), &[]);
    let written = |agent: &Agent| number(agent, " reports, ");
    agent.wait_for_line("reports, ", PATIENCE);
    let is_written = |at_least| wait_until(&agent, "writing", |_| written(&agent) > at_least);
    is_written(20);
    is_written(written(&agent) + 10);
    let safe = written(&agent);
    agent.signal(Signal::SIGKILL);
    drop(agent);

    let (agent, end, messages) = outage.end(&broker, &vhost, &config);
    // Another write may have ended meanwhile.
    let restored = number(&agent, " reports restored");
    assert!(restored >= safe, "{restored} of {safe}");
    // A second of reports, one each 0.05 s, and one more.
    let line = agent.wait_for_line("reports are lost", PATIENCE);
    assert!(
        line.contains(": psistats had not stopped in order: at most 21 reports are lost, 0 of them damaged"),
        "{line}"
    );
    assert_eq!(runs(&messages), [restored, end.sampled - restored]);
}

#[test]
fn a_damaged_file_gives_what_is_whole_and_a_file_that_cannot_be_a_spool_stops_nothing() {
    let outage = Outage::new();
    let (spool, config) = (outage.spool(), outage.config("/"));
    let begun = |words: &str| {
        let agent = Agent::start(&config, &[]);
        let line = agent.wait_for_line(words, PATIENCE);
        (wait_until(&agent, "sampling", |c| c.sampled > 5), agent, line)
    };
    let (_, mut agent, _) = begun("connection refused");
    let many = wait_until(&agent, "keeping some pages", |c| c.pending > 100);
    assert!(stop(&mut agent).pending >= many.pending);

    // A page in the middle.
    let mut bytes = fs::read(&spool).unwrap();
    bytes[4096 + 2000] ^= 1;
    fs::write(&spool, &bytes).unwrap();
    let (_, mut agent, line) = begun("reports are lost");
    let (kept, lost) = (number(&agent, " reports restored"), number(&agent, " reports are lost"));
    assert!(kept > 40 && lost > 10, "{line}");
    assert!(
        line.contains(&format!("spool: at most {lost} reports are lost, {lost} of them damaged")),
        "{line}"
    );
    let kept = stop(&mut agent).pending;

    // A second one at a time, and the first keeps its own.
    let (_, mut first, _) = begun("reports restored");
    assert_eq!(number(&first, " reports restored"), kept);
    let (_, mut second, line) = begun("no spool at");
    assert!(line.contains("another psistats writes to it"), "{line}");
    stop(&mut second);
    stop(&mut first);

    // Of an earlier version, perhaps.
    fs::write(&spool, "psS0").unwrap();
    let (_, mut agent, _) = begun("is no spool of this version");
    stop(&mut agent);
    assert_eq!(fs::read(outage.folder.path().join("spool.aside")).unwrap(), b"psS0");
    let (_, mut agent, _) = begun("reports restored");
    stop(&mut agent);

    // The way to another file.
    let other = outage.folder.path().join("other");
    fs::rename(&spool, &other).unwrap();
    let before = fs::read(&other).unwrap();
    let refused = |words: &str| {
        let (now, mut agent, line) = begun("no spool at");
        assert!(line.contains(words) && now.pending == now.sampled, "{line}");
        let end = stop(&mut agent);
        assert!(says(&agent, &format!("{} unconfirmed reports are lost", end.pending)));
        assert_eq!(fs::read(&other).unwrap(), before);
    };
    symlink(&other, &spool).unwrap();
    refused("symbolic links are not followed");
    fs::remove_file(&spool).unwrap();
    fs::hard_link(&other, &spool).unwrap();
    fs::set_permissions(&spool, fs::Permissions::from_mode(0o666)).unwrap();
    refused("others may write to it");
    if geteuid().is_root() {
        fs::set_permissions(&spool, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&spool, Some(1), None).unwrap();
        refused("it belongs to another user");
    }
    fs::remove_file(&spool).unwrap();
    fs::create_dir(&spool).unwrap();
    refused("");
}

/// Bytes that have changed, as whole pages.
fn pages_changed(before: &[u8], path: &Path) -> usize {
    let after = fs::read(path).unwrap();
    assert_eq!((before.len(), before.len() % 4096), (after.len(), 0));
    before.chunks(4096).zip(after.chunks(4096)).filter(|(before, after)| before != after).count()
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn while_the_broker_confirms_nothing_is_written_but_that_nothing_is_left() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let outage = Outage::new();
    let (spool, config) = (outage.spool(), outage.config(&vhost).text(EVERY_WRITE));
    let mut agent = Agent::start(&config, &[]);
    agent.wait_for_line(" reports, ", PATIENCE);
    wait_until(&agent, "in the spool", |_| number(&agent, " reports, ") > 20);
    let _proxy = Proxy::on(outage.port.listen(), broker.port);
    wait_until(&agent, "empty", |_| number(&agent, " reports, ") == 0);
    let (before, confirmed) = (fs::read(&spool).unwrap(), counters(&agent).confirmed);
    // Some intervals.
    wait_until(&agent, "confirming", |c| c.confirmed > confirmed + 100);
    assert_eq!(pages_changed(&before, &spool), 0, "{:#?}", agent.lines());
    assert_eq!(stop(&mut agent).pending, 0);
    assert_eq!(pages_changed(&before, &spool), 1);
}
