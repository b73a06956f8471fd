//! The configuration, read again while the agent runs.

use std::future::pending;
use std::mem;
use std::path::Path;

use log::{error, info, warn};

use crate::life::context::Shared;
use crate::life::notify::Manager;
use crate::logging::{self, Fallback, Loggers};
use crate::net::aside::{Aside, drop_aside};
use crate::settings::Configuration;
use crate::settings::Loaded;
use psistats_host::conf::{Problems, Severity};
use psistats_host::output::Reason;

/// A configuration that was read again, from where it is read the next time, and its logging, opened.
pub type Reread = (Configuration, Result<(Loaded, Result<Loggers, logging::Error>), Problems>);

/// Reads the configuration again, one time after the other.
pub struct Reload<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    configuration: Configuration,
    fallback: Fallback,
    /// While it is being read.
    reading: Option<Aside<'r, Reread>>,
    /// It was asked for again meanwhile.
    once_more: bool,
}

impl<'s, 'r> Reload<'s, 'r> {
    /// Of the configuration that is read so; its logging as [`logging::open`] has it with `fallback`.
    pub fn new(
        shared: &'s Shared<'r>,
        manager: &'s Manager,
        configuration: Configuration,
        fallback: Fallback,
    ) -> Self {
        Self { shared, manager, configuration, fallback, reading: None, once_more: false }
    }

    /// Begins to read the configuration; once more after that, where it is being read.
    pub fn begin(&mut self) {
        if self.reading.is_none() {
            self.read();
        } else if !mem::replace(&mut self.once_more, true) {
            warn!(
                "SIGHUP: the configuration is still being read, which the SIGHUP before asked for; \
                 it is read once more after that"
            );
        }
    }

    /// What was read, once it is; to be handed to [`Reload::end`]. May be dropped while it waits.
    pub async fn reread(&self) -> Reread {
        match &self.reading {
            Some(reading) => reading.result().await,
            None => pending().await,
        }
    }

    /// Takes over what was read.
    pub fn end(&mut self, reread: Reread) {
        self.reading = None;
        self.take_over(reread);
        self.manager.reloaded();
        if mem::take(&mut self.once_more) {
            self.read();
        }
    }

    /// Reads aside, because the configuration's files and those that it names, and the name servers that it needs,
    /// may be slow to answer, or never do.
    fn read(&mut self) {
        self.manager.reloading(self.shared.reactor.now());
        let (mut configuration, fallback) = (self.configuration.clone(), self.fallback);
        let reading = Aside::start(self.shared.reactor, "reload", move || {
            let loaded = configuration.load();
            let read = loaded.map(|loaded| {
                let loggers = logging::open(loaded.settings.logging.as_ref(), fallback);
                (loaded, loggers)
            });
            (configuration, read)
        });
        match reading {
            Ok(reading) => self.reading = Some(reading),
            Err(error) => {
                error!("cannot reload the configuration: {error}");
                self.manager.reloaded();
            }
        }
    }

    /// Takes over all of what was read or, where it is wrong, nothing.
    fn take_over(&mut self, (configuration, read): Reread) {
        self.configuration = configuration;
        let (loaded, loggers) = match read {
            Ok(read) => read,
            Err(problems) => {
                for problem in &problems.0 {
                    match problem.severity {
                        Severity::Error => error!("{problem}"),
                        Severity::Warning | Severity::Note => warn!("{problem}"),
                    }
                }
                return error!("keeping the previous configuration");
            }
        };
        if let Err(error) = self.shared.make_ring(&loaded.settings) {
            return error!("{}; keeping the previous configuration", Reason(&error));
        }
        let is_moved = self.shared.settings().spool().map(Path::as_os_str)
            != loaded.settings.spool().map(Path::as_os_str);
        match loggers.and_then(logging::replace) {
            Ok(before) => drop_aside(before),
            Err(error) => return error!("{error}; keeping the previous configuration"),
        }
        loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
        if is_moved {
            warn!(
                "[backlog] file takes effect at the next start: what is in a spool comes before new reports"
            );
        }
        info!("the configuration was reloaded");
        self.shared.replace_settings(loaded.settings);
    }
}
