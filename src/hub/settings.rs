//! What the hub reads of psistats-hub.conf, or of psistats.conf: `[hub]`, `[user:NAME]`, `[rabbitmq]`, `[mqtt]`,
//! `[alerts]`, `[alert:NAME]`, `[notify:NAME]`, `[heartbeat]`, `[remote_write]`, and `[chasar]`, which the agent reads
//! too.
//! Every other section is the agent's: nothing of it is looked at, and none is unknown.

mod addresses;
mod peers;
mod rabbitmq;
mod tls;
mod users;

use std::env;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::alerts::settings::{self as alerts, Alerts};
use crate::listeners::addresses_of;
use crate::mqtt::settings::{self as mqtt, Mqtt};
use crate::remote_write::settings as remote_write;
use psistats_core::limits;
use psistats_host::conf::chasar::{self, Chasar};
use psistats_host::conf::curve::{Need, Role};
use psistats_host::conf::find::find;
use psistats_host::conf::hosts::hosts;
use psistats_host::conf::ini::{Entry, trim};
use psistats_host::conf::obtain::obtain;
use psistats_host::conf::secret::{Secret, is_doubtful};
use psistats_host::conf::values::{boolean, text};
use psistats_host::conf::{Expected, Problem, Problems, Reading, ini, near};

pub use addresses::Addresses;
use addresses::{addresses, addresses_or_none};
pub use peers::Peer;
pub use rabbitmq::Rabbitmq;
pub use tls::Tls;
pub use users::User;

/// What the configuration says to the hub.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Settings {
    /// `[hub]`
    pub hub: Hub,
    /// `[user:NAME]`
    pub users: Vec<User>,
    /// `[chasar]`
    pub chasar: Chasar,
    /// `[rabbitmq]`, where there is one.
    pub rabbitmq: Option<Rabbitmq>,
    /// `[mqtt]`, where there is one.
    pub mqtt: Option<Mqtt>,
    /// `[alerts]`, `[alert:NAME]`, `[notify:NAME]` and `[heartbeat]`
    pub alerts: Alerts,
    /// `[remote_write]` and `[remote_write:NAME]`
    pub remote_write: Vec<remote_write::Section>,
}

/// `[hub]`: where it listens, and who may publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Hub {
    /// `listen`: the page and the API.
    pub listen: Addresses,
    /// `amqp`: boards that publish; `no`: none.
    pub amqp: Option<Addresses>,
    /// `https`: the page and the API, with TLS.
    pub https: Option<Addresses>,
    /// `amqps`: boards that publish, with TLS.
    pub amqps: Option<Addresses>,
    /// `tls_cert`, `tls_key` and `tls_client_ca`
    pub tls: Option<Tls>,
    /// `chasar`: chasar's client nodes. Subscribers are at `[chasar] publish_port` of the same address.
    pub chasar: Clients,
    /// `self`: whether this machine is a board, too.
    pub own: bool,
    /// `data`
    pub data: Data,
    /// `user`; none: boards of this machine alone, as guest.
    pub user: Option<String>,
    /// `pass`
    pub pass: Secret,
    /// `names`: host names by which browsers and reverse proxies call the hub.
    pub names: Vec<String>,
    /// `public=wall`: the wall is for anybody. `no`: nothing is.
    pub is_public: bool,
    /// `peers`, `peers_token` and `peers_tls_ca`: the other hubs of a fleet.
    pub peers: Vec<Peer>,
}

impl Hub {
    /// The keys in which `other` differs, of those that take effect at the start alone.
    pub fn fixed_differences(&self, other: &Self) -> Vec<&'static str> {
        let keys = [
            ("listen", self.listen == other.listen),
            ("amqp", self.amqp == other.amqp),
            ("https", self.https == other.https),
            ("amqps", self.amqps == other.amqps),
            ("tls_cert, tls_key, tls_client_ca", self.tls == other.tls),
            ("chasar", self.chasar == other.chasar),
            ("self", self.own == other.own),
            ("data", self.data == other.data),
            ("peers, peers_token, peers_tls_ca", self.peers == other.peers),
        ];
        keys.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
    }
}

impl Default for Hub {
    fn default() -> Self {
        let local = |port| Addresses { ips: vec![Ipv4Addr::LOCALHOST.into()], port };
        Self {
            listen: local(8666),
            amqp: Some(local(5672)),
            https: None,
            amqps: None,
            tls: None,
            chasar: Clients::Usual,
            own: true,
            data: Data::Usual,
            user: None,
            pass: Secret::new(String::new()),
            names: Vec::new(),
            is_public: false,
            peers: Vec::new(),
        }
    }
}

/// `data`: where the history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// The service's state directory, or else a folder of the user's.
    Usual,
    /// This folder.
    Folder(PathBuf),
    /// `no`: nothing is kept beyond the last hour in memory.
    None,
}

impl Data {
    /// The folder; None where nothing is kept.
    ///
    /// # Errors
    /// There is no usual folder.
    pub fn folder(&self) -> Result<Option<PathBuf>, String> {
        match self {
            Self::None => Ok(None),
            Self::Folder(folder) => Ok(Some(folder.clone())),
            Self::Usual => usual_folder(|name| env::var_os(name)).map(Some).ok_or_else(|| {
                "nowhere to keep the history: expected $STATE_DIRECTORY, $XDG_DATA_HOME or $HOME to be an absolute \
                 path; set [hub] data=FOLDER, or data=no to keep nothing"
                    .to_owned()
            }),
        }
    }
}

/// systemd's state directory of the service (systemd.exec(5)), or else that of the XDG Base Directory Specification.
fn usual_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("STATE_DIRECTORY").or_else(|| {
        let home = absolute("HOME").map(|home| home.join(".local/share"));
        Some(absolute("XDG_DATA_HOME").or(home)?.join("psistats-hub"))
    })
}

/// An absolute path, or `no`.
fn data(text: &str) -> Result<Data, Expected> {
    match boolean(text) {
        Ok(false) => Ok(Data::None),
        _ if Path::new(text).is_absolute() => Ok(Data::Folder(text.into())),
        _ => Err("a folder's absolute path, or no".into()),
    }
}

/// `chasar`: where chasar's client nodes connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Where they connect to the master node alone: at `[chasar] bind` and `port`.
    Usual,
    /// Here.
    At(Addresses),
    /// `no`: nowhere.
    None,
}

impl Clients {
    /// The addresses; None where there are none.
    ///
    /// # Errors
    /// `[chasar] bind` is a name that cannot be resolved.
    pub fn addresses(&self, chasar: &Chasar) -> Result<Option<Addresses>, String> {
        match self {
            Self::None => Ok(None),
            Self::At(addresses) => Ok(Some(addresses.clone())),
            Self::Usual => {
                let ips = addresses_of(&chasar.bind)?.into_iter().collect();
                Ok(Some(Addresses { ips, port: chasar.port }))
            }
        }
    }
}

/// [`addresses_or_none`] for client nodes.
fn clients(text: &str) -> Result<Clients, Expected> {
    addresses_or_none(text).map(|addresses| addresses.map_or(Clients::None, Clients::At))
}

/// The hub's file, where no other is named.
const CONFIGURATION: &str = "/etc/psistats-hub.conf";

/// Reads `explicit` (`--config`), or else psistats-hub.conf, or else gives the defaults; with what the operator should
/// know and nothing stops at.
///
/// # Errors
/// What is wrong with the file.
pub fn of_hub(explicit: Option<&Path>, needs: Needs) -> Result<(Settings, Vec<Problem>), Problems> {
    let usual = Path::new(CONFIGURATION);
    match explicit.or_else(|| usual.exists().then_some(usual)) {
        Some(file) => load(Some(file), needs),
        None => Ok(Default::default()),
    }
}

/// Which secrets are needed: a credential is the service's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Boards log in with it, and receivers of alerts are told with theirs.
    Password,
    /// Receivers alone are told.
    Tokens,
    /// Client nodes connect by the keys of `[chasar]`, and nobody logs in.
    Keys,
    /// Nobody logs in.
    NoPassword,
}

/// Reads `explicit` (`--config`), or else the first file of the usual places, or else gives the defaults; with what
/// the operator should know and nothing stops at.
///
/// # Errors
/// What is wrong with the file.
pub fn load(explicit: Option<&Path>, needs: Needs) -> Result<(Settings, Vec<Problem>), Problems> {
    let mut settings = Settings::default();
    let (found, mut warnings) = find(explicit, true)?;
    if let Some(found) = found {
        let ini = ini::parse_sections(&found.bytes, &found.path, &is_for_the_hub)?;
        let mut reading = Reading::new(&ini, &found.path);
        read(&mut reading, &mut settings.hub, needs);
        let keys = if matches!(needs, Needs::Password | Needs::Keys) { Need::Required } else { Need::None };
        let passwords = matches!(needs, Needs::Password | Needs::Tokens);
        settings.users = users::read(&mut reading, settings.hub.user.as_deref(), needs);
        chasar::read(&mut reading, &mut settings.chasar, Role::MasterNode, |_| keys);
        settings.rabbitmq = rabbitmq::read(&mut reading, needs);
        settings.mqtt = mqtt::read(&mut reading, needs);
        alerts::read(&mut reading, &mut settings.alerts, passwords);
        settings.remote_write = remote_write::read(&mut reading, passwords);
        warnings.append(&mut reading.finish()?);
    }
    Ok((settings, warnings))
}

/// The section.
const NAME: &str = "hub";

fn read(r: &mut Reading<'_>, hub: &mut Hub, needs: Needs) {
    r.set(NAME, "listen", &mut hub.listen, addresses);
    r.set(NAME, "amqp", &mut hub.amqp, addresses_or_none);
    r.set(NAME, "chasar", &mut hub.chasar, clients);
    tls::read(r, hub);
    r.set(NAME, "self", &mut hub.own, boolean);
    r.set(NAME, "data", &mut hub.data, data);
    r.set(NAME, "user", &mut hub.user, user);
    r.set(NAME, "names", &mut hub.names, names);
    r.set(NAME, "public", &mut hub.is_public, public);
    peers::read(r, hub, needs);
    let pass = r.entry(NAME, "pass");
    if needs == Needs::Password {
        read_password(r, pass, hub);
    }
}

/// `pass`, which stands there, or in the file or credential that it names.
fn read_password(r: &mut Reading<'_>, pass: Option<&Entry>, hub: &mut Hub) {
    let user = r.entry(NAME, "user");
    let Some(entry) = pass else {
        if let Some(user) = user {
            r.error(user.line, format_args!("[{NAME}] user: expected pass, too: there is none"));
        }
        return;
    };
    match secret(r, NAME, entry) {
        Some(secret) if user.is_some() && secret.reveal().is_empty() => {
            r.error(entry.line, format_args!("[{NAME}] pass: expected a password for user, found none"));
        }
        secret => hub.pass = secret.unwrap_or_else(|| hub.pass.clone()),
    }
}

/// The password that the key `pass` of a section is, or names. None where there is none, which is told.
pub(crate) fn secret(r: &mut Reading<'_>, section: &str, entry: &Entry) -> Option<Secret> {
    if is_doubtful(trim(&entry.value)) {
        let text = "is taken as it stands; only @file:PATH and @credential:NAME name a file";
        r.warn(entry.line, format_args!("[{section}] pass: {text}"));
    }
    match obtain(trim(&entry.value)) {
        Ok(obtained) => {
            if let Some(file) = obtained.exposed.map(|file| file.display().to_string()) {
                let text = format_args!("everyone on this machine can read this password: chmod 640 {file}");
                r.warn(entry.line, text);
            }
            Some(obtained.secret)
        }
        Err(expected) => {
            r.error(entry.line, format_args!("[{section}] pass: expected {expected}"));
            None
        }
    }
}

/// Who may publish from other machines.
fn user(value: &str) -> Result<Option<String>, Expected> {
    if value == "guest" {
        return Err("another name: guest may log in from this machine alone, and without it being set".into());
    }
    text(&(1..=limits::SHORTSTR))(value).map(Some)
}

/// Host names and addresses between commas, without ports; perhaps none.
fn names(text: &str) -> Result<Vec<String>, Expected> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let expected = "host names or addresses between commas, each without http:// and without a port";
    let names = hosts(text, 0).map_err(|_| expected)?;
    // A name that has a port is none.
    if names.iter().any(|host| host.port != 0) {
        Err(expected.into())
    } else {
        Ok(names.into_iter().map(|host| host.name).collect())
    }
}

/// What anybody may see.
fn public(text: &str) -> Result<bool, Expected> {
    match (text, boolean(text)) {
        ("wall", _) => Ok(true),
        (_, Ok(false)) => Ok(false),
        _ => Err("wall or no".into()),
    }
}

/// Whether a section is one of the hub's, or is perhaps a misspelt one.
fn is_for_the_hub(section: &str) -> bool {
    let names =
        [NAME, chasar::NAME, rabbitmq::NAME, mqtt::NAME, alerts::NAME, alerts::HEARTBEAT, remote_write::NAME];
    [alerts::RULE, alerts::RECEIVER, users::PREFIX].iter().any(|prefix| section.starts_with(prefix))
        || remote_write::is_section(section)
        || near(section, names.into_iter()).is_some()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::Ipv6Addr;

    use super::*;

    /// The outcome of loading a file with this text.
    fn load_text(text: &str) -> Result<(Settings, Vec<Problem>), Problems> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        fs::write(&file, text).unwrap();
        load(Some(&file), Needs::Password)
    }

    #[test]
    fn an_intake_has_an_address_or_is_off() {
        let text = "[hub]\nlisten=*:80\namqp=[::1]:5672\nchasar=no\nself=no\ndata=/srv/hub\nuser=boards\npass=secret\n\
                    names=hub.example, 192.0.2.7,[2001:db8::1]\npublic=wall\n";
        let (settings, warnings) = load_text(text).unwrap();
        let Hub { listen, amqp, chasar, own, data, user, pass, names, is_public, .. } = settings.hub;
        assert_eq!((listen.ips.len(), listen.port, listen.are_loopback()), (2, 80, false));
        assert_eq!(amqp, Some(Addresses { ips: vec![Ipv6Addr::LOCALHOST.into()], port: 5672 }));
        assert_eq!(
            (chasar, own, user.as_deref(), pass.reveal()),
            (Clients::None, false, Some("boards"), "secret")
        );
        assert_eq!((data, warnings), (Data::Folder("/srv/hub".into()), vec![]));
        assert_eq!(
            (names, is_public),
            (["hub.example", "192.0.2.7", "2001:db8::1"].map(String::from).into(), true)
        );
        for wrong in [
            "data=history",
            "data=yes",
            "listen=no",
            "listen=localhost",
            "amqp=5672",
            "amqp=1.2.3.4",
            "self=perhaps",
            "user=",
            "user=guest\npass=x",
            "user=boards",
            "user=boards\npass=",
            "pass=@credential:hub",
            "pass=@file:/nowhere/pass",
            "names=http://hub",
            "names=hub:80",
            "names=a,,b",
            "public=yes",
        ] {
            let problems = load_text(&format!("[hub]\n{wrong}\n")).unwrap_err().to_string();
            assert!(problems.contains("expected"), "{problems}");
        }
    }

    #[test]
    fn client_nodes_connect_where_they_did_before_the_hub_unless_it_says_otherwise() {
        let at = |text: &str| {
            let (Settings { hub, chasar, .. }, _) = load_text(text).unwrap();
            hub.chasar.addresses(&chasar).unwrap().map(|at| (at.ips.len(), at.are_loopback(), at.port))
        };
        assert_eq!(at(""), Some((1, true, 5555)));
        assert_eq!(at("[chasar]\nbind=*\nport=5556\n"), Some((2, false, 5556)));
        assert_eq!(at("[hub]\nchasar=127.0.0.1:1\n[chasar]\nbind=*\n"), Some((1, true, 1)));
        assert_eq!(at("[hub]\nchasar=no\n[chasar]\nbind=*\n"), None);
    }

    #[test]
    fn the_history_is_where_systemd_or_the_users_environment_says() {
        let found = |variables: &[(&str, &str)]| {
            let value =
                |name: &str| variables.iter().find(|(has, _)| *has == name).map(|(_, value)| value.into());
            usual_folder(value).map(|path| path.to_str().unwrap().to_owned())
        };
        let [home, data] = [("HOME", "/home/a"), ("XDG_DATA_HOME", "/data")];
        let state = ("STATE_DIRECTORY", "/var/lib/psistats-hub");
        assert_eq!(found(&[home, data, state]).as_deref(), Some("/var/lib/psistats-hub"));
        assert_eq!(found(&[home, data]).as_deref(), Some("/data/psistats-hub"));
        assert_eq!(
            found(&[home, ("XDG_DATA_HOME", "")]).as_deref(),
            Some("/home/a/.local/share/psistats-hub")
        );
        assert_eq!(found(&[("HOME", "a")]), None);
    }

    #[test]
    fn what_is_wrong_in_the_agents_sections_does_not_stop_the_hub() {
        for text in [
            "[queue]\ntype=magic\n",
            "[queue]\nno sign\n  [further]\n=\n",
            "[app]\npidfile=\n",
            "[logger_root]\nlevel=LOUD\n",
            "[server]\npass=@file:/nowhere/password\n",
            "[server]\npass=@credential:broker\n",
            "[mem]\nenabled=perhaps\n",
        ] {
            assert_eq!(load_text(text).unwrap(), (Settings::default(), vec![]), "{text}");
        }
        assert!(load_text("[chasar]\nport=0\n").is_err());
        // Where a section begins concerns every reader.
        assert!(load_text("[server\n").is_err());
        assert!(load_text("[server]\nuser=\0\n").is_err());
    }

    #[test]
    fn of_the_agents_sections_nothing_is_warned_of_but_what_may_be_a_misspelt_one_of_the_hubs() {
        let text = "[serevr]\na=1\n[server]\nb=2\nb=3\n[chaser]\nport=1\n[chasar]\nmaster=m:1\nprot=1\n\
                    [DEFAULT]\nport=7\nheartbeat=5\n";
        let (settings, warnings) = load_text(text).unwrap();
        assert_eq!((settings.chasar.master.port, settings.chasar.port), (1, 7));
        let warned: Vec<_> = warnings.iter().map(|problem| problem.text.as_str()).collect();
        assert_eq!(
            warned,
            [
                "[chaser]: unknown section, did you mean [chasar]?",
                "[chasar] prot: unknown key, did you mean port?"
            ]
        );
    }
}
