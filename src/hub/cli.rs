//! The command line of `psistats-hub`.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg::{Long, Short, Value};

use crate::listeners::addresses_of;
use crate::settings::Needs;
use crate::{logger, run, serve, settings, top};
use psistats_host::conf::chasar::{bind, is_number, port};
use psistats_host::output::complain;

mod alerts;
mod curve;
mod export;
mod notify;
mod pki;
mod token;

const VERSION: &str = concat!("psistats-hub ", env!("CARGO_PKG_VERSION"));

const USAGE: &str = "\
Usage: psistats-hub [--config FILE]
       psistats-hub [--config FILE] token add NAME [--scope read|metrics|admin]
       psistats-hub [--config FILE] token link NAME [--scope read|admin]
       psistats-hub [--config FILE] token list | remove NAME
       psistats-hub [--config FILE] notify test NAME
       psistats-hub [--config FILE] pki init [NAME...] | board NAME
       psistats-hub curve keygen [--to FILE]
       psistats-hub alerts try FILE [URL]
       psistats-hub [--config FILE] masternode start [ADDRESS] [PORT]
       psistats-hub top [URL]
       psistats-hub export [URL] --to-folder FOLDER [--from TIME] [--to TIME] [--board NAME] [--format csv|influx]
       psistats-hub --help | --version";

const HELP: &str = "\
Shows the health of boards. Without a command it receives their reports and serves a page with them, at
http://127.0.0.1:8666 unless [hub] listen says otherwise. This machine is the first board. Others publish to it as
to a RabbitMQ, with [server] host= in their psistats.conf; see psistats-hub(1) for addresses beyond this machine.

Commands:
  token add NAME    Make a token, print it once, and keep its hash in the data folder. Who has it may read the API from
                    other machines (--scope read, the default), its metrics alone (metrics), or all (admin).
  token link NAME   Print a link that lets one browser in: it works once, for 10 minutes. With --scope admin that browser
                    may acknowledge alerts, too.
  token list, token remove NAME
                    Show what there is; end all of NAME's tokens, links and browsers' logins.
  notify test NAME  Send a test message to the receiver of alerts [notify:NAME], and print what it answered.
  pki init [NAME...]
                    Make an authority of your own and a certificate for the hub, by which boards call it NAME, in the
                    data folder, and print the lines for psistats-hub.conf.
  pki board NAME    Make a certificate for the board with this host name, and print the lines for its psistats.conf.
  alerts try FILE   Print what the rules in FILE would have said over the history of the hub at URL.
  curve keygen      Make a pair of keys that encrypt chasar's connections, and print the lines of [chasar] for the master
                    node and its client nodes. The secret key is printed, or goes to a new file (--to FILE) that only
                    this user can read.
  masternode start  Run chasar's master node. It accepts client nodes at ADDRESS (an address of this machine, or '*'
                    for all of them, IPv4 and IPv6; default 127.0.0.1, which no other machine can reach) and PORT
                    (default 5555), and publishes their messages at port 6666 of the same address, under the topic
                    Chasar-Client. The configuration can change these; the command line takes precedence.
  top               Show the boards of the hub at URL (default http://127.0.0.1:8666) in this terminal; ? shows the keys.
                    For a hub on another machine PSISTATS_HUB_TOKEN has the token.
  export            Write the history of each board, or of --board NAME, to a file in FOLDER: CSV, or lines for InfluxDB.
                    The hub runs, here or at URL, as for top. A TIME is in Unix seconds, or before now, as 7d, 12h or
                    30m; by default all minutes that the hub has, which are of 14 days.

Options, before or after the command:
  --config FILE  Read the hub's sections of this file: [hub], [user:NAME], [rabbitmq], [mqtt], [alerts], [alert:NAME],
                 [notify:NAME], [heartbeat], [remote_write] and [chasar]. Default: /etc/psistats-hub.conf, where it
                 exists; for masternode the first that exists of ./psistats.conf, ~/.psistats/psistats.conf,
                 /etc/psistats.conf and the other places of psistats(1).
  -h, --help     Print this.
  -V, --version  Print the version.

Signals:
  SIGTERM, SIGINT  Stop.
  SIGHUP           Read the configuration again: tokens, [hub] user, pass, names and public, [user:NAME] and the
                   files of certificates are taken over; other keys take effect at the next start, and are named. A
                   wrong file changes nothing. A master node takes nothing over.
  SIGUSR1          Write the counters to the log.

Exit codes:
  0  done          1  failed          2  wrong command line";

#[derive(Debug)]
enum Command {
    Hub { config: Option<PathBuf> },
    MasterNode(Invocation),
    Token { command: token::Command, config: Option<PathBuf> },
    Top { url: Option<String> },
    Export(export::Export),
    AlertsTry { file: PathBuf, url: Option<String> },
    CurveKeygen { to: Option<PathBuf> },
    NotifyTest { name: String, config: Option<PathBuf> },
    Pki { command: pki::Command, config: Option<PathBuf> },
    Help,
    Version,
}

/// A command's arguments, which take precedence over the configuration, and where that is.
#[derive(Debug)]
struct Invocation {
    address: Option<String>,
    port: Option<u16>,
    config: Option<PathBuf>,
}

/// Runs the program with its arguments, the program's name first.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let command = match parse(lexopt::Parser::from_iter(args)) {
        Ok(command) => command,
        Err(error) => {
            complain(format_args!("{error}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let ended = match command {
        Command::Hub { config } => hub(config),
        Command::MasterNode(invocation) => master_node(invocation),
        Command::Token { command, config } => token::run(command, config.as_deref()),
        Command::Top { url } => top::run(url.as_deref()),
        Command::Export(export) => export::run(&export),
        Command::AlertsTry { file, url } => alerts::run(&file, url.as_deref()),
        Command::NotifyTest { name, config } => notify::test(&name, config.as_deref()),
        Command::Pki { command, config } => pki::run(command, config.as_deref()),
        Command::CurveKeygen { to } => curve::keygen(to.as_deref()).and_then(answer),
        Command::Help => answer(format_args!("{VERSION}\n{USAGE}\n\n{HELP}")),
        Command::Version => answer(VERSION),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            complain(text);
            ExitCode::FAILURE
        }
    }
}

fn parse(mut parser: lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut words, mut config, mut scope) = (Vec::new(), None, None);
    let mut options = export::Options::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("config") => config = Some(parser.value()?.into()),
            Long("scope") => scope = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("from") => options.from = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("to") => options.to = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("board") => options.board = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("format") => options.format = Some(parser.value()?.to_string_lossy().into_owned()),
            Long("to-folder") => options.folder = Some(parser.value()?.into()),
            Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected()),
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["token", words @ ..] = &words[..] {
        let command = token::parse(words, scope.as_deref())?;
        return Ok(Command::Token { command, config });
    }
    if let ["pki", words @ ..] = &words[..] {
        return Ok(Command::Pki { command: pki::parse(words)?, config });
    }
    if scope.is_some() {
        return Err("--scope is for token add and token link alone".into());
    }
    if let ["export", words @ ..] = &words[..] {
        return Ok(Command::Export(export::Export::parse(words, options)?));
    }
    if let ["curve", rest @ ..] = &words[..] {
        let to = options.to.take().map(PathBuf::from);
        return match rest {
            ["keygen"] if options.are_none() => Ok(Command::CurveKeygen { to }),
            _ => Err("expected curve keygen, and perhaps --to FILE".into()),
        };
    }
    if !options.are_none() {
        return Err("--from, --to, --board, --format and --to-folder are for export alone".into());
    }
    let (address, port) = match words[..] {
        [] => return Ok(Command::Hub { config }),
        ["top"] => return Ok(Command::Top { url: None }),
        ["top", url] => return Ok(Command::Top { url: Some(url.to_owned()) }),
        ["top", _, word, ..] => return Err(format!("expected no more than a URL, got {word}").into()),
        ["notify", "test", name] => return Ok(Command::NotifyTest { name: name.to_owned(), config }),
        ["notify", ..] => return Err("expected notify test NAME".into()),
        ["alerts", "try", file] => return Ok(Command::AlertsTry { file: file.into(), url: None }),
        ["alerts", "try", file, url] => {
            return Ok(Command::AlertsTry { file: file.into(), url: Some(url.to_owned()) });
        }
        ["alerts", ..] => return Err("expected alerts try FILE, and perhaps a URL".into()),
        ["masternode", "start"] => (None, None),
        // The original took a port alone, too.
        ["masternode", "start", word] if is_number(word) => (None, Some(port(word)?)),
        ["masternode", "start", address] => (Some(bind(address)?), None),
        ["masternode", "start", address, word] => (Some(bind(address)?), Some(port(word)?)),
        ["masternode", "start", _, _, word, ..] => {
            return Err(format!("expected no more than ADDRESS and PORT, got {word}").into());
        }
        _ => {
            return Err(
                "expected masternode start, token, top, export, alerts, notify, pki, curve, or no command"
                    .into(),
            );
        }
    };
    Ok(Command::MasterNode(Invocation { address, port, config }))
}

fn hub(config: Option<PathBuf>) -> Result<(), String> {
    let (settings, warnings) =
        settings::of_hub(config.as_deref(), Needs::Password).map_err(|problems| problems.to_string())?;
    logger::install();
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    let data = settings.hub.data.folder()?;
    serve::run(settings, config, data.as_deref()).map_err(|error| error.to_string())
}

fn master_node(invocation: Invocation) -> Result<(), String> {
    let loaded =
        settings::load(invocation.config.as_deref(), Needs::Keys).map_err(|problems| problems.to_string())?;
    let (settings::Settings { chasar: settings, .. }, warnings) = loaded;
    let addresses = addresses_of(invocation.address.as_ref().unwrap_or(&settings.bind))?;
    let port = invocation.port.unwrap_or(settings.port);
    if port == settings.publish_port {
        return Err(format!(
            "port {port} is for subscribers ([chasar] publish_port): give client nodes another"
        ));
    }
    logger::install();
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    run::run(&addresses, port, settings).map_err(|error| error.to_string())
}

/// Prints on standard output. That nobody reads it is no failure of the command.
fn answer(text: impl Display) -> Result<(), String> {
    let _ = writeln!(io::stdout(), "{text}");
    Ok(())
}
