//! The page's files, compiled in. There is no other file that a path could name.

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use super::reply::{self, Body};

/// The path of the document that describes the API.
pub const DOCUMENT: &str = "/api/v1/openapi.json";

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, kind and content of each file.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/add.js", JAVASCRIPT, include_str!("page/add.js")),
    ("/alerts.js", JAVASCRIPT, include_str!("page/alerts.js")),
    ("/app.js", JAVASCRIPT, include_str!("page/app.js")),
    ("/board.js", JAVASCRIPT, include_str!("page/board.js")),
    ("/chart.js", JAVASCRIPT, include_str!("page/chart.js")),
    ("/charts.js", JAVASCRIPT, include_str!("page/charts.js")),
    ("/choice.js", JAVASCRIPT, include_str!("page/choice.js")),
    ("/components.css", CSS, include_str!("page/components.css")),
    ("/data.js", JAVASCRIPT, include_str!("page/data.js")),
    ("/dom.js", JAVASCRIPT, include_str!("page/dom.js")),
    ("/facts.js", JAVASCRIPT, include_str!("page/facts.js")),
    ("/figure.js", JAVASCRIPT, include_str!("page/figure.js")),
    ("/format.js", JAVASCRIPT, include_str!("page/format.js")),
    ("/head.js", JAVASCRIPT, include_str!("page/head.js")),
    ("/keys.js", JAVASCRIPT, include_str!("page/keys.js")),
    ("/layout.css", CSS, include_str!("page/layout.css")),
    ("/login.js", JAVASCRIPT, include_str!("page/login.js")),
    ("/marks.js", JAVASCRIPT, include_str!("page/marks.js")),
    ("/metrics.js", JAVASCRIPT, include_str!("page/metrics.js")),
    ("/model.js", JAVASCRIPT, include_str!("page/model.js")),
    ("/peers.js", JAVASCRIPT, include_str!("page/peers.js")),
    ("/spread.js", JAVASCRIPT, include_str!("page/spread.js")),
    ("/theme.js", JAVASCRIPT, include_str!("page/theme.js")),
    ("/tile.js", JAVASCRIPT, include_str!("page/tile.js")),
    ("/tokens.css", CSS, include_str!("page/tokens.css")),
    ("/views.css", CSS, include_str!("page/views.css")),
    ("/wall.js", JAVASCRIPT, include_str!("page/wall.js")),
    (DOCUMENT, JSON, include_str!("openapi.json")),
];

/// A file of the page as it is served: without indentation, without comments that have lines of their own, and without
/// line breaks, semicolons and blanks that mean nothing there.
fn squeeze(text: &str, kind: &str) -> String {
    // CSS and HTML need no line breaks; JavaScript ends a statement by one, but not behind these.
    let goes_on: &[char] = match kind {
        CSS => &['{', ';', ',', '}'],
        HTML => &['>'],
        _ => &['{', ';', ','],
    };
    let (mut squeezed, mut in_comment) = (String::with_capacity(text.len()), false);
    for line in text.lines().map(str::trim) {
        let is_comment = in_comment || line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            // The end of a block ends its last statement, too: none there is empty.
            if line.starts_with('}') && squeezed.ends_with(';') {
                squeezed.pop();
            }
            match kind {
                JAVASCRIPT => tighten(line, &mut squeezed),
                _ => squeezed.push_str(line),
            }
            if !line.ends_with(goes_on) || line.contains("//") {
                squeezed.push('\n');
            }
        }
        in_comment = is_comment && !line.contains("*/");
    }
    squeezed
}

/// Writes a line of JavaScript without the blanks beside punctuation. One that may have a template, a regular expression
/// or a comment in it stays as it is; of the others every second part between quotes is a text.
fn tighten(line: &str, squeezed: &mut String) {
    if line.contains(['`', '"', '/', '\\']) {
        return squeezed.push_str(line);
    }
    let is_punctuation = |character: char| "=?:;,{}()[]<>&|*".contains(character);
    for (number, part) in line.split('\'').enumerate() {
        if number > 0 {
            squeezed.push('\'');
        }
        let is_text = number % 2 == 1;
        let mut characters = part.chars().peekable();
        while let Some(character) = characters.next() {
            let is_after = squeezed.ends_with(is_punctuation);
            let is_before = characters.peek().copied().is_some_and(is_punctuation);
            if is_text || character != ' ' || !(is_after || is_before) {
                squeezed.push(character);
            }
        }
    }
}

/// A file, and the hash of its content, by which a browser knows whether it has this one.
struct Asset {
    path: &'static str,
    kind: HeaderValue,
    bytes: Bytes,
    tag: String,
}

/// All files.
pub struct Assets(Vec<Asset>);

impl Assets {
    pub fn new() -> Self {
        let assets = FILES.iter().map(|(path, kind, text)| {
            let bytes = if *kind == JSON { (*text).to_owned() } else { squeeze(text, kind) };
            let hash: String =
                Sha256::digest(&bytes).iter().take(12).map(|octet| format!("{octet:02x}")).collect();
            Asset {
                path,
                kind: HeaderValue::from_static(kind),
                bytes: bytes.into(),
                tag: format!("\"{hash}\""),
            }
        });
        Self(assets.collect())
    }

    /// The file of that path; only that it is still the same, where `headers` say that the client has it.
    pub fn response(&self, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        let asset = self.0.iter().find(|asset| asset.path == path)?;
        let mut response = reply::whole(StatusCode::OK, asset.kind.clone(), asset.bytes.clone());
        if asset.is_known(headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::Empty;
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        // It may be kept, and is asked for again each time: the name of a file stays, its content does not.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(tag) = HeaderValue::from_str(&asset.tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        Some(response)
    }
}

impl Asset {
    /// RFC 9110 §13.1.2: a weak comparison.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
        let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_below_100_kb_and_has_neither_indentation_nor_lines_of_comments() {
        let page =
            FILES.iter().filter(|(_, kind, _)| *kind != JSON).map(|(_, kind, text)| squeeze(text, kind));
        let bytes: usize = page.map(|text| text.len()).sum();
        assert!((10_000..100_000).contains(&bytes), "{bytes} bytes");
        assert_eq!(
            squeeze("a\n\n  /* b\n c */\n  // d\n  e {\n f;\n}\n g; // h;\n", JAVASCRIPT),
            "a\ne{f}\ng; // h;\n"
        );
        assert_eq!(
            squeeze(
                "if (a) b = x => 'x = y' + { 'a': 1 };\nc = d / e;\nf = `g = h`;\nj + 'a' ? k : +l;\n",
                JAVASCRIPT
            ),
            "if(a)b=x=>'x = y' +{'a':1};c = d / e;f = `g = h`;j + 'a'?k:+l;"
        );
        assert_eq!(squeeze("a {\n b: c;\n}\nd{}\n", CSS), "a {b: c}d{}");
    }
}
