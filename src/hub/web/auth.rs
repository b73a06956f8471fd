//! The tokens that the hub knows. Only their hashes are kept.
//!
//! A file of tokens has a line for each, `NAME SCOPE HASH`, where HASH is the SHA-256 of the token's text in lower-case
//! hexadecimal digits. Empty lines and those that begin with `#` say nothing. Tokens have 128 random bits or more: a
//! plain hash of a password would be guessed.

use std::fmt;
use std::hint::black_box;

use hyper::header::{self, HeaderMap};
use sha2::{Digest as _, Sha256};

/// The cookie that has a token for the page.
pub const COOKIE: &str = "psistats-hub";

/// Most tokens in a file. All are compared with each that is presented.
const MOST: usize = 1000;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The page and the API.
    Read,
    /// The metrics alone.
    Metrics,
    /// Everything.
    Admin,
}

impl Scope {
    const ALL: [Self; 3] = [Self::Read, Self::Metrics, Self::Admin];

    /// As it is written in a file of tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }

    /// Whether a token of this scope may do what `asked` stands for.
    pub fn includes(self, asked: Self) -> bool {
        self == asked || self == Self::Admin
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug)]
pub struct Hash([u8; 32]);

impl Hash {
    /// That of `token`.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    /// From 64 hexadecimal digits.
    fn parse(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        for (octet, pair) in hash.iter_mut().zip(digits.as_chunks::<2>().0) {
            *octet = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(hash))
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    fn is(&self, other: &Self) -> bool {
        let differences = self.0.iter().zip(&other.0).fold(0, |seen, (a, b)| black_box(seen | (a ^ b)));
        black_box(differences) == 0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// One known token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who has it, in one word.
    pub name: String,
    /// What it is for.
    pub scope: Scope,
    /// What it is told by.
    pub hash: Hash,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.scope, self.hash)
    }
}

/// Whether a request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// It may.
    Granted,
    /// Its token is known, and for something else.
    OtherScope,
    /// It has no token, or none that is known.
    Unknown,
}

/// All known tokens. By default there are none, and so nobody beyond this machine may read.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads the text of a file of tokens.
    ///
    /// # Errors
    /// A line that is none, by its number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {number}: expected {what}");
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, scope, hash] = words[..] else { return Err(wrong("NAME SCOPE HASH")) };
            let scope = Scope::ALL.into_iter().find(|known| known.name() == scope);
            let scope = scope.ok_or_else(|| wrong("the scope read, metrics or admin"))?;
            let hash = Hash::parse(hash).ok_or_else(|| wrong("a hash of 64 hexadecimal digits"))?;
            if tokens.len() == MOST {
                return Err(wrong(&format!("at most {MOST} tokens")));
            }
            tokens.push(Token { name: name.to_owned(), scope, hash });
        }
        Ok(Self(tokens))
    }

    /// Whether one of the presented tokens is known and for `asked`.
    pub fn check<'a>(&self, presented: impl IntoIterator<Item = &'a str>, asked: Scope) -> Login {
        let mut login = Login::Unknown;
        for hash in presented.into_iter().map(Hash::of) {
            // No early end: how long it takes tells nothing of which token it is.
            for token in &self.0 {
                match (token.hash.is(&hash), token.scope.includes(asked)) {
                    (true, true) => login = Login::Granted,
                    (true, false) if login == Login::Unknown => login = Login::OtherScope,
                    _ => {}
                }
            }
        }
        login
    }
}

/// The tokens that a request presents: one in `Authorization`, and one in a cookie.
pub fn credentials(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = authorization.and_then(|value| value.split_once(' '));
    let bearer =
        bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies =
        cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    bearer.into_iter().chain(cookies.find(|(name, _)| *name == COOKIE).map(|(_, token)| token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_token_grants_its_scope_and_admin_grants_all() {
        let line =
            |name, scope, token| Token { name: String::from(name), scope, hash: Hash::of(token) }.to_string();
        let text = [
            line("wall", Scope::Read, "one"),
            line("prometheus", Scope::Metrics, "two"),
            line("owner", Scope::Admin, "three"),
            "# nothing\n\n".to_owned(),
        ];
        let tokens = Tokens::parse(&text.join("\n")).unwrap();
        assert_eq!(tokens.check(["one"], Scope::Read), Login::Granted);
        assert_eq!(tokens.check(["two"], Scope::Read), Login::OtherScope);
        assert_eq!(tokens.check(["two", "one"], Scope::Read), Login::Granted);
        assert_eq!(tokens.check(["three"], Scope::Metrics), Login::Granted);
        assert_eq!(tokens.check(["four"], Scope::Read), Login::Unknown);
        assert_eq!(tokens.check([""], Scope::Read), Login::Unknown);
        assert_eq!(tokens.check([], Scope::Read), Login::Unknown);
        assert_eq!(Tokens::default().check(["one"], Scope::Read), Login::Unknown);
    }

    #[test]
    fn a_wrong_line_of_a_file_is_named() {
        for (text, error) in [
            ("a read", "line 1: expected NAME SCOPE HASH"),
            ("\na write 00", "line 2: expected the scope read, metrics or admin"),
            ("a read 00", "line 1: expected a hash of 64 hexadecimal digits"),
            (&format!("a read {}é", "0".repeat(62)), "line 1: expected a hash of 64 hexadecimal digits"),
            (&format!("a read {}+0", "0".repeat(62)), "line 1: expected a hash of 64 hexadecimal digits"),
        ] {
            assert_eq!(Tokens::parse(text).unwrap_err(), error);
        }
    }

    #[test]
    fn the_hash_is_that_of_sha256sum() {
        let hash = Hash::of("abc").to_string();
        assert_eq!(hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(Hash::parse(&hash).unwrap().is(&Hash::of("abc")));
    }
}
