//! The tuples of Python's logging files: `args=('psistats.log', 'midnight', 1, 7)`.
//!
//! Python evaluates such a text as an expression. Here it is read as literals and dotted names, in
//! at most two levels of brackets; anything else is an error, and nothing is evaluated.

use crate::conf::ini::trim;
use crate::conf::reading::Expected;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// `'text'`
    Text(String),
    /// `7`
    Number(u64),
    /// `sys.stdout`, `True`, `None`
    Name(String),
    /// `('localhost', 514)`
    Tuple(Vec<Literal>),
}

const EXPECTED: &str = "a tuple of 'texts', numbers and names, as ('psistats.log', 'a')";

/// Reads a tuple, which is the whole text.
pub(super) fn tuple(text: &str) -> Result<Vec<Literal>, Expected> {
    read(text).ok_or(EXPECTED.into())
}

fn read(text: &str) -> Option<Vec<Literal>> {
    let mut outer: Option<Vec<Literal>> = None;
    let mut inner: Option<Vec<Literal>> = None;
    let mut comma = true; // whether a value may come: after ( and after a comma
    let mut rest = text;
    loop {
        rest = trim(rest);
        let nested = inner.is_some();
        let open = inner.as_mut().or(outer.as_mut());
        match (rest.chars().next()?, open) {
            ('(', None) => outer = Some(Vec::new()),
            ('(', Some(_)) if comma && !nested => inner = Some(Vec::new()),
            (')', Some(_)) => {
                comma = false;
                match inner.take() {
                    Some(done) => outer.as_mut()?.push(Literal::Tuple(done)),
                    None => return outer.filter(|_| rest == ")"),
                }
            }
            (',', Some(values)) if !comma && !values.is_empty() => comma = true,
            (_, Some(values)) if comma => {
                let (value, after) = scalar(rest)?;
                values.push(value);
                comma = false;
                rest = after;
                continue;
            }
            _ => return None,
        }
        rest = rest.get(1..)?;
    }
}

/// A text, a number or a name, and what follows it.
fn scalar(text: &str) -> Option<(Literal, &str)> {
    let unprefixed = text.strip_prefix('u').unwrap_or(text);
    if let Some(quote) = unprefixed.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        return quoted(unprefixed.get(1..)?, quote);
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')));
    let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let value = match word.chars().next()? {
        '0'..='9' => Literal::Number(word.parse().ok()?),
        _ => Literal::Name(word.to_owned()),
    };
    Some((value, rest))
}

/// The text up to `quote`, on one line. Not supported: a backslash, which would escape what follows.
fn quoted(text: &str, quote: char) -> Option<(Literal, &str)> {
    let (value, rest) = text.split_once(quote).filter(|(value, _)| !value.contains(['\\', '\n']))?;
    Some((Literal::Text(value.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.into())
    }

    fn name(name: &str) -> Literal {
        Literal::Name(name.into())
    }

    #[test]
    fn tuples_as_pythons_documentation_writes_them_are_read() {
        assert_eq!(tuple("()"), Ok(Vec::new()));
        assert_eq!(tuple("(sys.stderr,)"), Ok(Vec::from([name("sys.stderr")])));
        assert_eq!(
            tuple("('a, (b)', \"w\",\n 1 ,7, None)"),
            Ok(Vec::from([text("a, (b)"), text("w"), Literal::Number(1), Literal::Number(7), name("None")]))
        );
        assert_eq!(
            tuple("(('localhost', 514), handlers.SysLogHandler.LOG_USER)"),
            Ok(Vec::from([
                Literal::Tuple(Vec::from([text("localhost"), Literal::Number(514)])),
                name("handlers.SysLogHandler.LOG_USER"),
            ]))
        );
        assert_eq!(tuple("(u'a')"), Ok(Vec::from([text("a")])));
    }

    #[test]
    fn what_is_no_tuple_of_literals_is_refused() {
        for wrong in [
            "",
            "'a'",
            "(",
            ")",
            "('a'",
            "('a)",
            "(,)",
            "('a',,)",
            "(1 2)",
            "(('a',)",
            "((('a',),),)",
            "('a') 1",
            "(f('a'),)",
            "('a' + 'b',)",
            "(-1,)",
            "('\\x41',)",
            "('a\\'b',)",
            "('a\nb',)",
            "(1x,)",
            "('a'('b'))",
            "(\u{fc},)",
        ] {
            assert!(tuple(wrong).is_err(), "{wrong}");
        }
    }
}
