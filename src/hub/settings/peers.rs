//! Of `[hub]`: the other hubs of a fleet.

use super::{Hub, NAME, Needs};
use crate::http::{Place, Trust};
use crate::remote_write::settings::secret;
use psistats_host::conf::ini::trim;
use psistats_host::conf::secret::Secret;
use psistats_host::conf::values::path;
use psistats_host::conf::{Expected, Reading};

/// The most hubs.
const MOST: usize = 32;

/// Another hub.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Of `peers`: its page, whose path ends with a slash.
    pub place: Place,
    /// Of `peers_token`: what it lets this hub in by.
    pub token: Option<Secret>,
    /// `peers_tls_ca`
    pub trust: Trust,
}

/// Reads the keys; tokens where they are needed.
pub(super) fn read(r: &mut Reading<'_>, hub: &mut Hub, needs: Needs) {
    let (mut places, mut trust) = (Vec::new(), Trust::default());
    r.set(NAME, "peers", &mut places, pages);
    r.set(NAME, "peers_tls_ca", &mut trust, |text| path(text).map(Trust::from));
    let mut tokens = Vec::new();
    if let Some(entry) = r.entry(NAME, "peers_token") {
        let count = entry.value.split(',').count();
        if count != 1 && count != places.len() {
            let text = "one token, or as many between commas as there are peers";
            r.error(entry.line, format_args!("[{NAME}] peers_token: expected {text}"));
        } else if needs == Needs::Password {
            tokens.extend(entry.value.split(',').map(|value| {
                let mut one = entry.clone();
                one.value = value.to_owned();
                secret(r, NAME, &one)
            }));
        }
    }
    let tokens = tokens.iter().cycle().cloned().chain(std::iter::repeat(None));
    let peers = places.into_iter().zip(tokens);
    hub.peers = peers.map(|(place, token)| Peer { place, token, trust: trust.clone() }).collect();
}

/// URLs between commas; perhaps none.
fn pages(text: &str) -> Result<Vec<Place>, Expected> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let pages: Vec<_> = text.split(',').map(|text| page(trim(text))).collect::<Result<_, _>>()?;
    if pages.len() > MOST { Err(format!("at most {MOST} hubs").into()) } else { Ok(pages) }
}

fn page(text: &str) -> Result<Place, Expected> {
    let place = Place::parse(text)?;
    let path = place.path().trim_end_matches('/');
    if path.contains('?') {
        return Err("URLs without a query, as https://hub-2.example.org".into());
    }
    let path = format!("{path}/");
    Ok(place.with_path(path))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use psistats_host::conf::ini;

    use super::*;

    fn load(keys: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let (ini, file) = (ini::parse(format!("[hub]\n{keys}").as_bytes(), Path::new("f")), Path::new("f"));
        let ini = ini.unwrap();
        let (mut reading, mut hub) = (Reading::new(&ini, file), Hub::default());
        read(&mut reading, &mut hub, Needs::Password);
        reading.finish().map_err(|problems| problems.to_string())?;
        let of = |peer: Peer| (peer.place.url(), peer.token.map(|token| token.reveal().to_owned()));
        Ok(hub.peers.into_iter().map(of).collect())
    }

    #[test]
    fn each_peer_has_a_url_and_perhaps_the_token_of_its_place() {
        let peers = "peers=https://hub-2, http://[::1]:8666/office\n";
        let [two, office] = ["https://hub-2/".to_owned(), "http://[::1]:8666/office/".to_owned()];
        let token = |token: &str| Some(token.to_owned());
        assert_eq!(load(""), Ok(vec![]));
        assert_eq!(load(peers), Ok(vec![(two.clone(), None), (office.clone(), None)]));
        assert_eq!(
            load(&format!("{peers}peers_token=a, b\n")),
            Ok(vec![(two.clone(), token("a")), (office.clone(), token("b"))])
        );
        assert_eq!(
            load(&format!("{peers}peers_token=a\n")),
            Ok(vec![(two, token("a")), (office, token("a"))])
        );
        for wrong in [
            "peers=hub-2",
            "peers=http://hub-2/?hidden",
            "peers=http://u:hidden@hub-2",
            "peers=http://a, http://b\npeers_token=hidden, hidden, hidden",
            "peers=http://a\npeers_token=@file:/nowhere",
            "peers_tls_ca=",
        ] {
            let problems = load(wrong).unwrap_err();
            assert!(problems.contains("expected") && !problems.contains("hidden"), "{wrong}: {problems}");
        }
    }
}
