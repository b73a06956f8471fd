//! What the hub reads of psistats-hub.conf, or of psistats.conf: `[hub]`, and `[chasar]`, which the agent reads too.
//! Every other section is the agent's: nothing of it is looked at, and none is unknown.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::listeners::addresses_of;
use psistats_core::limits;
use psistats_host::conf::chasar::{self, Chasar};
use psistats_host::conf::find::find;
use psistats_host::conf::secret::{Password, Secret, password};
use psistats_host::conf::values::{boolean, text};
use psistats_host::conf::{Expected, Problem, Problems, Reading, ini, near};

/// What the configuration says to the hub.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Settings {
    /// `[hub]`
    pub hub: Hub,
    /// `[chasar]`
    pub chasar: Chasar,
}

/// `[hub]`: where it listens, and who may publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Hub {
    /// `listen`: the page and the API.
    pub listen: Addresses,
    /// `amqp`: boards that publish; `no`: none.
    pub amqp: Option<Addresses>,
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
}

impl Default for Hub {
    fn default() -> Self {
        let local = |port| Addresses { ips: vec![Ipv4Addr::LOCALHOST.into()], port };
        Self {
            listen: local(8666),
            amqp: Some(local(5672)),
            chasar: Clients::Usual,
            own: true,
            data: Data::Usual,
            user: None,
            pass: Secret::new(String::new()),
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

/// Addresses of this machine, at one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// All of them for `*`.
    pub ips: Vec<IpAddr>,
    /// 0: one that is free.
    pub port: u16,
}

impl Addresses {
    /// Whether no other machine can connect to them.
    pub fn are_loopback(&self) -> bool {
        self.ips.iter().all(IpAddr::is_loopback)
    }
}

/// `ADDRESS:PORT`, `[IPV6]:PORT` or `*:PORT`.
fn addresses(text: &str) -> Result<Addresses, Expected> {
    if let Some(port) = text.strip_prefix("*:").and_then(|port| port.parse().ok()) {
        let ips = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        return Ok(Addresses { ips, port });
    }
    let address: SocketAddr =
        text.parse().map_err(|_| "an address and a port, as 127.0.0.1:8666, [::1]:8666 or *:8666")?;
    Ok(Addresses { ips: vec![address.ip()], port: address.port() })
}

/// The same, or `no`.
fn addresses_or_none(text: &str) -> Result<Option<Addresses>, Expected> {
    match boolean(text) {
        Ok(false) => Ok(None),
        _ => addresses(text).map(Some).map_err(|expected| format!("{expected}; or no").into()),
    }
}

/// The same for client nodes.
fn clients(text: &str) -> Result<Clients, Expected> {
    addresses_or_none(text).map(|addresses| addresses.map_or(Clients::None, Clients::At))
}

/// Reads `explicit` (`--config`), or else the first file of the usual places, or else gives the defaults; with what
/// the operator should know and nothing stops at.
///
/// # Errors
/// What is wrong with the file.
pub fn load(explicit: Option<&Path>) -> Result<(Settings, Vec<Problem>), Problems> {
    let mut settings = Settings::default();
    let (found, mut warnings) = find(explicit, true)?;
    if let Some(found) = found {
        let ini = ini::parse_sections(&found.bytes, &found.path, &is_for_the_hub)?;
        let mut reading = Reading::new(&ini, &found.path);
        read(&mut reading, &mut settings.hub);
        chasar::read(&mut reading, &mut settings.chasar);
        warnings.append(&mut reading.finish()?);
    }
    Ok((settings, warnings))
}

/// The section.
const NAME: &str = "hub";

fn read(r: &mut Reading<'_>, hub: &mut Hub) {
    r.set(NAME, "listen", &mut hub.listen, addresses);
    r.set(NAME, "amqp", &mut hub.amqp, addresses_or_none);
    r.set(NAME, "chasar", &mut hub.chasar, clients);
    r.set(NAME, "self", &mut hub.own, boolean);
    r.set(NAME, "data", &mut hub.data, data);
    r.set(NAME, "user", &mut hub.user, |value| text(&(1..=limits::SHORTSTR))(value).map(Some));
    r.set(NAME, "pass", &mut hub.pass, secret);
}

/// The password that `pass` is, or that the file or credential has which it names.
fn secret(text: &str) -> Result<Secret, Expected> {
    match password(text)? {
        Password::Itself(secret) => Ok(secret),
        Password::File(path) => secret_of(path),
        // systemd.exec(5), LoadCredential=
        Password::Credential(name) => match env::var_os("CREDENTIALS_DIRECTORY") {
            Some(folder) => secret_of(&Path::new(&folder).join(name)),
            None => Err("the service's unit to have LoadCredential= for what is behind @credential:".into()),
        },
    }
}

fn secret_of(file: &Path) -> Result<Secret, Expected> {
    match fs::read_to_string(file) {
        Ok(text) if text.len() <= limits::SHORTSTR => Ok(Secret::new(text.trim_end().to_owned())),
        Ok(_) => Err(format!("at most 255 bytes in {}", file.display()).into()),
        Err(error) => Err(format!("a file that can be read: {}: {}", file.display(), error.kind()).into()),
    }
}

/// Whether a section is one of the hub's, or is perhaps a misspelt one.
fn is_for_the_hub(section: &str) -> bool {
    near(section, [NAME, chasar::NAME].into_iter()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome of loading a file with this text.
    fn load_text(text: &str) -> Result<(Settings, Vec<Problem>), Problems> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("f");
        fs::write(&file, text).unwrap();
        load(Some(&file))
    }

    #[test]
    fn an_intake_has_an_address_or_is_off() {
        let text = "[hub]\nlisten=*:80\namqp=[::1]:5672\nchasar=no\nself=no\ndata=/srv/hub\nuser=boards\npass=secret\n";
        let (settings, warnings) = load_text(text).unwrap();
        let Hub { listen, amqp, chasar, own, data, user, pass } = settings.hub;
        assert_eq!((listen.ips.len(), listen.port, listen.are_loopback()), (2, 80, false));
        assert_eq!(amqp, Some(Addresses { ips: vec![Ipv6Addr::LOCALHOST.into()], port: 5672 }));
        assert_eq!(
            (chasar, own, user.as_deref(), pass.reveal()),
            (Clients::None, false, Some("boards"), "secret")
        );
        assert_eq!((data, warnings), (Data::Folder("/srv/hub".into()), vec![]));
        for wrong in [
            "data=history",
            "data=yes",
            "listen=no",
            "listen=localhost",
            "amqp=5672",
            "amqp=1.2.3.4",
            "self=perhaps",
            "user=",
        ] {
            let problems = load_text(&format!("[hub]\n{wrong}\n")).unwrap_err().to_string();
            assert!(problems.contains("expected"), "{problems}");
        }
    }

    #[test]
    fn client_nodes_connect_where_they_did_before_the_hub_unless_it_says_otherwise() {
        let at = |text: &str| {
            let (Settings { hub, chasar }, _) = load_text(text).unwrap();
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
