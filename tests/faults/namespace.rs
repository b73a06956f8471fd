//! Two machines and the cable between them: network namespaces that go with the test.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns};

use crate::support::PATIENCE;
use crate::support::process::Process;

/// A network of its own, which lasts as long as the process that holds it.
struct Namespace(Process);

impl Namespace {
    fn new() -> Self {
        let mut unshare = Command::new("unshare");
        let process = Process::start(unshare.args(["--net", "sh", "-c", "echo there; exec sleep 1000"]));
        process.wait_for_line("there", PATIENCE);
        Self(process)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.pid())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--");
        command
    }

    fn ip(&self, arguments: &str) {
        let output = self.command().arg("ip").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// The board's machine and the broker's.
pub struct Cable {
    board: Namespace,
    broker: Namespace,
}

impl Cable {
    /// The broker's address.
    pub const BROKER: &str = "10.77.0.2";

    pub fn new() -> Self {
        let (board, broker) = (Namespace::new(), Namespace::new());
        board.ip(&format!("link add cable type veth peer name cable netns {}", broker.path()));
        board.ip("addr add 10.77.0.1/30 dev cable");
        broker.ip("addr add 10.77.0.2/30 dev cable");
        board.ip("link set cable up");
        broker.ip("link set cable up");
        Self { board, broker }
    }

    /// A listener on the broker's machine. Who accepts there can connect from here.
    pub fn listen(&self) -> TcpListener {
        let namespace = File::open(self.broker.path()).unwrap();
        // The thread alone moves there, and ends there.
        let listen = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            TcpListener::bind((Self::BROKER, 0)).unwrap()
        };
        thread::spawn(listen).join().unwrap()
    }

    /// Pulled out at the broker's end: what the board sends vanishes, and nothing tells it.
    pub fn pull(&self) {
        self.broker.ip("link set cable down");
    }

    pub fn plug_in(&self) {
        self.broker.ip("link set cable up");
    }

    /// Becomes the program, on the board's machine.
    pub fn psistats(&self) -> Command {
        let mut command = self.board.command();
        command.arg(env!("CARGO_BIN_EXE_psistats"));
        command
    }

    /// The same, where name servers are those of `resolv_conf`.
    pub fn psistats_with_names_of(&self, resolv_conf: &Path) -> Command {
        let mut command = self.board.command();
        command.args(["unshare", "--mount", "sh", "-c"]);
        command.arg(r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#).arg(resolv_conf);
        command.arg(env!("CARGO_BIN_EXE_psistats"));
        command
    }
}
