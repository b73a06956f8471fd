//! `psistats-hub pki`: a private authority, and certificates of boards.

use std::path::Path;

use nix::unistd::gethostname;

use super::token::{folder, own_address, show};
use crate::settings::{self, Hub, Needs};
use crate::tls::pki::Pki;
use psistats_host::output::complain;

/// The port of AMQP with TLS (IANA).
const AMQPS: u16 = 5671;

/// What is asked for.
#[derive(Debug)]
pub enum Command {
    /// `init [NAME...]`
    Init { names: Vec<String> },
    /// `board NAME`
    Board { name: String },
}

/// Reads the words after `pki`.
///
/// # Errors
/// What was expected.
pub fn parse(words: &[&str]) -> Result<Command, String> {
    match words {
        ["init", names @ ..] => {
            Ok(Command::Init { names: names.iter().map(|name| (*name).to_owned()).collect() })
        }
        ["board", name] => Ok(Command::Board { name: (*name).to_owned() }),
        _ => Err("expected pki init [NAME...] or pki board NAME".into()),
    }
}

/// Does it. Standard output has the lines for a configuration alone; what else there is to say goes to standard error.
///
/// # Errors
/// Why not, and what to do.
pub fn run(command: Command, config: Option<&Path>) -> Result<(), String> {
    let (settings, _) =
        settings::of_hub(config, Needs::NoPassword).map_err(|problems| problems.to_string())?;
    let hub = settings.hub;
    let pki = Pki::of(folder(&hub.data)?);
    match command {
        Command::Init { names } => {
            let names = names_of(&hub, names);
            let made = pki.init(&names)?;
            let ca = pki.ca().cert;
            show(&format!(
                "[hub]\namqps=*:{AMQPS}\ntls_cert={}\ntls_key={}\ntls_client_ca={}",
                made.cert.display(),
                made.key.display(),
                ca.display()
            ));
            complain(format_args!(
                "These lines are for psistats-hub.conf. The certificate is for {}: boards have to call the hub by one of \
                 them, and psistats-hub pki init NAME... makes one for other names. Keep {} to yourself: whoever has it can \
                 be any board.",
                names.join(", "),
                pki.ca().key.display()
            ));
        }
        Command::Board { name } => {
            let made = pki.board(&name)?;
            let port = hub.amqps.as_ref().map_or(AMQPS, |amqps| amqps.port);
            let port = if port == AMQPS { String::new() } else { format!("\nport={port}") };
            show(&format!(
                "[server]\nhost={}{port}\ntls=yes\ntls_ca=/etc/psistats/ca.pem\ntls_cert=/etc/psistats/{name}.pem\n\
                 tls_key=/etc/psistats/{name}.key\nauth_mechanism=EXTERNAL",
                pki.hub_name().as_deref().unwrap_or("HUB"),
            ));
            complain(format_args!(
                "These lines are for psistats.conf of {name}. Copy three files to /etc/psistats there, and keep the key from \
                 other users (chown root:psistats and chmod 640):\n  {}\n  {}\n  {}",
                pki.ca().cert.display(),
                made.cert.display(),
                made.key.display()
            ));
        }
    }
    Ok(())
}

/// As what boards may call the hub: what was asked for, or else its configured names, its own, and its address. This
/// machine can always call it localhost.
fn names_of(hub: &Hub, asked: Vec<String>) -> Vec<String> {
    let mut names = asked;
    if names.is_empty() {
        names.extend(hub.names.iter().cloned());
        names.extend(gethostname().ok().and_then(|name| name.into_string().ok()));
        names.extend(own_address().map(|ip| ip.to_string()));
    }
    for local in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|name| name == local) {
            names.push(local.to_owned());
        }
    }
    names
}
