//! The command line.

pub mod chasar;
pub mod sensors;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::{self, Path, PathBuf};
use std::process::ExitCode;

use lexopt::Arg::{Long, Short, Value};

use crate::life::context::Mode;
use crate::life::notify::Manager;
use crate::life::run::{self, Options};
use crate::life::service::{self, Launcher, Started, Unstarted};
use crate::life::signals;
use crate::life::status;
use crate::settings::{Configuration, Loaded, Needs, Settings};
use psistats_core::limits::REPORT;
use psistats_host::conf::{self, Problem, Severity, near};
use psistats_host::machine::source::Root;
use psistats_host::output::{Reason, complain};

/// Bytes of a report of the basic figures and a few more.
const USUAL_REPORT: u64 = 200;

const VERSION: &str = concat!("psistats ", env!("CARGO_PKG_VERSION"));

const USAGE: &str = "\
Usage: psistats start|start-local|stop|restart|status|check-config|sensors
                [--config FILE] [--root DIR] [--stdout | --once]
       psistats chasar ...
       psistats help | version";

const HELP: &str = "\
Reports the health of this machine to RabbitMQ.

Commands:
  start         Start in the background. The configuration is checked first: if
                it has errors, nothing starts. Prints whether the broker could
                be reached, and succeeds either way. If psistats is already
                running, prints its PID and succeeds.
  start-local   Run in the foreground, without a pidfile.
  stop          Stop the background process and wait until it has ended.
                Succeeds if none is running. Removes a pidfile left by a crash.
  restart       stop, then start. Starts psistats if it is not running.
  status        Print whether psistats is running, in the background or as a
                systemd service, and the state of its connections.
  check-config  Check the configuration. Problems are listed as FILE:LINE,
                errors first.
  sensors       List the sensors of this machine as a [sensors] section to paste
                into the configuration. The configuration is not read.
  chasar        Run a chasar client node or master node: see chasar --help.
  help, version Print this help, or the version.
  A command may also be written as an option, like --start and --sensors of the
  original psistats; --start-console is start-local.

Options, before or after the command:
  --config FILE  Read this configuration file.
  --root DIR     Read DIR/proc and DIR/sys instead of /proc and /sys.
  --stdout       start-local only: print each report as a line of JSON instead
                 of publishing it. No broker is needed.
  --once         start-local only: print one report with every enabled figure,
                 then exit.
  -h, --help     Print this help.
  -V, --version  Print the version.

Configuration, the first that exists of:
  --config FILE (which must exist)
  ./psistats.conf
  ~/.psistats/psistats.conf
  /etc/psistats.conf
  psistats.conf in ./etc, /usr/etc, /usr/local/share/psistats,
    /usr/share/psistats, as in the original psistats 0.2
  none: built-in defaults, for a broker at localhost
As root, a file in . or ~ is used only if nobody but root, or the user who
called sudo, can write to it. Relative paths in the configuration start from the
directory in which psistats was started.

Signals:
  SIGTERM, SIGINT  Wait briefly for confirms, close the connections, exit.
  SIGHUP           Reload the configuration; if it has errors, keep the
                   previous one.
  SIGUSR1          Log the counters.

Exit codes:
  0 success, 1 failure, 2 wrong command line
  status: 0 running, 1 not running but its pidfile exists, 3 not running,
          4 unknown";

/// Runs the program with its arguments, the program's name first.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut parser = lexopt::Parser::from_iter(args);
    if is_chasar(&mut parser) {
        return ExitCode::from(chasar(parser));
    }
    let invocation = match parse(parser) {
        Ok(invocation) => invocation,
        Err(error) => {
            complain(format_args!("{error}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let done = match invocation.command {
        Command::Start => start(&invocation),
        Command::StartLocal => start_local(&invocation),
        Command::Stop => stop(&invocation),
        Command::Restart => restart(&invocation),
        Command::CheckConfig => check_config(&invocation),
        Command::Sensors => sensors(&invocation),
        Command::Status => return ExitCode::from(status(&invocation)),
        Command::Daemon => return ExitCode::from(daemon(&invocation)),
        Command::Help => return ExitCode::from(answer(format_args!("{VERSION}\n{USAGE}\n\n{HELP}"))),
        Command::Version => return ExitCode::from(answer(VERSION)),
    };
    ExitCode::from(code(done))
}

/// Whether the program was called as chasar, by a link or as `psistats chasar`.
fn is_chasar(parser: &mut lexopt::Parser) -> bool {
    let by_link = parser.bin_name().is_some_and(|name| name.rsplit('/').next() == Some("chasar"));
    by_link || parser.raw_args().is_ok_and(|mut args| args.next_if(|arg| arg == "chasar").is_some())
}

fn chasar(mut parser: lexopt::Parser) -> u8 {
    match chasar::parse(&mut parser) {
        Ok(chasar::Command::ClientNode { config, words }) => {
            code(foreground(Configuration::of_client_node(config, words), "/".into(), Mode::ClientNode))
        }
        Ok(chasar::Command::MasterNode(arguments)) => code(chasar::master_node(arguments)),
        Ok(chasar::Command::Help) => answer(chasar::help(VERSION)),
        Ok(chasar::Command::Version) => answer(VERSION),
        Err(error) => {
            complain(format_args!("{error}\n{}", chasar::USAGE));
            2
        }
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Start,
    StartLocal,
    Stop,
    Restart,
    Status,
    CheckConfig,
    Sensors,
    Help,
    Version,
    /// Internal: see [`service::DAEMON`].
    Daemon,
}

/// The commands by name. As in the original, each name may follow `--`.
const COMMANDS: [(&str, Command); 11] = [
    ("start", Command::Start),
    ("start-local", Command::StartLocal),
    ("start-console", Command::StartLocal),
    ("stop", Command::Stop),
    ("restart", Command::Restart),
    ("status", Command::Status),
    ("check-config", Command::CheckConfig),
    ("sensors", Command::Sensors),
    ("help", Command::Help),
    ("version", Command::Version),
    (service::DAEMON, Command::Daemon),
];

impl Command {
    fn named(word: &str) -> Option<Self> {
        COMMANDS.iter().find(|(name, _)| *name == word).map(|(_, command)| *command)
    }
}

/// The options that a misspelt option is compared with, beside the commands.
const OPTIONS: [&str; 4] = ["config", "root", "stdout", "once"];

/// `, did you mean NAME?` where `word` is nearly a command or one of `more`, with `dashes` before it.
fn hint(word: &str, dashes: &str, more: &[&str]) -> String {
    let mut names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
    names.retain(|name| *name != service::DAEMON);
    names.extend(more);
    near(word, names.into_iter()).map(|name| format!(", did you mean {dashes}{name}?")).unwrap_or_default()
}

#[derive(Debug)]
struct Invocation {
    command: Command,
    config: Option<PathBuf>,
    root: PathBuf,
    stdout: bool,
    once: bool,
}

fn parse(mut parser: lexopt::Parser) -> Result<Invocation, lexopt::Error> {
    let mut invocation =
        Invocation { command: Command::Help, config: None, root: "/".into(), stdout: false, once: false };
    let mut command = None;
    while let Some(arg) = parser.next()? {
        let named = match &arg {
            Short('h') => Command::Help,
            Short('V') => Command::Version,
            Long("config") => {
                invocation.config = Some(parser.value()?.into());
                continue;
            }
            Long("root") => {
                invocation.root = parser.value()?.into();
                continue;
            }
            Long("stdout") => {
                invocation.stdout = true;
                continue;
            }
            Long("once") => {
                (invocation.stdout, invocation.once) = (true, true);
                continue;
            }
            Long(word) => Command::named(word)
                .ok_or_else(|| format!("unknown option --{word}{}", hint(word, "--", &OPTIONS)))?,
            Value(word) => {
                let word = word.to_string_lossy();
                Command::named(&word).ok_or_else(|| {
                    let expected = if command.is_none() { "a command" } else { "no more than one command" };
                    format!("expected {expected}, got {word}{}", hint(&word, "", &["chasar"]))
                })?
            }
            Short(_) => return Err(arg.unexpected()),
        };
        // Help and version take precedence over everything else on the command line.
        if let Command::Help | Command::Version = named {
            return Ok(Invocation { command: named, ..invocation });
        }
        if command.replace(named).is_some() {
            return Err("expected one command, got two".into());
        }
    }
    let command = command.ok_or("expected a command, got none")?;
    if invocation.stdout && command != Command::StartLocal {
        return Err(
            "--stdout and --once need start-local: a background process has no standard output".into()
        );
    }
    Ok(Invocation { command, ..invocation })
}

impl Invocation {
    fn configuration(&self) -> Result<(Configuration, Loaded), String> {
        let mut configuration = Configuration::of(self.needs(), self.config.clone());
        let loaded = configuration.load().map_err(|problems| problems.to_string())?;
        Ok((configuration, loaded))
    }

    fn needs(&self) -> Needs {
        match self.command {
            Command::CheckConfig => Needs::CHECK,
            Command::Status => Needs::STATUS,
            Command::Stop => Needs::STOP,
            Command::StartLocal if self.stdout => Needs::PRINT,
            _ => Needs::PUBLISH,
        }
    }

    /// `--root`, absolute. It is checked because a wrong one would look like a machine without any figures.
    fn root(&self) -> Result<PathBuf, String> {
        match path::absolute(&self.root) {
            Ok(root) if root.is_dir() => Ok(root),
            _ => Err(format!("--root: expected a directory, got {}", self.root.display())),
        }
    }
}

fn start_local(invocation: &Invocation) -> Result<(), String> {
    let root = invocation.root()?;
    let mode = if invocation.stdout { Mode::Print { once: invocation.once } } else { Mode::Send };
    foreground(Configuration::of(invocation.needs(), invocation.config.clone()), root, mode)
}

fn foreground(mut configuration: Configuration, root: PathBuf, mode: Mode) -> Result<(), String> {
    signals::hold().map_err(|error| error.to_string())?;
    let loaded = configuration.load().map_err(|problems| problems.to_string())?;
    let manager = Manager::from_environment().map_err(|error| error.to_string())?;
    let socket = if let Mode::Print { .. } = mode { None } else { status::socket_of_unit() };
    let options = Options { loaded, configuration, root, mode, launcher: None, manager, socket };
    run::run(options).map_err(|error| Reason(&error).to_string())
}

fn start(invocation: &Invocation) -> Result<(), String> {
    let (configuration, loaded) = invocation.configuration()?;
    launch(&configuration, &loaded, &invocation.root()?)
}

fn stop(invocation: &Invocation) -> Result<(), String> {
    let (_, loaded) = invocation.configuration()?;
    answer(service::stop(&loaded.settings.app.pidfile, "stop")?);
    Ok(())
}

fn restart(invocation: &Invocation) -> Result<(), String> {
    // The configuration is checked first, so that a wrong one leaves the service running.
    let (configuration, loaded) = invocation.configuration()?;
    let root = invocation.root()?;
    answer(service::stop(&loaded.settings.app.pidfile, "restart")?);
    launch(&configuration, &loaded, &root)
}

fn launch(configuration: &Configuration, loaded: &Loaded, root: &Path) -> Result<(), String> {
    complain_of(&loaded.warnings);
    let mut options = vec!["--root".into(), root.into()];
    if let Some(file) = configuration.file() {
        options.extend(["--config".into(), file.into()]);
    }
    match service::start(&loaded.settings.app, options)? {
        Started::Now(pid, how) => {
            answer(format_args!("psistats started, pid {pid}; {how}"));
        }
        Started::Before(text) => complain(text),
    }
    Ok(())
}

fn status(invocation: &Invocation) -> u8 {
    match invocation.configuration() {
        Ok((_, loaded)) => {
            complain_of(&loaded.warnings);
            let (code, state) = service::status(&loaded.settings.app.pidfile);
            answer(state.trim_end());
            code
        }
        Err(text) => {
            complain(text);
            service::UNKNOWN
        }
    }
}

fn check_config(invocation: &Invocation) -> Result<(), String> {
    let mut configuration = Configuration::of(invocation.needs(), invocation.config.clone());
    let loaded = configuration.load().map_err(|problems| {
        let errors = conf::count(&problems.0, Severity::Error);
        format!("{problems}\n{errors}, {}", conf::count(&problems.0, Severity::Warning))
    })?;
    complain_of(&loaded.warnings);
    let mut text = match &loaded.source {
        Some(file) => format!("{}: ok", file.display()),
        None => "no configuration file found: built-in defaults apply".into(),
    };
    if loaded.warnings.iter().any(|problem| problem.severity == Severity::Warning) {
        text = format!("{text}, {}", conf::count(&loaded.warnings, Severity::Warning));
    }
    let Settings { server, backlog, app, .. } = &loaded.settings;
    if !server.enabled {
        text.push_str("; not publishing: [server] enabled=no");
    }
    if loaded.settings.spool().is_some() {
        let of = |length| backlog.megabytes_a_day(app.primary_timer, length);
        let (usual, most) = (of(USUAL_REPORT), of(REPORT as u64));
        text = format!(
            "{text}\nspool: nothing is written while the broker confirms; while it does not, {usual} MB a day with \
             reports of {USUAL_REPORT} bytes, {most} MB at most"
        );
    }
    answer(text);
    Ok(())
}

fn complain_of(warnings: &[Problem]) {
    warnings.iter().for_each(|warning| complain(format_args!("{warning:#}")));
}

fn sensors(invocation: &Invocation) -> Result<(), String> {
    answer(sensors::section(&Root::open(&invocation.root()?)).trim_end());
    Ok(())
}

/// Runs the background process, which reports to its launcher whether it has started.
fn daemon(invocation: &Invocation) -> u8 {
    let Some(mut launcher) = Launcher::attach() else {
        complain(format_args!("expected a command, got {}, which is internal\n{USAGE}", service::DAEMON));
        return 2;
    };
    match serve(invocation, &mut launcher) {
        Ok(()) => DONE,
        Err(why) => {
            launcher.failed(&why);
            FAILED
        }
    }
}

fn serve(invocation: &Invocation, launcher: &mut Launcher) -> Result<(), Unstarted> {
    let (configuration, loaded) = invocation.configuration()?;
    let pidfile = service::become_service(&loaded.settings.app)?;
    let socket = status::socket_of(&loaded.settings.app.pidfile);
    let root = invocation.root.clone();
    // This process notifies its launcher, not a service manager.
    let (launcher, manager) = (Some(launcher), Manager::default());
    let end = run::run(Options {
        loaded,
        configuration,
        root,
        mode: Mode::Send,
        launcher,
        manager,
        socket: Some(socket.clone()),
    });
    status::remove(&socket);
    if let Err(error) = pidfile.remove() {
        log::warn!("{error}");
        log::logger().flush();
    }
    end.map_err(|error| Unstarted::Failed(Reason(&error).to_string()))
}

fn code(end: Result<(), String>) -> u8 {
    match end {
        Ok(()) => DONE,
        Err(text) => {
            complain(text);
            FAILED
        }
    }
}

/// Prints on standard output. A closed standard output does not make the command fail.
fn answer(text: impl Display) -> u8 {
    let _ = writeln!(io::stdout(), "{text}");
    DONE
}
