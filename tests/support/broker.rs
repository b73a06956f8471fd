//! Real RabbitMQ: the one that `tests/run` shares among all tests, and private ones to break.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::namespace::Namespace;
use super::pki::Pki;
use super::project;

const SCRIPT: &str = "tests/support/rabbitmq";

/// A broker on 127.0.0.1, user and password `guest`.
pub struct Broker {
    dir: PathBuf,
    /// The network that it has to itself; empty where it is the machine's.
    network: Vec<String>,
    /// AMQP. Stays when a private broker is restarted.
    pub port: u16,
    /// AMQP over TLS, of one that was started with it.
    pub tls_port: u16,
    management_port: u16,
    /// Only of a private one.
    own: Option<TempDir>,
}

impl Broker {
    /// The shared one. Keep to virtual hosts of your own ([`Broker::vhost`]), and do not harm it.
    pub fn shared() -> Self {
        let dir = std::env::var_os("PSISTATS_TEST_BROKER_DIR")
            .expect("no broker: run tests/run, or tests/run --only NAME for this test program alone");
        Self::in_dir(PathBuf::from(dir), Vec::new(), None)
    }

    /// A broker of the test's own (about 4 s), with further lines of `rabbitmq.conf`. Gone when
    /// dropped.
    pub fn private(config: &[&str]) -> Self {
        Self::own(Vec::new(), &[], config)
    }

    /// The same without the management interface: [`Broker::ctl`], [`Broker::connections`] and
    /// [`Broker::log`] tell what it does. Starts in two thirds of the time.
    pub fn bare(config: &[&str]) -> Self {
        Self::own(Vec::new(), &["--bare"], config)
    }

    /// The same as [`Broker::private`], in one cluster with `other`.
    pub fn joining(other: &Self, config: &[&str]) -> Self {
        Self::own(Vec::new(), &["--join", other.dir.to_str().unwrap()], config)
    }

    /// The same as [`Broker::bare`], with a port for TLS where it has the certificate of that name.
    pub fn tls(pki: &Pki, name: &str, config: &[&str]) -> Self {
        Self::own(Vec::new(), &["--bare", "--tls", pki.path().to_str().unwrap(), name], config)
    }

    /// The same as [`Broker::bare`], of the system root that `tests/brokers/fetch` has made.
    pub fn of_root(root: &Path, config: &[&str]) -> Self {
        Self::own(Vec::new(), &["--root", root.to_str().unwrap(), "--bare"], config)
    }

    /// A node of a cluster, in a network of its own: `root` as in [`Broker::of_root`], where it is not the
    /// machine's own RabbitMQ. It is called `name`, and finds the others by `hosts`, lines of /etc/hosts. Returns
    /// when it has come up, for which it may need the others.
    pub fn node(network: &Namespace, root: Option<&Path>, name: &str, hosts: &str, config: &[&str]) -> Self {
        let root = root.map(|root| ["--root", root.to_str().unwrap()]);
        let options = root.iter().flatten().copied().chain(["--node", name, hosts, "psistats", "--bare"]);
        Self::own(network.entered(), &options.collect::<Vec<_>>(), config)
    }

    /// A power cut. The port refuses until [`Broker::restart`].
    pub fn kill(&self) {
        self.harm("kill");
    }

    /// An orderly stop; clients get Connection.Close 320.
    pub fn stop(&self) {
        self.harm("stop");
    }

    /// Starts again what was killed or stopped: same port, same data.
    pub fn restart(&self) {
        self.harm("start");
    }

    /// The machine's TCP goes on, the broker says nothing.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Ends [`Broker::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// `rabbitmqctl`'s answer.
    pub fn ctl(&self, args: &[&str]) -> String {
        script(&self.network, "ctl", &self.dir, args)
    }

    /// The same, where it can answer.
    pub fn try_ctl(&self, args: &[&str]) -> Option<String> {
        let output = run(&self.network, "ctl", &self.dir, args);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same of `rabbitmq-upgrade`.
    pub fn upgrade(&self, args: &[&str]) -> String {
        script(&self.network, "upgrade", &self.dir, args)
    }

    /// What it has logged since its last start.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.dir.join("log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A fresh virtual host in which guest may do everything.
    pub fn vhost(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.api("PUT", &format!("vhosts/{name}"), None);
        let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
        self.api("PUT", &format!("permissions/{name}/guest"), Some(all));
        name
    }

    /// Queues with their arguments, properties and `messages`.
    pub fn queues(&self, vhost: &str) -> Vec<Value> {
        self.list(&format!("queues/{vhost}?disable_stats=true&enable_queue_totals=true"))
    }

    /// Exchanges, the predeclared ones (`amq.*` and the default one) left out.
    pub fn exchanges(&self, vhost: &str) -> Vec<Value> {
        let mut all = self.list(&format!("exchanges/{vhost}"));
        all.retain(|e| e["name"].as_str().is_some_and(|n| !n.is_empty() && !n.starts_with("amq.")));
        all
    }

    /// Bindings, those of the default exchange left out.
    pub fn bindings(&self, vhost: &str) -> Vec<Value> {
        let mut all = self.list(&format!("bindings/{vhost}"));
        all.retain(|b| b["source"] != "");
        all
    }

    /// Open connections: `name`, `state`, `timeout` (heartbeat, s), `client_properties`, `pid`.
    pub fn connections(&self, vhost: &str) -> Vec<Value> {
        // Of rabbitmqctl: the management interface learns of an end only some seconds later.
        let wanted = ["name", "vhost", "state", "timeout", "frame_max", "client_properties", "pid"];
        let command = ["list_connections", "--formatter", "json"];
        let mut all = array(&self.ctl(&[&command[..], &wanted[..]].concat()));
        all.retain(|c| c["vhost"] == vhost);
        all
    }

    /// A call of the management interface, with a JSON body where one is needed; `path` comes
    /// after `/api/`. Panics where the broker refuses it.
    pub fn api(&self, method: &str, path: &str, body: Option<&str>) -> String {
        let url = format!("http://127.0.0.1:{}/api/{path}", self.management_port);
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--max-time",
            "60",
            "--user",
            "guest:guest",
        ]);
        curl.args(["--request", method, "--header", "content-type: application/json"]);
        if let Some(body) = body {
            curl.args(["--data", body]);
        }
        text(curl.arg(url).output().expect("curl"), &format!("{method} {path}"))
    }

    fn list(&self, path: &str) -> Vec<Value> {
        array(&self.api("GET", path, None))
    }

    fn own(network: Vec<String>, options: &[&str], config: &[&str]) -> Self {
        // Where tests/run looks for what an interrupted test left behind.
        let brokers = project::target("test-brokers");
        std::fs::create_dir_all(&brokers).unwrap();
        let own = tempfile::Builder::new().prefix("private-").tempdir_in(brokers).unwrap();
        let dir = own.path().to_owned();
        let lines = config.iter().flat_map(|line| ["--config", line]);
        script(&network, "start", &dir, &options.iter().copied().chain(lines).collect::<Vec<_>>());
        Self::in_dir(dir, network, Some(own))
    }

    fn in_dir(dir: PathBuf, network: Vec<String>, own: Option<TempDir>) -> Self {
        let env = std::fs::read_to_string(dir.join("env")).unwrap();
        let port = |name: &str| {
            env.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok()).unwrap()
        };
        Self {
            port: port("AMQP_PORT"),
            tls_port: port("TLS_PORT"),
            management_port: port("MANAGEMENT_PORT"),
            dir,
            network,
            own,
        }
    }

    fn signal(&self, signal: Signal) {
        assert!(self.own.is_some(), "the shared broker is not to be harmed: Broker::private");
        let pid = std::fs::read_to_string(self.dir.join("pid")).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), signal).unwrap();
    }

    fn harm(&self, verb: &str) {
        assert!(self.own.is_some(), "the shared broker is not to be harmed: Broker::private");
        script(&self.network, verb, &self.dir, &[]);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.own.is_some() {
            self.kill(); // its data goes with it: no need for order
            self.stop();
        }
    }
}

fn script(network: &[String], verb: &str, dir: &Path, args: &[&str]) -> String {
    text(run(network, verb, dir, args), &format!("rabbitmq {verb} {args:?}"))
}

fn run(network: &[String], verb: &str, dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("env");
    command.args(network).arg(project::path(SCRIPT)).arg(verb).arg(dir).args(args);
    command.output().expect(SCRIPT)
}

fn text(output: Output, what: &str) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{stdout}\n{stderr}", output.status);
    stdout
}

fn array(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{e} in {json}"))
}
