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
use crate::settings::{Configuration, Loaded, Needs};
use psistats_host::conf::{self, Problem, Severity, near};
use psistats_host::machine::source::Root;
use psistats_host::output::{Reason, complain};

const VERSION: &str = concat!("psistats ", env!("CARGO_PKG_VERSION"));

const USAGE: &str = "\
Usage: psistats start|start-local|stop|restart|status|check-config|sensors
                [--config FILE] [--root DIR] [--stdout | --once]
       psistats chasar ...
       psistats help | version";

const HELP: &str = "\
Sends the health of this machine to RabbitMQ.

Commands:
  start         Start in the background. The configuration is checked first; nothing starts half
                configured. Says whether the broker could be reached, and is a success either way.
                If psistats is already running, prints its PID, and that is success.
  start-local   Run in the foreground, without a pidfile.
  stop          End what runs in the background, and wait until it is gone. Where nothing runs, that
                is success; a pidfile that a crash has left is removed.
  restart       stop, then start; also where nothing runs.
  status        Say whether psistats is running in the background, or as the service of systemd, and
                how its connection to the broker is. The exit code says whether it is running.
  check-config  Read the configuration, and list what is wrong with it as FILE:LINE, errors first.
  sensors       List the sensors of this machine as a section [sensors], which can be pasted into
                the configuration as it is. The configuration is not read.
  chasar        Send to a chasar master node, or be one: see chasar --help.
  help, version Print this, or the version.
  A command may also be written as an option, as the original has --start and --sensors;
  --start-console is start-local.

Options, before or after the command:
  --config FILE  Read this configuration.
  --root DIR     Read DIR/proc and DIR/sys instead of /proc and /sys.
  --stdout       start-local only: print one JSON report a line instead of publishing it. No broker
                 is needed.
  --once         start-local only: print one such report, with every enabled figure, and end.
  -h, --help     Print this.
  -V, --version  Print the version.

Configuration, the first that exists of:
  --config FILE (which must exist)
  ./psistats.conf
  ~/.psistats/psistats.conf
  /etc/psistats.conf
  psistats.conf in ./etc, /usr/etc, /usr/local/share/psistats, /usr/share/psistats, as in 0.2
  none: built-in defaults, for a broker at localhost
As root, one in . or ~ counts only if nobody else, but whoever called sudo, can write it.
Relative paths in it start from the directory in which psistats was started.

Signals:
  SIGTERM, SIGINT  Flush what the broker can still confirm, close the connection, end.
  SIGHUP           Read the configuration again; where it is wrong, keep the present one.
  SIGUSR1          Write the counters to the log.

Exit codes:
  0  done          1  failed          2  wrong command line
  of status: 0 running, 1 not running, but its pidfile exists, 3 not running, 4 unknown";

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

/// Whether it is called as chasar, by a link or as `psistats chasar`.
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

/// By their names, which may follow `--` as in the original.
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

/// What a misspelt option may be beside these.
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
        // Whoever asks for help gets it, whatever else stands there.
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
            "--stdout and --once belong to start-local: only the foreground has a standard output".into()
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

    /// `--root`, absolute. A misspelt one would show as a machine without any figures.
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
    // What would not start again is not stopped.
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
    if !loaded.settings.server.enabled {
        text.push_str("; not publishing: [server] enabled=no");
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

/// The process in the background, which tells its launcher how it went.
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
    // Who waits for this process is its launcher.
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

/// Prints on standard output. Nobody listening there is no failure of the command.
fn answer(text: impl Display) -> u8 {
    let _ = writeln!(io::stdout(), "{text}");
    DONE
}
