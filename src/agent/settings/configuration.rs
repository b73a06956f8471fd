//! Where the configuration comes from, at the start and at each reload.

use std::env;
use std::path::{Path, PathBuf};

use crate::cli::chasar::Words;
use crate::settings::{App, Loaded, Needs, Settings, load, tls};
use psistats_host::conf::logging::{SyslogAddress, Target};
use psistats_host::conf::{Problem, Problems, Severity};

/// The configuration's place.
///
/// Relative paths, on the command line and in the file, start from the directory in which psistats
/// was started, also in the background, where the working directory is `/`: the original opened
/// its files before it left that directory, and `filename=psistats.log` goes on to mean the same.
#[derive(Clone, Debug)]
pub struct Configuration {
    file: Option<PathBuf>,
    directory: PathBuf,
    needs: Needs,
    client_node: Option<Words>,
}

impl Configuration {
    /// `explicit` is `--config FILE`; without it the usual places are searched.
    pub fn new(explicit: Option<PathBuf>) -> Self {
        Self::of(Needs::PUBLISH, explicit)
    }

    /// The same for a command that may need less of it.
    pub fn of(needs: Needs, explicit: Option<PathBuf>) -> Self {
        // Where the directory has been removed, nothing relative to it can be opened anyway.
        let directory = env::current_dir().unwrap_or_else(|_| "/".into());
        Self { file: explicit, directory, needs, client_node: None }
    }

    /// The same for a client node of chasar alone, with `words` from its command line.
    pub fn of_client_node(explicit: Option<PathBuf>, words: Words) -> Self {
        Self { client_node: Some(words), ..Self::of(Needs::CLIENT_NODE, explicit) }
    }

    /// Reads and checks the configuration; all paths in it come out absolute.
    ///
    /// A file that was found once is the one that is read again, wherever else one appears.
    pub fn load(&mut self) -> Result<Loaded, Problems> {
        let mut loaded = load(self.file.as_deref(), self.needs)?;
        self.file = loaded.source.as_deref().map(|file| self.directory.join(file));
        anchor(&mut loaded.settings, &self.directory);
        if let Some(words) = &self.client_node {
            words.replace(&mut loaded.settings.chasar);
        }
        if let Some(tls) = loaded.settings.server.tls.as_ref().filter(|_| loaded.settings.server.enabled) {
            let file = loaded.source.as_deref().unwrap_or(Path::new(""));
            let warnings = tls::warnings(tls).into_iter().map(|text| Problem::of(file, text));
            loaded.warnings.extend(warnings.map(|problem| problem.but(Severity::Warning)));
        }
        let Settings { server, chasar, .. } = &loaded.settings;
        if self.needs.an_outlet() && !server.enabled && !chasar.enabled {
            return Err(no_outlet(loaded));
        }
        Ok(loaded)
    }

    /// The file, absolute, once it has been loaded; `None` where built-in defaults apply.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// The error, and then the warnings, which may say why it is one.
fn no_outlet(loaded: Loaded) -> Problems {
    let text = "expected [server] enabled=yes or [chasar] enabled=yes: there is nothing to send to";
    let (severity, file) = (Severity::Error, loaded.source.unwrap_or_default());
    let mut problems = loaded.warnings;
    problems.insert(0, Problem { severity, file, line: None, text: text.into() });
    Problems(problems)
}

fn anchor(settings: &mut Settings, directory: &Path) {
    let App { pidfile, stdin_path, stdout_path, stderr_path, .. } = &mut settings.app;
    let handlers = settings.logging.iter_mut().flat_map(|logging| &mut logging.handlers);
    let logs = handlers.filter_map(|handler| match &mut handler.target {
        Target::File { path, .. }
        | Target::RotatingFile { path, .. }
        | Target::TimedRotatingFile { path, .. }
        | Target::Syslog { address: SyslogAddress::Path(path), .. } => Some(path),
        Target::Stderr | Target::Stdout | Target::Syslog { .. } | Target::Null => None,
    });
    let tls = settings.server.tls.iter_mut().flat_map(tls::files);
    let app = [pidfile, stdin_path, stdout_path, stderr_path];
    for path in app.into_iter().chain(logs).chain(tls).chain(&mut settings.backlog.file) {
        // An absolute path replaces what it is joined to.
        *path = directory.join(&*path);
    }
}
