//! The agent and a cluster of three, each in a network of its own, behind a link with latency and loss.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::namespace::Namespace;
use support::process::Process;
use support::project;
use support::reports::Counters;

use crate::{agents, fetched};

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const QUEUE: &str = "psistats.board";
/// Between the agent and the cluster, one way.
const DELAY_S: &str = "0.02";
const LOSS: &str = "0.01";
/// The bars: 2 s and the retry timer after a death, 35 s after anything that is only silence.
const RETRY_S: u64 = 1;
const DEATH: Duration = Duration::from_secs(2 + RETRY_S);
const SILENCE: Duration = Duration::from_secs(35);
/// 3.10 confirms nothing at any node, until one that is silent counts as gone. That takes 60 s otherwise.
const KNOWS_SOON: &str = "net_ticktime = 20";
/// After which Erlang's nodes take each other for dead, and some more.
const NET_TICK: Duration = Duration::from_secs(80);

#[test]
#[ignore = "needs RabbitMQ: tests/run --brokers"]
fn with_a_cluster_of_3_10_nothing_is_lost_and_the_agent_moves_in_time() {
    troubles("3.10", None, &[KNOWS_SOON]);
}

#[test]
#[ignore = "needs RabbitMQ 4.0: tests/run --brokers"]
fn with_a_cluster_of_4_0_nothing_is_lost_and_the_agent_moves_in_time() {
    troubles("4.0", Some(&fetched("4.0")), &[]);
}

#[test]
#[ignore = "needs RabbitMQ 4.3: tests/run --brokers"]
fn with_a_cluster_of_4_3_nothing_is_lost_and_the_agent_moves_in_time() {
    troubles("4.3", Some(&fetched("4.3")), &[]);
}

/// One cluster at a time: the bars are seconds.
static TURN: Mutex<()> = Mutex::new(());

fn troubles(version: &str, root: Option<&Path>, config: &[&str]) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = Cluster::new(root, config);
    let mut run = Run::new(version, &cluster);

    for _ in NODES {
        let at = run.in_use();
        run.event("kill -9", DEATH, || cluster.node(at).kill());
        cluster.start(at);
    }
    let at = run.in_use();
    run.event("drained", DEATH, || drop(cluster.node(at).upgrade(&["drain"])));
    cluster.node(at).upgrade(&["revive"]);

    let at = run.in_use();
    run.event("frozen", SILENCE, || cluster.node(at).freeze());
    cluster.node(at).thaw();
    cluster.wait_until_whole();

    let at = run.in_use();
    run.event("link down", SILENCE, || cluster.networks[at].ip("link set e0 down"));
    cluster.networks[at].ip("link set e0 up");
    cluster.wait_until_whole();

    let (at, begin) = (run.in_use(), Instant::now());
    let peers: Vec<String> = (0..NODES.len()).filter(|n| *n != at).map(address).collect();
    run.event("cut from its peers", SILENCE, || cluster.drop_packets(at, "-I", &peers));
    // Until the others have given it up.
    run.watch(NET_TICK.saturating_sub(begin.elapsed()));
    cluster.drop_packets(at, "-D", &peers);
    cluster.wait_until_whole();

    let at = run.in_use();
    run.event("cut from the agent", SILENCE, || cluster.drop_packets(at, "-I", &[address(NODES.len())]));
    cluster.drop_packets(at, "-D", &[address(NODES.len())]);

    let at = run.in_use();
    run.event("a third of the packets lost for 20 s, the longest", SILENCE, || {
        let third = "INPUT -m statistic --mode random --probability 0.33 -j DROP";
        cluster.networks[at].run("iptables", &format!("-I {third}"));
    });
    let longest = run.watch(Duration::from_secs(20));
    cluster.networks[at].run("iptables", "-F INPUT");
    let row = run.rows.last_mut().unwrap();
    row.gap = row.gap.max(longest);

    // The agent is there each time: an orderly stop of a node that it does not use costs it nothing.
    for _ in NODES {
        let at = run.in_use();
        run.event("rolling restart", DEATH, || cluster.node(at).stop());
        cluster.start(at);
    }
    run.end();
}

/// One trouble.
#[derive(Debug)]
struct Row {
    what: String,
    /// The node that it happened to, where the agent was connected.
    node: &'static str,
    /// The queue's leader was there, too.
    led: bool,
    /// How long no report was confirmed, and how long that may be.
    gap: Duration,
    bar: Duration,
}

/// One agent's way through the troubles.
struct Run<'c> {
    version: &'c str,
    cluster: &'c Cluster,
    agent: Agent,
    rows: Vec<Row>,
}

impl<'c> Run<'c> {
    fn new(version: &'c str, cluster: &'c Cluster) -> Self {
        let hosts = (0..NODES.len()).map(|n| format!("{}:{}", address(n), cluster.node(n).port));
        let config = Config::new(5672, "/")
            .set("server", "host", hosts.collect::<Vec<_>>().join(","))
            .durable()
            .set("queue", "type", "quorum")
            .set("app", "primary_timer", "0.2")
            .set("app", "retry_timer", RETRY_S)
            .set("backlog", "bytes", 1 << 20);
        let mut board = cluster.networks[NODES.len()].command();
        board.args(["unshare", "--uts", "sh", "-c", "hostname board && exec \"$0\" \"$@\""]);
        let agent = Agent::start_by(board.arg(project::program("psistats")), &config, &[]);
        let run = Self { version, cluster, agent, rows: Vec::new() };
        run.gap();
        run
    }

    /// The node that it is connected to.
    fn in_use(&self) -> usize {
        let lines = self.agent.lines();
        let is_at = |line: &String, n| line.contains(&format!("connected to {}:", address(n)));
        lines.iter().rev().find_map(|line| (0..NODES.len()).find(|n| is_at(line, *n))).unwrap()
    }

    /// How long it takes until a report is confirmed that is sampled from now on.
    fn gap(&self) -> Duration {
        let begin = Instant::now();
        let now = Counters::wait_for(&self.agent, |_| true);
        Counters::wait_for(&self.agent, |c| c.connection == "Ready" && c.confirmed > now.sampled);
        begin.elapsed()
    }

    /// The longest gap in so much time.
    fn watch(&self, time: Duration) -> Duration {
        let begin = Instant::now();
        let mut longest = Duration::ZERO;
        while begin.elapsed() < time {
            longest = longest.max(self.gap());
        }
        longest
    }

    fn event(&mut self, what: &str, bar: Duration, begin: impl FnOnce()) {
        self.gap();
        let node = NODES[self.in_use()];
        let led = self.cluster.leader() == node;
        begin();
        let row = Row { what: what.to_owned(), node, led, gap: self.gap(), bar };
        eprintln!("{} {row:?}", self.version);
        self.rows.push(row);
    }

    /// Stops it, counts, and prints the rows of README.md's table.
    fn end(mut self) {
        self.gap();
        assert_eq!(self.agent.stop().code(), Some(0), "{:#?}", self.agent.lines());
        let end = Counters::last(&self.agent.lines()).unwrap();
        assert_eq!((end.dropped, end.pending), (0, 0), "{end:?}");
        let node = self.cluster.node(0);
        let mut python = self.cluster.networks[0].command();
        python.arg("/usr/bin/python3").arg(project::path("tests/brokers/drain.py"));
        python.args([&node.port.to_string(), "/", QUEUE]);
        let counted = agents::Counted::of(&agents::output(&mut python), end.sampled);
        for Row { what, node, led, gap, .. } in &self.rows {
            let node = format!("{node}{}", if *led { ", the leader's" } else { "" });
            println!("| {} | {what} | {node} | {:.1} |", self.version, gap.as_secs_f64());
        }
        println!(
            "{}: of {} reports {} lost, {} twice",
            self.version,
            end.sampled,
            counted.lost(),
            counted.twice()
        );
        assert_eq!(counted.lost(), 0);
        assert!(counted.most() <= 1 + self.rows.len(), "{counted:?}");
        let complaints: Vec<String> = (0..NODES.len()).flat_map(|n| self.cluster.complaints(n)).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let missed: Vec<_> = self.rows.iter().filter(|row| row.gap > row.bar).collect();
        assert!(missed.is_empty(), "{missed:?}");
    }
}

/// Three nodes, and the agent's end of a link to them.
struct Cluster {
    nodes: Vec<Broker>,
    /// The nodes' networks, and the agent's.
    networks: Vec<Namespace>,
    _switch: Namespace,
    _link: Process,
}

impl Cluster {
    fn new(root: Option<&Path>, config: &[&str]) -> Self {
        let switch = Namespace::new();
        switch.ip("link add name switch type bridge");
        switch.ip("link set switch up");
        let networks: Vec<Namespace> = (0..=NODES.len()).map(|_| Namespace::new()).collect();
        for (n, network) in networks[..NODES.len()].iter().enumerate() {
            network.ip(&format!("link add e0 type veth peer name node{n} netns {}", switch.path()));
            plug(&switch, &format!("node{n}"), network, n);
        }
        let mut link = switch.command();
        link.arg("/usr/bin/python3").arg(project::path("tests/brokers/link.py"));
        let link = Process::start(link.args(["e0", "agent", DELAY_S, LOSS]));
        link.wait_for_line("there", PATIENCE);
        switch.ip(&format!("link set e0 netns {}", networks[NODES.len()].path()));
        plug(&switch, "agent", &networks[NODES.len()], NODES.len());

        let hosts = NODES.iter().enumerate().map(|(n, name)| format!("{} {name}", address(n)));
        let hosts = hosts.collect::<Vec<_>>().join("\n");
        let mut lines = vec![
            "loopback_users.guest = false".to_owned(),
            "cluster_partition_handling = pause_minority".to_owned(),
            "cluster_formation.peer_discovery_backend = classic_config".to_owned(),
        ];
        lines.extend(config.iter().map(|line| (*line).to_owned()));
        lines.extend(
            NODES.iter().enumerate().map(|(n, name)| {
                format!("cluster_formation.classic_config.nodes.{} = psistats@{name}", n + 1)
            }),
        );
        let config: Vec<&str> = lines.iter().map(String::as_str).collect();
        let nodes = thread::scope(|scope| {
            let start = |(n, name)| {
                let (network, hosts, config) = (&networks[n], &hosts, &config);
                scope.spawn(move || Broker::node(network, root, name, hosts, config))
            };
            let starting: Vec<_> = NODES.into_iter().enumerate().map(start).collect();
            starting.into_iter().map(|node| node.join().unwrap()).collect()
        });
        Self { nodes, networks, _switch: switch, _link: link }
    }

    fn node(&self, n: usize) -> &Broker {
        &self.nodes[n]
    }

    /// Starts a node again that was stopped or killed, and waits until the queue has it again.
    fn start(&self, n: usize) {
        let complaints = self.complaints(n);
        assert!(complaints.is_empty(), "{complaints:#?}");
        self.node(n).restart();
        self.wait_until_whole();
    }

    /// Until each node sees the queue on all of them.
    fn wait_until_whole(&self) {
        let begin = Instant::now();
        for node in &self.nodes {
            while self.queue(node).is_none_or(|q| q["online"].as_array().map(Vec::len) != Some(NODES.len())) {
                assert!(begin.elapsed() < 3 * PATIENCE, "{:?}", self.queue(node));
                thread::sleep(Duration::from_millis(200));
            }
        }
    }

    /// On which node the queue's leader is, as one that answers says.
    fn leader(&self) -> String {
        let leader =
            self.nodes.iter().find_map(|node| Some(self.queue(node)?["leader"].as_str()?.to_owned()));
        leader.unwrap_or_default().replace("psistats@", "")
    }

    fn queue(&self, node: &Broker) -> Option<Value> {
        let told = node.try_ctl(&["list_queues", "--formatter", "json", "name", "leader", "online"])?;
        let queues: Vec<Value> = serde_json::from_str(&told).ok()?;
        queues.into_iter().find(|queue| queue["name"] == QUEUE)
    }

    /// `iptables -I`: from now on a node hears nothing of these addresses. `-D`: it does again.
    fn drop_packets(&self, n: usize, verb: &str, addresses: &[String]) {
        for address in addresses {
            self.networks[n].run("iptables", &format!("{verb} INPUT -s {address} -j DROP"));
        }
    }

    /// What a node has logged about the protocol since its last start.
    fn complaints(&self, n: usize) -> Vec<String> {
        let complaints = agents::complaints(&self.node(n).log(), &[]);
        // Of a link that was cut, and of other nodes.
        complaints.into_iter().filter(|line| !line.contains("missed heartbeats")).collect()
    }
}

/// A machine's end of a cable, and the switch's.
fn plug(switch: &Namespace, port: &str, network: &Namespace, n: usize) {
    switch.ip(&format!("link set {port} master switch up"));
    network.ip("link set lo up");
    network.ip(&format!("addr add {}/24 dev e0", address(n)));
    network.ip("link set e0 up");
}

/// Of node `n`, and after the last of them of the agent.
fn address(n: usize) -> String {
    format!("10.77.0.{}", n + 1)
}
