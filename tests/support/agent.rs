//! The program under test, and its configuration.

use std::fs::{self, Permissions};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::PATIENCE;
use super::process::Process;
use super::project;

/// psistats.conf: sections with their keys in order, then any text.
#[derive(Clone)]
pub struct Config {
    keys: Vec<(String, String, String)>,
    text: String,
}

impl Config {
    /// Fast timers (20 reports a second), reconnecting at once, against `port` and `vhost` of 127.0.0.1.
    pub fn new(port: u16, vhost: &str) -> Self {
        Self { keys: Vec::new(), text: String::new() }
            .set("server", "host", "127.0.0.1")
            .set("server", "port", port)
            .set("server", "path", vhost)
            .set("app", "primary_timer", "0.05")
            .set("app", "secondary_timer", "0.2")
            .set("app", "retry_timer", "0.1")
    }

    /// Sets or replaces a key.
    pub fn set(mut self, section: &str, key: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        match self.keys.iter_mut().find(|(s, k, _)| s == section && k == key) {
            Some(entry) => entry.2 = value,
            None => self.keys.push((section.into(), key.into(), value)),
        }
        self
    }

    /// With an exchange and a queue that outlive agent and broker, in which nothing expires.
    pub fn durable(self) -> Self {
        self.set("exchange", "durable", "yes")
            .set("queue", "durable", "yes")
            .set("queue", "exclusive", "no")
            .set("queue", "autodelete", "no")
            .set("queue", "ttl", "")
    }

    /// A whole file as it is.
    pub fn whole(text: &str) -> Self {
        Self { keys: Vec::new(), text: text.into() }
    }

    /// Appends text as it is, after all keys.
    pub fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }
}

impl std::fmt::Display for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sections: Vec<&str> = Vec::new();
        for (section, ..) in &self.keys {
            if !sections.contains(&section.as_str()) {
                sections.push(section);
            }
        }
        for section in sections {
            writeln!(f, "[{section}]")?;
            for (_, key, value) in self.keys.iter().filter(|(s, ..)| s == section) {
                writeln!(f, "{key}={value}")?;
            }
        }
        f.write_str(&self.text)
    }
}

/// `psistats start-local --config FILE`, in a directory of its own. See [`Process`] for what can
/// be done with it.
pub struct Agent {
    process: Process,
    dir: TempDir,
}

impl Agent {
    /// Starts it with further arguments.
    pub fn start(config: &Config, args: &[&str]) -> Self {
        Self::start_by(&mut Command::new(project::program("psistats")), config, args)
    }

    /// Starts it on a board of that host name, which it has to itself. Needs root.
    pub fn on_board(name: &str, config: &Config) -> Self {
        let named = format!("hostname {name} && exec \"$0\" \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--uts", "sh", "-c", &named]).arg(project::program("psistats"));
        Self::start_by(&mut command, config, &[])
    }

    /// Starts it by `command`: the program itself, or one that becomes it (`nsenter`).
    pub fn start_by(command: &mut Command, config: &Config, args: &[&str]) -> Self {
        let dir = tempfile::tempdir_in(project::target("tmp")).unwrap();
        let file = dir.path().join("psistats.conf");
        write_config(&file, config);
        command.arg("start-local").arg("--config").arg(&file).args(args).current_dir(dir.path());
        Self { process: Process::start(command), dir }
    }

    /// Its configuration file, working directory beside it.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("psistats.conf")
    }

    /// Writes another configuration and sends SIGHUP.
    pub fn reload(&self, config: &Config) {
        write_config(&self.config_file(), config);
        self.signal(Signal::SIGHUP);
    }

    /// SIGTERM, then its exit status. Panics where it does not end. Its lines can still be read.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.signal(Signal::SIGTERM);
        self.process.wait(PATIENCE)
    }
}

impl Deref for Agent {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Agent {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn write_config(file: &std::path::Path, config: &Config) {
    fs::write(file, config.to_string()).unwrap();
    // It holds a password; that others can read it is a warning, which has a test of its own.
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}
