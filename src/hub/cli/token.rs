//! `psistats-hub token`: who may read the page and the API from other machines.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::history;
use crate::settings::{self, Data, Hub, Needs};
use crate::web::auth::{Scope, is_name};
use crate::web::store::{LINK_S, Store, now_s};
use psistats_host::output::complain;

/// The state directory of the service, which root means who says nothing else.
const SERVICE: &str = "/var/lib/psistats-hub";

/// What to do with the tokens.
#[derive(Debug)]
pub enum Command {
    /// A new token.
    Add { name: String, scope: Scope },
    /// A new one-time link for a browser.
    Link { name: String, scope: Scope },
    /// All of them.
    List,
    /// All of one name go.
    Remove { name: String },
}

/// The command of `words`, which come after `token`, and of `--scope`.
///
/// # Errors
/// What was expected.
pub fn parse(words: &[&str], scope: Option<&str>) -> Result<Command, String> {
    let expected = "expected token add NAME, token link NAME, token list or token remove NAME";
    let (verb, name) = match *words {
        ["list"] => ("list", None),
        [verb @ ("add" | "link" | "remove"), name] => (verb, Some(name)),
        _ => return Err(expected.into()),
    };
    if scope.is_some() && !["add", "link"].contains(&verb) {
        return Err("--scope is for token add and token link alone".into());
    }
    let Some(name) = name.map(str::to_owned) else { return Ok(Command::List) };
    if !is_name(&name) {
        return Err(format!("expected a name of 1 to 64 letters, digits and . - _ @ +, got {name}"));
    }
    Ok(match verb {
        "add" => Command::Add { name, scope: scope.map_or(Ok(Scope::Read), of_word)? },
        "link" => Command::Link {
            name,
            scope: match scope {
                None | Some("read") => Scope::Link,
                Some("admin") => Scope::AdminLink,
                Some(word) => return Err(format!("expected --scope read or admin for a link, got {word}")),
            },
        },
        _ => Command::Remove { name },
    })
}

fn of_word(word: &str) -> Result<Scope, String> {
    let scope = Scope::GIVEN.into_iter().find(|scope| scope.name() == word);
    scope.ok_or_else(|| format!("expected --scope read, metrics or admin, got {word}"))
}

/// Does it. Standard output has the token or the link alone, for scripts; what else there is to say goes to standard
/// error.
///
/// # Errors
/// Why not, and what to do.
pub fn run(command: Command, config: Option<&Path>) -> Result<(), String> {
    let (settings, warnings) =
        settings::of_hub(config, Needs::NoPassword).map_err(|problems| problems.to_string())?;
    warnings.iter().for_each(|warning| complain(format_args!("{warning:#}")));
    let folder = folder(&settings.hub.data)?;
    let store = Store::new(folder.clone());
    match command {
        Command::Add { name, scope } => {
            show(&store.add(&name, scope)?);
            complain(format_args!(
                "{name}: this token is shown once; its hash is in {}. Send it in a header:\n  \
                 Authorization: Bearer TOKEN\n{}",
                store.path().display(),
                tell(&folder)
            ));
        }
        Command::Link { name, scope } => {
            let secret = store.link(&name, scope)?;
            show(&format!("{}/#/login/{secret}", base(&settings.hub)));
            complain(format_args!(
                "{name}: open this in a browser within {} minutes. It works once, and then that browser may read the \
                 page{}.\nWhere the browser calls the hub by another name, replace what stands before /#/.\n{}",
                LINK_S / 60,
                if scope == Scope::AdminLink { ", acknowledge alerts and forget boards" } else { "" },
                tell(&folder)
            ));
        }
        Command::List => list(&store)?,
        Command::Remove { name } => {
            let removed = store.remove(&name)?;
            complain(format_args!("{name}: removed {removed}. {}", tell(&folder)));
        }
    }
    Ok(())
}

pub(super) fn show(text: &str) {
    // That nobody reads it is no failure of the command.
    let _ = writeln!(io::stdout(), "{text}");
}

fn list(store: &Store) -> Result<(), String> {
    let (tokens, now_s) = (store.load()?, now_s());
    let mut tokens: Vec<_> = tokens.iter(now_s).collect();
    if tokens.is_empty() {
        complain(format_args!(
            "no tokens in {}: psistats-hub token add NAME makes one",
            store.path().display()
        ));
        return Ok(());
    }
    tokens.sort_by(|a, b| a.name.cmp(&b.name));
    let width = tokens.iter().map(|token| token.name.len()).max().unwrap_or(0).max(4);
    show(&format!("{:width$}  {:7}  ends", "name", "scope"));
    for token in tokens {
        let left_s = token.until.map(|until| until.saturating_sub(now_s));
        let ends = match left_s {
            None => "never".to_owned(),
            Some(left_s) if left_s < 2 * 3600 => format!("in {} minutes", left_s.div_ceil(60)),
            Some(left_s) => format!("in {} days", left_s.div_ceil(86_400)),
        };
        show(&format!("{:width$}  {:7}  {ends}", token.name, token.scope));
    }
    Ok(())
}

/// The data folder.
pub(super) fn folder(data: &Data) -> Result<PathBuf, String> {
    let service = Path::new(SERVICE);
    if *data == Data::Usual
        && std::env::var_os("STATE_DIRECTORY").is_none()
        && geteuid().is_root()
        && service.is_dir()
    {
        return Ok(service.into());
    }
    data.folder()?.ok_or_else(|| {
        "tokens and certificates are kept in the hub's data folder, and [hub] data=no keeps nothing: set data= to a folder"
            .to_owned()
    })
}

/// Tells the hub that runs with this folder, and says whether there is one.
fn tell(folder: &Path) -> String {
    let Some(pid) = history::holder(folder) else {
        return "No hub runs with this data folder: it takes this over when it starts.".to_owned();
    };
    // A PID in a file may have become another's.
    let owner = |path: PathBuf| fs::metadata(path).map(|found| found.uid()).ok();
    let is_its_own = owner(format!("/proc/{pid}").into()) == owner(folder.join("lock"));
    if is_its_own && kill(Pid::from_raw(pid), Signal::SIGHUP).is_ok() {
        format!("The running hub (PID {pid}) was told by SIGHUP and takes it over.")
    } else {
        format!("The running hub takes it over at SIGHUP: kill -HUP {pid}, or systemctl reload psistats-hub.")
    }
}

/// How a browser probably reaches the page: with TLS, where it is served so.
fn base(hub: &Hub) -> String {
    let (scheme, at) = hub.https.as_ref().map_or(("http", &hub.listen), |https| ("https", https));
    let port = at.port;
    // An IPv6 address stands in brackets.
    let name =
        hub.names.first().map(|name| if name.contains(':') { format!("[{name}]") } else { name.clone() });
    match (name, at.ips.first()) {
        // A name for the page of this machine alone is a reverse proxy's.
        (Some(name), _) if at.are_loopback() => format!("https://{name}"),
        (Some(name), _) => format!("{scheme}://{name}:{port}"),
        (None, Some(ip)) if !ip.is_unspecified() => format!("{scheme}://{}", SocketAddr::new(*ip, port)),
        (None, _) => match own_address() {
            Some(ip) => format!("{scheme}://{}", SocketAddr::new(ip, port)),
            None => format!("{scheme}://HUB:{port}"),
        },
    }
}

/// The address from which this machine would send to another. Nothing is sent: the socket only learns its route.
pub(super) fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Addresses;

    #[test]
    fn a_link_begins_as_a_browser_probably_reaches_the_page() {
        let base = |ip: &str, names: &[&str]| {
            let listen = Addresses { ips: vec![ip.parse().unwrap()], port: 8666 };
            base(&Hub {
                listen,
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                ..Hub::default()
            })
        };
        let https = Some(Addresses { ips: vec!["192.0.2.1".parse().unwrap()], port: 8443 });
        assert_eq!(super::base(&Hub { https, ..Hub::default() }), "https://192.0.2.1:8443");
        assert_eq!(base("127.0.0.1", &[]), "http://127.0.0.1:8666");
        assert_eq!(base("2001:db8::1", &[]), "http://[2001:db8::1]:8666");
        assert_eq!(base("127.0.0.1", &["hub.example", "b"]), "https://hub.example");
        assert_eq!(base("0.0.0.0", &["hub.example"]), "http://hub.example:8666");
        assert_eq!(base("0.0.0.0", &["2001:db8::1"]), "http://[2001:db8::1]:8666");
    }
}
