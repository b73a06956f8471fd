//! `[remote_write]` and `[remote_write:NAME]` of the configuration.

use std::time::Duration;

use crate::http::{Place, Trust, basic, bearer};
use psistats_host::conf::ini::{Entry, trim};
use psistats_host::conf::obtain::obtain;
use psistats_host::conf::secret::Secret;
use psistats_host::conf::values::{path, seconds, text};
use psistats_host::conf::{Expected, Reading};

/// The section, and with a colon after it the beginning of the names of further ones.
pub const NAME: &str = "remote_write";

/// The most receivers.
const MOST: usize = 16;
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// One receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The section's name, which names the file of its positions, too.
    pub name: String,
    /// `url`
    pub place: Place,
    /// `tls_ca`
    pub trust: Trust,
    /// `token`, or `user` and `pass`.
    pub login: Login,
    /// `interval`: from one request to the next, where everything has been sent.
    pub interval: Duration,
}

/// What the receiver is told of who writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Login {
    /// Nothing.
    None,
    /// A token.
    Bearer(Secret),
    /// Name and password.
    Basic(String, Secret),
}

/// Whether a section of that name is one of these, or may be one that is misspelt.
pub fn is_section(name: &str) -> bool {
    name.strip_prefix(NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Reads all these sections; tokens and passwords where they are `needed`.
pub fn read(r: &mut Reading<'_>, needed: bool) -> Vec<Section> {
    let mut sections = Vec::new();
    for (name, line) in r.ini.sections.iter().map(|section| (section.name.as_str(), section.line)) {
        if !is_section(name) {
            continue;
        }
        // A name of a file, too.
        let suffix = name.strip_prefix(NAME).and_then(|rest| rest.strip_prefix(':'));
        let is_name = |text: &str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !suffix.is_none_or(is_name) {
            r.error(line, format_args!("[{NAME}:NAME]: expected a NAME of 1 to 64 letters, digits, - and _"));
        } else if sections.len() == MOST {
            r.error(line, format_args!("[{NAME}:NAME]: expected at most {MOST} such sections"));
            break;
        } else {
            sections.extend(section(r, name, line, needed));
        }
    }
    sections
}

fn section(r: &mut Reading<'_>, name: &str, line: usize, needed: bool) -> Option<Section> {
    let (mut place, mut trust, mut user, mut interval) =
        (None, Trust::default(), None, Duration::from_secs(5));
    r.set(name, "url", &mut place, |text| Place::parse(text).map(Some));
    r.set(name, "tls_ca", &mut trust, |text| path(text).map(Trust::from));
    r.set(name, "user", &mut user, |value| login_name(value).map(Some));
    r.set(name, "interval", &mut interval, seconds(&INTERVALS));
    let (token, pass) = (r.entry(name, "token"), r.entry(name, "pass"));
    if r.entry(name, "url").is_none() {
        r.error(line, format_args!("[{name}]: expected url=, where samples are sent"));
    }
    if token.is_some() && (user.is_some() || pass.is_some()) {
        r.error(line, format_args!("[{name}]: expected either token= or user= and pass="));
    }
    let has_user = r.entry(name, "user").is_some();
    if has_user != pass.is_some() {
        r.error(line, format_args!("[{name}]: expected user= and pass= together"));
    }
    let login = match (token, user, pass) {
        (Some(token), ..) if needed => Login::Bearer(secret(r, name, token)?),
        (None, Some(user), Some(pass)) if needed => Login::Basic(user, secret(r, name, pass)?),
        _ => Login::None,
    };
    Some(Section { name: name.to_owned(), place: place?, trust, login, interval })
}

/// A name that RFC 7617 can send.
fn login_name(value: &str) -> Result<String, Expected> {
    if value.contains(':') {
        return Err("a name without a colon".into());
    }
    text(&(1..=255))(value)
}

/// A token or a password, which stands there, or in the file or credential that it names. No message shows it.
pub(crate) fn secret(r: &mut Reading<'_>, section: &str, entry: &Entry) -> Option<Secret> {
    let obtained = match obtain(trim(&entry.value)) {
        Ok(obtained) => obtained,
        Err(expected) => {
            r.error(entry.line, format_args!("[{section}] {}: expected {expected}", entry.key));
            return None;
        }
    };
    if let Some(file) = obtained.exposed {
        let text =
            format_args!("everyone on this machine can read this secret: chmod 640 {}", file.display());
        r.warn(entry.line, text);
    }
    let is_fine = bearer(&obtained.secret).or_else(|| basic("", &obtained.secret)).is_some();
    if !is_fine || obtained.secret.reveal().is_empty() {
        r.error(entry.line, format_args!("[{section}] {}: expected some text, found none", entry.key));
        return None;
    }
    Some(obtained.secret)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use psistats_host::conf::ini;

    fn read_text(text: &str) -> Result<Vec<Section>, String> {
        let ini = ini::parse(text.as_bytes(), Path::new("f")).map_err(|problems| problems.to_string())?;
        let mut reading = Reading::new(&ini, Path::new("f"));
        let sections = read(&mut reading, true);
        reading.finish().map(|_| sections).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_receiver_has_a_url_and_perhaps_a_login() {
        let sections = read_text(
            "[remote_write]\nurl=https://mimir/api/v1/push\nuser=tenant\npass=sesame\ninterval=1\n\
             [remote_write:other]\nurl=http://h:9090/api/v1/write\ntoken=abc\n",
        );
        let sections = sections.unwrap();
        let names: Vec<_> =
            sections.iter().map(|section| (&*section.name, section.place.to_string())).collect();
        assert_eq!(
            names,
            [("remote_write", "mimir:443".to_owned()), ("remote_write:other", "h:9090".to_owned())]
        );
        assert_eq!(sections[0].login, Login::Basic("tenant".into(), Secret::new("sesame".into())));
        assert_eq!(sections[1].login, Login::Bearer(Secret::new("abc".into())));
        assert_eq!(sections[0].interval, Duration::from_secs(1));
    }

    #[test]
    fn a_wrong_section_says_what_was_expected_and_shows_no_secret() {
        for (text, expected) in [
            ("[remote_write]\n", "expected url="),
            ("[remote_write]\nurl=h:9090/hidden\n", "expected http://HOST"),
            ("[remote_write]\nurl=http://h/\nuser=a\n", "expected user= and pass= together"),
            ("[remote_write]\nurl=http://h/\npass=hidden\n", "expected user= and pass= together"),
            ("[remote_write]\nurl=http://h/\nuser=a:b\npass=hidden\n", "a name without a colon"),
            ("[remote_write]\nurl=http://h/\nuser=a\npass=hidden\ntoken=hidden\n", "expected either"),
            ("[remote_write]\nurl=http://h/\ntoken=\n", "expected"),
            ("[remote_write:a/b]\nurl=http://h/\n", "expected a NAME"),
            ("[remote_write:]\nurl=http://h/\n", "expected a NAME"),
        ] {
            let problems = read_text(text).unwrap_err();
            assert!(problems.contains(expected) && !problems.contains("hidden"), "{text}: {problems}");
        }
    }
}
