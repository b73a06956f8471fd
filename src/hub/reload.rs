//! What SIGHUP takes over of a changed configuration: who may log in, and who may read what.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use log::{error, info, warn};

use crate::intake::amqp::Intake;
use crate::intake::users::Users;
use crate::settings::{self, Addresses, Hub, Needs, Settings};
use crate::web::auth::Tokens;
use crate::web::store::{Store, now_s};
use crate::web::{Access, Web};

/// What the hub runs with.
pub struct Running {
    /// `--config`
    config: Option<PathBuf>,
    settings: Settings,
    store: Option<Store>,
}

impl Running {
    /// A hub that starts with these settings and keeps its tokens in `data`.
    pub fn new(settings: Settings, config: Option<PathBuf>, data: Option<&Path>) -> Self {
        Self { config, settings, store: data.map(|folder| Store::new(folder.to_owned())) }
    }

    /// Where its tokens are; None: nowhere.
    pub fn store(&self) -> Option<Store> {
        self.store.clone()
    }

    /// Who may read what, at the start. Tokens that cannot be read are no reason to lose reports: nobody has one then.
    pub fn access(&self) -> Access {
        let tokens = self.tokens().unwrap_or_else(|why| {
            error!("{why}; nobody can log in from other machines until it is mended and SIGHUP is sent");
            Tokens::default()
        });
        let access = access_of(&self.settings.hub, tokens);
        self.advise(&access);
        access
    }

    fn tokens(&self) -> Result<Tokens, String> {
        self.store.as_ref().map_or_else(|| Ok(Tokens::default()), Store::load)
    }

    /// Reads everything again, and then takes over what can be. Nothing changes where something is wrong.
    pub fn reload(&mut self, web: &Web, intake: Option<&Rc<Intake>>) {
        let read = settings::of_hub(self.config.as_deref(), Needs::Password);
        let read = read.map_err(|problems| problems.to_string());
        let (Settings { hub, users, chasar, rabbitmq, mqtt, alerts, remote_write }, warnings, tokens) =
            match read.and_then(|(settings, warnings)| Ok((settings, warnings, self.tokens()?))) {
                Ok(read) => read,
                Err(why) => {
                    why.lines().for_each(|line| error!("{line}"));
                    return error!("keeping the previous configuration");
                }
            };
        warnings.iter().for_each(|warning| warn!("{warning}"));
        let running = &mut self.settings;
        let mut keys: Vec<_> =
            hub.fixed_differences(&running.hub).into_iter().map(|key| format!("[hub] {key}")).collect();
        keys.extend((chasar != running.chasar).then(|| "[chasar]".to_owned()));
        keys.extend((rabbitmq != running.rabbitmq).then(|| "[rabbitmq]".to_owned()));
        keys.extend((mqtt != running.mqtt).then(|| "[mqtt]".to_owned()));
        keys.extend((alerts != running.alerts).then(|| "alerts and their receivers".to_owned()));
        keys.extend((remote_write != running.remote_write).then(|| "[remote_write]".to_owned()));
        if !keys.is_empty() {
            warn!("{}: changed, and takes effect at the next start: restart the service", keys.join(", "));
        }
        if let Some(intake) = intake {
            intake.set_users(Users::of(&hub, &users));
        }
        let Hub { user, pass, names, is_public, .. } = hub;
        let before = running.hub.clone();
        running.hub = Hub { user, pass, names, is_public, ..before };
        let access = access_of(&running.hub, tokens);
        self.advise(&access);
        info!("the configuration was reloaded; tokens={}", access.tokens.iter(now_s()).count());
        web.set_access(access);
    }

    /// Says what is missing for anybody else to read the page.
    fn advise(&self, access: &Access) {
        let hub = &self.settings.hub;
        let doors = hub.https.iter().chain([&hub.listen]);
        let is_for_others = !doors.into_iter().all(Addresses::are_loopback) || !hub.names.is_empty();
        if !is_for_others || access.tokens.iter(now_s()).next().is_some() {
            return;
        }
        let config =
            self.config.as_ref().map(|file| format!(" --config {}", file.display())).unwrap_or_default();
        let how = match self.store {
            Some(_) => format!("psistats-hub{config} token link NAME makes a link for a browser"),
            None => "set [hub] data= to a folder, where tokens can be kept".to_owned(),
        };
        warn!("nobody can log in at the page from another machine yet: {how}");
    }
}

fn access_of(hub: &Hub, tokens: Tokens) -> Access {
    Access { names: hub.names.clone(), tokens, is_public: hub.is_public }
}
