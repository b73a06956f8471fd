//! `[user:NAME]`: who may publish, and as which boards.

use super::{Needs, secret};
use psistats_core::limits;
use psistats_host::conf::ini::trim;
use psistats_host::conf::secret::Secret;
use psistats_host::conf::values::text;
use psistats_host::conf::{Expected, Reading};

/// What the names of these sections begin with.
pub(super) const PREFIX: &str = "user:";

/// The most of these sections: one for each board of a fleet.
const MOST: usize = 12_000;

/// `[user:NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// `NAME`
    pub name: String,
    /// `pass`
    pub pass: Secret,
    /// `hosts`: the boards as which it may report; None: all.
    pub hosts: Option<Vec<String>>,
}

/// Reads the sections. `other` is the user of `[hub]`.
pub(super) fn read(r: &mut Reading<'_>, other: Option<&str>, needs: Needs) -> Vec<User> {
    let mut users: Vec<User> = Vec::new();
    for section in &r.ini.sections {
        let Some(name) = section.name.strip_prefix(PREFIX) else { continue };
        let mut problem = |text: &str| r.error(section.line, format_args!("[{}]: {text}", section.name));
        if users.len() == MOST {
            problem("too many users: expected at most 12000");
            break;
        }
        match name {
            "guest" => problem("expected another name: guest may log in from this machine alone"),
            _ if other == Some(name) => problem("expected another name: this one is [hub] user"),
            _ if text(&(1..=limits::SHORTSTR))(name).is_err() => problem("expected a NAME of 1 to 255 bytes"),
            _ => {}
        }
        let mut user = User { name: name.to_owned(), pass: Secret::new(String::new()), hosts: None };
        r.set(&section.name, "hosts", &mut user.hosts, |text| hosts(text).map(Some));
        match r.entry(&section.name, "pass") {
            Some(entry) if needs == Needs::Password => match secret(r, &section.name, entry) {
                Some(pass) if pass.reveal().is_empty() => {
                    r.error(
                        entry.line,
                        format_args!("[{}] pass: expected a password, found none", section.name),
                    );
                }
                pass => user.pass = pass.unwrap_or(user.pass),
            },
            Some(_) => {}
            None => r.error(section.line, format_args!("[{}]: expected pass=", section.name)),
        }
        users.push(user);
    }
    users
}

/// Host names of boards, between commas.
fn hosts(value: &str) -> Result<Vec<String>, Expected> {
    let names = value.split(',').map(|name| text(&(1..=limits::SHORTSTR))(trim(name)));
    names.collect::<Result<_, _>>().map_err(|_| "host names of boards between commas".into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use psistats_host::conf::ini;

    use super::*;

    fn load(text: &str) -> Result<Vec<User>, String> {
        let file = Path::new("f");
        let ini = ini::parse(text.as_bytes(), file).unwrap();
        let mut reading = Reading::new(&ini, file);
        let users = read(&mut reading, Some("boards"), Needs::Password);
        reading.finish().map_err(|problems| problems.to_string()).map(|_| users)
    }

    #[test]
    fn a_user_has_a_password_and_perhaps_hosts_and_each_name_is_one_alone() {
        let users = load("[user:a]\npass=x\n[user:b]\npass=y\nhosts=pi-1, pi-2\n").unwrap();
        assert_eq!((users[0].name.as_str(), users[0].pass.reveal(), &users[0].hosts), ("a", "x", &None));
        assert_eq!(users[1].hosts, Some(vec!["pi-1".to_owned(), "pi-2".to_owned()]));
        for (wrong, says) in [
            ("[user:a]\n", "expected pass="),
            ("[user:a]\npass=\n", "expected a password"),
            ("[user:a]\npass=hidden\nhosts=\n", "host names of boards"),
            ("[user:a]\npass=hidden\nhosts=a,,b\n", "host names of boards"),
            ("[user:guest]\npass=hidden\n", "guest may log in from this machine alone"),
            ("[user:boards]\npass=hidden\n", "this one is [hub] user"),
            ("[user:]\npass=hidden\n", "1 to 255 bytes"),
        ] {
            let problems = load(wrong).unwrap_err();
            assert!(problems.contains(says) && !problems.contains("hidden"), "{wrong}: {problems}");
        }
    }
}
