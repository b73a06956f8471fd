//! The command line of `chasar`, which is `psistats chasar` too.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use nix::errno::Errno;
use nix::unistd::execvp;

use crate::life::service;
use psistats_host::conf::chasar::{Chasar, master, port};
use psistats_host::conf::hosts::Host;

/// What it takes.
pub const USAGE: &str = "\
Usage: chasar clientnode start [MASTER [PORT]] [--config FILE]
       chasar masternode start [ADDRESS] [PORT] [--config FILE]
       chasar help | version";

const HELP: &str = "\
Sends the health of this machine to a master node over ZeroMQ, or is that master node.

Commands:
  clientnode start  Run in the foreground, and send a message a second to the master node MASTER
                    (a name or an address; 127.0.0.1 without) at PORT (5555 without).
  masternode start  Run psistats-hub, which is the master node and has a help of its own.

Options, before or after the command:
  --config FILE  Read the section [chasar] of this configuration, and its logging. Without: of the
                 first that exists of ./psistats.conf, ~/.psistats/psistats.conf, /etc/psistats.conf
                 and the other places of psistats --help. The command line takes precedence.
  -h, --help     Print this.
  -V, --version  Print the version.

Signals:
  SIGTERM, SIGINT  End.
  SIGHUP           Read the configuration again; where it is wrong, keep the present one.
  SIGUSR1          Write the counters to the log.

Exit codes:
  0  done          1  failed          2  wrong command line";

/// The program that is the master node.
const HUB: &str = "psistats-hub";

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// A client node.
    ClientNode {
        /// `--config`
        config: Option<PathBuf>,
        /// What wins over the configuration.
        words: Words,
    },
    /// The master node, with these arguments.
    MasterNode(Vec<OsString>),
    /// `--help`
    Help,
    /// `--version`
    Version,
}

/// The master as the command line names it: there is no port without a name.
#[derive(Clone, Debug, Default)]
pub struct Words {
    name: Option<String>,
    port: Option<u16>,
}

impl Words {
    /// Puts them in place of what is configured, and switches it on.
    pub fn replace(&self, chasar: &mut Chasar) {
        chasar.enabled = true;
        if let Some(name) = &self.name {
            // A port that is configured with another master is that one's.
            chasar.master = Host { name: name.clone(), port: self.port.unwrap_or(chasar.port) };
        }
    }
}

/// Reads what follows the program's name, or `chasar`.
///
/// # Errors
/// What was expected instead.
pub fn parse(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut found, mut config) = (Vec::<String>::new(), None);
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("config") => config = Some(parser.value()?),
            Value(word) if found.is_empty() && word == "help" => return Ok(Command::Help),
            Value(word) if found.is_empty() && word == "version" => return Ok(Command::Version),
            Value(word) if found.is_empty() && word == "masternode" => {
                // What follows is the master node's to check.
                let mut arguments = vec![word];
                if let Some(file) = config {
                    arguments.splice(0..0, ["--config".into(), file]);
                }
                arguments.extend(parser.raw_args()?);
                return Ok(Command::MasterNode(arguments));
            }
            Value(word) => found.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected()),
        }
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let ["clientnode", "start", found @ ..] = &found[..] else {
        return Err("expected clientnode start or masternode start".into());
    };
    if let Some(word) = found.get(2) {
        return Err(format!("expected no more than MASTER and PORT, got {word}").into());
    }
    let name = found.first().map(|word| master(word)).transpose()?;
    let port = found.get(1).map(|word| port(word));
    let words = Words { name, port: port.transpose()? };
    Ok(Command::ClientNode { config: config.map(PathBuf::from), words })
}

/// Help, as text.
pub fn help(version: &str) -> String {
    format!("{version}\n{USAGE}\n\n{HELP}")
}

/// Becomes the master node.
///
/// # Errors
/// What keeps it from that.
pub fn master_node(arguments: Vec<OsString>) -> Result<(), String> {
    let beside = env::current_exe().ok().and_then(|us| Some(us.parent()?.join(HUB)));
    let program = beside.filter(|program| program.is_file()).unwrap_or_else(|| HUB.into());
    let mut words = vec![program.clone().into()];
    words.extend(arguments);
    let words = service::c_strings(words).map_err(|error| error.to_string())?;
    let Some(Err(error)) = words.first().map(|program| execvp(program, &words)) else { return Ok(()) };
    Err(match error {
        Errno::ENOENT => format!(
            "{HUB}, which is the master node, is neither beside this program nor in the PATH: install the Debian \
             package {HUB}, or build it with cargo build --release --features hub"
        ),
        _ => format!("{}: {}", program.display(), io::Error::from(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_of_the_command_line_does_not_get_the_port_of_the_one_that_is_configured() {
        let configured =
            |port| Chasar { master: Host { name: "10.0.0.1".into(), port: 7777 }, port, ..Chasar::default() };
        for (words, port, expected) in [
            (&[][..], 5555, "10.0.0.1:7777"),
            (&["hub"], 5555, "hub:5555"),
            (&["hub"], 5556, "hub:5556"),
            (&["hub", "9"], 5556, "hub:9"),
        ] {
            let words = ["clientnode", "start"].iter().chain(words);
            let Ok(Command::ClientNode { words, .. }) = parse(&mut lexopt::Parser::from_args(words)) else {
                panic!()
            };
            let mut chasar = configured(port);
            words.replace(&mut chasar);
            assert_eq!(chasar.master.to_string(), expected);
        }
    }
}
