//! The tokens that the hub knows. Only their hashes are kept.
//!
//! A text of tokens has a line for each, `NAME SCOPE HASH [UNTIL]`, where HASH is the SHA-256 of the token's text in
//! lower-case hexadecimal digits, and UNTIL the Unix second at which it ends. Empty lines and those that begin with `#`
//! say nothing. Tokens have 128 random bits: a plain hash of a password would be guessed.
//!
//! A browser gets its login by a one-time link:
//!
//! ```text
//! psistats-hub token link NAME   ->  HOST/#/login/SECRET    in the file: NAME link HASH UNTIL
//! the page: POST /api/v1/login, Authorization: Bearer SECRET
//! the hub:  Set-Cookie: another secret, HttpOnly            in the file: NAME page HASH UNTIL, and the link is gone
//! ```
//!
//! With `--scope admin` the same way leads from `admin-link` to `admin-page`, a login that may acknowledge alerts and forget boards.
//!
//! POST /api/v1/logout ends the login of the cookie that comes with it, at the hub and in the browser.
//!
//! The secret of a link stands in the URL's fragment, which no browser sends: it is in no log of a hub or proxy and in no
//! `Referer`. Only the POST uses it up, so that a messenger that looks at the link for a preview does not.

use std::fmt;
use std::hint::black_box;

use hyper::header::{self, HeaderMap};
use sha2::{Digest as _, Sha256};

/// The cookie that has a browser's login.
pub const COOKIE: &str = "psistats-hub";

/// Most tokens in a file. All are compared with each that is presented.
const MOST: usize = 1000;

/// Cookies of our name that are looked at: another path or another hub of this host may have set one.
const COOKIES: usize = 4;

/// Most bytes of a name.
const NAME: usize = 64;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The API.
    Read,
    /// The metrics alone.
    Metrics,
    /// Everything that a token may do.
    Admin,
    /// To be exchanged for a browser's login, once.
    Link,
    /// The same, to be exchanged for [`Scope::AdminPage`].
    AdminLink,
    /// A browser's login, in its cookie: what [`Scope::Read`] reads, and nothing else.
    Page,
    /// The same, which may change what the page changes, too.
    AdminPage,
}

impl Scope {
    const ALL: [Self; 7] =
        [Self::Read, Self::Metrics, Self::Admin, Self::Link, Self::AdminLink, Self::Page, Self::AdminPage];

    /// Those that a token may be made for.
    pub const GIVEN: [Self; 3] = [Self::Read, Self::Metrics, Self::Admin];

    /// As it is written in a file of tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
            Self::Link => "link",
            Self::AdminLink => "admin-link",
            Self::Page => "page",
            Self::AdminPage => "admin-page",
        }
    }

    /// Whether a token of this scope may do what `asked` stands for.
    fn includes(self, asked: Self) -> bool {
        match self {
            Self::Admin => Self::GIVEN.contains(&asked),
            Self::AdminLink => asked.is_link(),
            Self::AdminPage => [Self::Page, Self::AdminPage].contains(&asked),
            _ => self == asked,
        }
    }

    /// Whether it stands for one that is exchanged.
    pub const fn is_link(self) -> bool {
        matches!(self, Self::Link | Self::AdminLink)
    }

    /// Whether it stands for a browser's login.
    pub const fn is_page(self) -> bool {
        matches!(self, Self::Page | Self::AdminPage)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
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
    pub fn is(&self, other: &Self) -> bool {
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
    /// The Unix second at which it ends; None: it does not.
    pub until: Option<u64>,
}

impl Token {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, scope, hash, until) = match words[..] {
            [name, scope, hash] => (name, scope, hash, None),
            [name, scope, hash, until] => (name, scope, hash, Some(until)),
            _ => return Err("NAME SCOPE HASH, and perhaps UNTIL"),
        };
        let scope = Scope::ALL.into_iter().find(|known| known.name() == scope);
        Ok(Self {
            name: name.to_owned(),
            scope: scope.ok_or("the scope read, metrics, admin, link, admin-link, page or admin-page")?,
            hash: Hash::parse(hash).ok_or("a hash of 64 hexadecimal digits")?,
            until: until.map(str::parse).transpose().map_err(|_| "a whole number of Unix seconds")?,
        })
    }

    /// Whether it is at its end.
    fn has_ended(&self, now_s: u64) -> bool {
        self.until.is_some_and(|until| until <= now_s)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.scope, self.hash)?;
        self.until.map_or(Ok(()), |until| write!(f, " {until}"))
    }
}

/// Whether a name is one for a token: it stands in a file of words.
pub fn is_name(name: &str) -> bool {
    let is_fine = |octet: u8| octet.is_ascii_alphanumeric() || b".-_@+".contains(&octet);
    (1..=NAME).contains(&name.len()) && name.bytes().all(is_fine)
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
    /// A line that is none, by its number; the text has nothing of the line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if tokens.len() == MOST {
                return Err(format!("line {number}: expected at most {MOST} tokens"));
            }
            tokens.push(Token::parse(line).map_err(|what| format!("line {number}: expected {what}"))?);
        }
        Ok(Self(tokens))
    }

    /// Those that have not ended, in the order of the file.
    pub fn iter(&self, now_s: u64) -> impl Iterator<Item = &Token> {
        self.0.iter().filter(move |token| !token.has_ended(now_s))
    }

    /// Adds one, and forgets those that have ended.
    ///
    /// # Errors
    /// There are too many.
    pub fn add(&mut self, token: Token, now_s: u64) -> Result<(), String> {
        self.retain(|token| !token.has_ended(now_s));
        if self.0.len() >= MOST {
            return Err(format!("there are {MOST} tokens: psistats-hub token remove NAME makes room"));
        }
        self.0.push(token);
        Ok(())
    }

    /// Forgets those that `keep` does not hold for. Gives how many these were.
    pub fn retain(&mut self, keep: impl FnMut(&Token) -> bool) -> usize {
        let before = self.0.len();
        self.0.retain(keep);
        before - self.0.len()
    }

    /// Whether all that may read by these may do so by `others`.
    pub fn are_within(&self, others: &Self) -> bool {
        let mut readers = self.0.iter().filter(|token| !token.scope.is_link());
        readers.all(|one| others.0.iter().any(|other| one.scope == other.scope && one.hash.is(&other.hash)))
    }

    /// Whether the presented token is known and for `asked`.
    pub fn check(&self, presented: &str, asked: Scope, now_s: u64) -> Login {
        let hash = Hash::of(presented);
        let mut login = Login::Unknown;
        // No early end: how long it takes tells nothing of which token it is.
        for token in &self.0 {
            let is_it = token.hash.is(&hash) && !token.has_ended(now_s);
            match (is_it, token.scope.includes(asked)) {
                (true, true) => login = Login::Granted,
                (true, false) if login == Login::Unknown => login = Login::OtherScope,
                _ => {}
            }
        }
        login
    }

    /// Whether a request with these headers may do what `asked` stands for. A cookie may read; it may change something
    /// where it was made for that and the browser says which page has made it ask, since browsers send cookies whoever
    /// that is. Whether it is a page of ours, the guard has seen.
    pub fn check_request(&self, headers: &HeaderMap, asked: Scope, now_s: u64) -> Login {
        let login = bearer(headers).map_or(Login::Unknown, |token| self.check(token, asked, now_s));
        let page = match asked {
            _ if login != Login::Unknown => return login,
            Scope::Read => Scope::Page,
            Scope::Admin if headers.contains_key(header::ORIGIN) => Scope::AdminPage,
            _ => return login,
        };
        let is_known = |token| self.check(token, page, now_s) == Login::Granted;
        if cookies(headers).any(is_known) { Login::Granted } else { login }
    }
}

impl fmt::Display for Tokens {
    /// As [`Tokens::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| writeln!(f, "{token}"))
    }
}

/// The token that a request presents in `Authorization`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The logins that a request presents in cookies.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, token)| token).take(COOKIES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, scope: Scope, token: &str, until: Option<u64>) -> String {
        Token { name: name.to_owned(), scope, hash: Hash::of(token), until }.to_string()
    }

    fn tokens() -> Tokens {
        let lines = [
            line("wall", Scope::Read, "one", None),
            line("prometheus", Scope::Metrics, "two", None),
            line("owner", Scope::Admin, "three", Some(100)),
            line("anna", Scope::Link, "four", Some(100)),
            line("anna", Scope::Page, "five", Some(100)),
            "# nothing\n\n".to_owned(),
        ];
        Tokens::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn a_known_token_grants_its_scope_and_admin_grants_what_tokens_may_until_it_ends() {
        let check = |token, scope| tokens().check(token, scope, 99);
        assert_eq!(check("one", Scope::Read), Login::Granted);
        assert_eq!(check("two", Scope::Read), Login::OtherScope);
        for (scope, login) in [
            (Scope::Read, Login::Granted),
            (Scope::Metrics, Login::Granted),
            (Scope::Admin, Login::Granted),
            (Scope::Link, Login::OtherScope),
            (Scope::Page, Login::OtherScope),
        ] {
            assert_eq!(check("three", scope), login, "{scope}");
        }
        assert_eq!(check("four", Scope::Link), Login::Granted);
        assert_eq!(check("four", Scope::Read), Login::OtherScope);
        assert_eq!(check("five", Scope::Read), Login::OtherScope);
        for unknown in ["six", ""] {
            assert_eq!(check(unknown, Scope::Read), Login::Unknown);
        }
        assert_eq!(tokens().check("three", Scope::Read, 100), Login::Unknown);
        assert_eq!(tokens().check("four", Scope::Link, 100), Login::Unknown);
        assert_eq!(Tokens::default().check("one", Scope::Read, 0), Login::Unknown);
    }

    #[test]
    fn a_cookie_has_a_browsers_login_and_may_only_read() {
        let check = |name: &'static str, value: &str, scope| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            tokens().check_request(&headers, scope, 99)
        };
        let cookie = |token: &str, scope| check("cookie", &format!("a=b; {COOKIE}={token}; c=d"), scope);
        assert_eq!(cookie("five", Scope::Read), Login::Granted);
        for scope in [Scope::Metrics, Scope::Admin, Scope::Link] {
            assert_eq!(cookie("five", scope), Login::Unknown);
        }
        for token in ["one", "three", "four"] {
            assert_eq!(cookie(token, Scope::Read), Login::Unknown, "{token}");
        }
        assert_eq!(check("authorization", "Bearer five", Scope::Read), Login::OtherScope);
        assert_eq!(check("authorization", "bearer one", Scope::Read), Login::Granted);
        let second = format!("{COOKIE}=x; {COOKIE}=five");
        assert_eq!(check("cookie", &second, Scope::Read), Login::Granted);
    }

    #[test]
    fn a_cookie_changes_something_where_it_is_for_that_and_the_browser_says_whose_page_asks() {
        let tokens = Tokens::parse(&line("anna", Scope::AdminPage, "six", Some(100))).unwrap();
        let check = |origin: Option<&str>, scope| {
            let cookie = (header::COOKIE, format!("{COOKIE}=six").parse().unwrap());
            let origin = origin.map(|origin| (header::ORIGIN, origin.parse().unwrap()));
            tokens.check_request(&HeaderMap::from_iter([cookie].into_iter().chain(origin)), scope, 99)
        };
        assert_eq!(check(None, Scope::Read), Login::Granted);
        assert_eq!(check(Some("http://hub"), Scope::Admin), Login::Granted);
        for (origin, scope) in [(None, Scope::Admin), (Some("http://hub"), Scope::Metrics)] {
            assert_eq!(check(origin, scope), Login::Unknown);
        }
        for scope in [Scope::Read, Scope::Admin, Scope::Link] {
            assert_eq!(tokens.check("six", scope, 99), Login::OtherScope, "{scope}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = tokens().to_string();
        assert_eq!(text.lines().count(), 5);
        assert_eq!(Tokens::parse(&text).unwrap().to_string(), text);
        assert_eq!(tokens().iter(100).count(), 2);
    }

    #[test]
    fn they_are_bounded_and_those_that_have_ended_make_room() {
        let token = |until| Token::parse(&line("a", Scope::Page, "x", until)).unwrap();
        let mut tokens = Tokens::default();
        tokens.add(token(Some(9)), 0).unwrap();
        for _ in 1..MOST {
            tokens.add(token(None), 8).unwrap();
        }
        assert!(tokens.add(token(None), 8).unwrap_err().contains("makes room"));
        tokens.add(token(None), 9).unwrap();
        assert!(Tokens::parse(&tokens.to_string()).is_ok());
        let more = format!("{tokens}a read {}", Hash::of("x"));
        assert_eq!(Tokens::parse(&more).unwrap_err(), "line 1001: expected at most 1000 tokens");
    }

    #[test]
    fn only_a_reader_that_is_gone_is_missed() {
        let (all, mut fewer) = (tokens(), tokens());
        fewer.retain(|token| token.scope != Scope::Link);
        assert!(all.are_within(&fewer) && fewer.are_within(&all));
        fewer.retain(|token| token.scope != Scope::Page);
        assert!(!all.are_within(&fewer) && fewer.are_within(&all));
    }

    #[test]
    fn a_wrong_line_of_a_file_is_named() {
        let hash = "0".repeat(64);
        for (text, error) in [
            ("a read", "line 1: expected NAME SCOPE HASH, and perhaps UNTIL"),
            (
                "\na write 00",
                "line 2: expected the scope read, metrics, admin, link, admin-link, page or admin-page",
            ),
            ("a read 00", "line 1: expected a hash of 64 hexadecimal digits"),
            (&format!("a read {}é", "0".repeat(62)), "line 1: expected a hash of 64 hexadecimal digits"),
            (&format!("a read {}+0", "0".repeat(62)), "line 1: expected a hash of 64 hexadecimal digits"),
            (&format!("a read {hash} soon"), "line 1: expected a whole number of Unix seconds"),
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
