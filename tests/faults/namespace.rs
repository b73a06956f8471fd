//! Two machines and a cable between them: network namespaces, which end with the test.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns};

use support::namespace::Namespace;

/// The network namespaces of the board and of the broker.
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

    /// A listener on the broker's machine. Connections that it accepts can be forwarded from here.
    pub fn listen(&self) -> TcpListener {
        let namespace = File::open(self.broker.path()).unwrap();
        // Only this thread enters the namespace, and it ends there.
        let listen = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            TcpListener::bind((Self::BROKER, 0)).unwrap()
        };
        thread::spawn(listen).join().unwrap()
    }

    /// Unplugs the cable at the broker's end: packets of the board are lost without an error.
    pub fn pull(&self) {
        self.broker.ip("link set cable down");
    }

    pub fn plug_in(&self) {
        self.broker.ip("link set cable up");
    }

    /// A command that runs the program on the board's machine.
    pub fn psistats(&self) -> Command {
        let mut command = self.board.command();
        command.arg(env!("CARGO_BIN_EXE_psistats"));
        command
    }

    /// The same, with the name servers of `resolv_conf`.
    pub fn psistats_with_names_of(&self, resolv_conf: &Path) -> Command {
        let mut command = self.board.command();
        command.args(["unshare", "--mount", "sh", "-c"]);
        command.arg(r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#).arg(resolv_conf);
        command.arg(env!("CARGO_BIN_EXE_psistats"));
        command
    }
}
