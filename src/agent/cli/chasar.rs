//! The command line of `chasar`, which is also `psistats chasar`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg::{Long, Short, Value};
use nix::errno::Errno;
use nix::unistd::execvp;

use crate::life::service;
use psistats_host::conf::chasar::{Chasar, master, port};
use psistats_host::conf::hosts::Host;
use psistats_host::output::Reason;

/// How the command is called, in short.
pub const USAGE: &str = "\
Usage: chasar clientnode start [MASTER [PORT]] [--config FILE]
       chasar masternode start [ADDRESS] [PORT] [--config FILE]
       chasar help | version";

const HELP: &str = "\
Sends the health of this machine to a master node over ZeroMQ, or is that
master node.

Commands:
  clientnode start  Run in the foreground and send one message a second to
                    MASTER (a name or an address, by default 127.0.0.1)
                    at PORT (by default 5555).
  masternode start  Run the master node, psistats-hub: see psistats-hub --help.

Options, before or after the command:
  --config FILE  Read [chasar] and the logging sections of this configuration
                 file. Default: the first that exists of the places that
                 psistats --help lists. The command line takes precedence.
  -h, --help     Print this help.
  -V, --version  Print the version.

Signals:
  SIGTERM, SIGINT  Exit.
  SIGHUP           Reload the configuration; if it has errors, keep the
                   previous one.
  SIGUSR1          Log the counters.

Exit codes:
  0 success, 1 failure, 2 wrong command line";

/// The program that runs the master node.
const HUB: &str = "psistats-hub";

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run a client node.
    ClientNode {
        /// `--config`
        config: Option<PathBuf>,
        /// What takes precedence over the configuration.
        words: Words,
    },
    /// Run the master node, with these arguments.
    MasterNode(Vec<OsString>),
    /// `--help`
    Help,
    /// `--version`
    Version,
}

/// The master node that the command line names. There is no port without a name.
#[derive(Clone, Debug, Default)]
pub struct Words {
    name: Option<String>,
    port: Option<u16>,
}

impl Words {
    /// Replaces the configured master node by this one, and enables the client node.
    pub fn replace(&self, chasar: &mut Chasar) {
        chasar.enabled = true;
        if let Some(name) = &self.name {
            // A port in the configured `master` belongs to that master node, not to this one.
            chasar.master = Host { name: name.clone(), port: self.port.unwrap_or(chasar.port) };
        }
    }
}

/// Parses the arguments that follow the program's name, or the word `chasar`.
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
                // psistats-hub checks the rest.
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

/// The text of `--help`.
pub fn help(version: &str) -> String {
    format!("{version}\n{USAGE}\n\n{HELP}")
}

/// Replaces this process by the master node, psistats-hub.
///
/// # Errors
/// Why psistats-hub cannot be run.
pub fn master_node(arguments: Vec<OsString>) -> Result<(), String> {
    let beside = env::current_exe().ok().and_then(|us| Some(us.parent()?.join(HUB)));
    let program = beside.filter(|program| program.is_file()).unwrap_or_else(|| HUB.into());
    let mut words = vec![program.clone().into()];
    words.extend(arguments);
    let words = service::c_strings(words).map_err(|error| error.to_string())?;
    let Some(Err(error)) = words.first().map(|program| execvp(program, &words)) else { return Ok(()) };
    Err(match error {
        Errno::ENOENT => format!(
            "cannot find {HUB}, the master node, beside this program or in PATH: install the Debian package {HUB}, \
             or build it with cargo build --release -p {HUB}"
        ),
        _ => format!("cannot run {}: {}", program.display(), Reason(&error.into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_node_named_on_the_command_line_does_not_inherit_the_port_of_the_configured_one() {
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
