//! The command line of `chasar`, which is `psistats chasar` too.

use std::path::Path;
use std::time::Duration;

use lexopt::Arg::{Long, Short, Value};

use super::collector;
use super::node::{self, Options};
use crate::config::settings::Host;

/// What it takes.
pub const USAGE: &str = "\
Usage: chasar clientnode start [MASTER [PORT]]
       chasar --help | --version";

const HELP: &str = "\
Sends the health of this machine to a master node over ZeroMQ.

Commands:
  clientnode start  Run in the foreground, and send a message a second to the master node MASTER (a name or an
                    address; 127.0.0.1 without) at PORT (5555 without).
  masternode start  The master node: not in this version.

Signals:
  SIGTERM, SIGINT   End.";

/// The port at which a master node takes client nodes.
const PORT: u16 = 5555;

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// A client node of this master.
    ClientNode(Host),
    /// `--help`
    Help,
    /// `--version`
    Version,
}

/// Reads what follows the program's name, or `chasar`.
///
/// # Errors
/// What was expected instead.
pub fn parse(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut words: Vec<String> = Vec::new();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["clientnode", "start"] => Ok(Command::ClientNode(master("127.0.0.1", PORT))),
        ["clientnode", "start", host] => Ok(Command::ClientNode(master(host, PORT))),
        ["clientnode", "start", host, port] => match port.parse() {
            Ok(port) if port > 0 => Ok(Command::ClientNode(master(host, port))),
            _ => Err(format!("expected a port from 1 to 65535, got {port}").into()),
        },
        ["masternode", ..] => Err("the master node is not in this version".into()),
        _ => Err("expected clientnode start".into()),
    }
}

fn master(name: &str, port: u16) -> Host {
    Host { name: name.to_owned(), port }
}

/// Help, as text.
pub fn help(version: &str) -> String {
    format!("{version}\n{USAGE}\n\n{HELP}")
}

/// Runs a client node.
///
/// # Errors
/// What keeps it from running.
pub fn client_node(master: Host) -> Result<(), String> {
    let told = collector::Options { interface: None, processes: usize::MAX };
    let options = Options { master, interval: Duration::from_secs(1), root: Path::new("/"), told };
    node::run(options).map_err(|error| error.to_string())
}
