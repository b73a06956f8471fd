//! Where something is: a URL.

use std::fmt;

use hyper::Uri;

use psistats_host::conf::Expected;

/// A URL that is asked, or posted to. What is shown of it is host and port: the rest may be a secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Place {
    has_tls: bool,
    /// Of an IPv6 address, without brackets.
    host: String,
    port: u16,
    path: String,
}

impl Place {
    /// Reads `http://HOST[:PORT]/PATH` or `https://HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// What was expected, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let expected = "http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH";
        let uri: Uri = text.parse().map_err(|_| expected)?;
        let (has_tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(expected.into()),
        };
        let authority = uri.authority().ok_or(expected)?;
        if authority.as_str().contains('@') {
            return Err("no user and password in the URL: they have keys of their own".into());
        }
        let host = authority.host();
        // A port that is none reads like no port.
        let has_port = authority.as_str().len() > host.len();
        let port =
            if has_port { authority.port_u16().filter(|port| *port > 0).ok_or(expected)? } else { usual };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { has_tls, host, port, path })
    }

    /// A hub, which is asked for any path.
    pub const fn of_server(has_tls: bool, host: String, port: u16) -> Self {
        Self { has_tls, host, port, path: String::new() }
    }

    /// Whether it is `https://`.
    pub const fn has_tls(&self) -> bool {
        self.has_tls
    }

    /// A name or an address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// All of it.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }

    /// Path and query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same server with another path and query.
    #[must_use]
    pub fn with_path(self, path: String) -> Self {
        Self { path, ..self }
    }

    /// As it stands in the header Host: a port that is the usual one is left out (RFC 9110 §4.2.3).
    pub fn authority(&self) -> String {
        let usual = if self.has_tls { 443 } else { 80 };
        if self.port == usual { self.shown_host() } else { self.to_string() }
    }

    /// An IPv6 address has brackets.
    fn shown_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.shown_host(), self.port)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_host_a_port_and_a_path() {
        let parts = |text: &str| {
            let place = Place::parse(text).unwrap();
            (place.to_string(), place.authority(), place.path().to_owned(), place.has_tls())
        };
        assert_eq!(parts("http://h/a?b=c"), ("h:80".into(), "h".into(), "/a?b=c".into(), false));
        assert_eq!(parts("http://[::1]:8080"), ("[::1]:8080".into(), "[::1]:8080".into(), "/".into(), false));
        assert_eq!(parts("https://h"), ("h:443".into(), "h".into(), "/".into(), true));
        assert_eq!(parts("HTTPS://h:80/"), ("h:80".into(), "h:80".into(), "/".into(), true));
        for (wrong, expected) in [
            ("ftp://h/hidden", "http://HOST"),
            ("h/hidden", "http://HOST"),
            ("http://h:0/hidden", "http://HOST"),
            ("http://h:70000/hidden", "http://HOST"),
            ("https://u:hidden@h/", "no user and password"),
            ("http:///hidden", "http://HOST"),
        ] {
            let error = Place::parse(wrong).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hidden"), "{wrong}: {error}");
        }
    }
}
