//! `psistats-hub curve`: keys for chasar's connections.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, absolute};

use psistats_core::zmtp::{KEY, SecretKey};
use psistats_host::machine::random;

/// Makes a pair of keys, and gives what to print: the lines for both configurations. The secret key goes to the file
/// `to`, which must not be there yet, and is part of the text where there is none.
///
/// # Errors
/// Why not.
pub fn keygen(to: Option<&Path>) -> Result<String, String> {
    let mut octets = [0; KEY];
    random::fill(&mut octets).map_err(|error| format!("no random numbers for a key: {error}"))?;
    let key = SecretKey::new(&mut octets);
    let mut text = String::new();
    let file = match to {
        Some(file) => {
            let failed =
                |error: io::Error| format!("cannot write the secret key to {}: {error}", file.display());
            let file = absolute(file).map_err(failed)?;
            write(&file, &key).map_err(failed)?;
            file.display().to_string()
        }
        None => {
            let _ = writeln!(
                text,
                "# The secret key, for a file that no other user can read:\n{}\n",
                key.reveal()
            );
            "/FILE".to_owned()
        }
    };
    let _ = write!(
        text,
        "\
# On the machine that has the secret key:
[chasar]
curve_key=@file:{file}
# Where systemd hands it over (LoadCredential=chasar:{file}):
#curve_key=@credential:chasar

# If that is the master node, on its client nodes:
[chasar]
curve_server_key={public}

# If it is a client node, and the master node has curve_clients, a line of that file:
{public} NAME",
        public = key.public()
    );
    Ok(text)
}

/// One that is there is not replaced: whoever has its public key could no longer connect.
fn write(path: &Path, key: &SecretKey) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.reveal())?;
    file.sync_all()
}
