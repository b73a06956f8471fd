//! `arguments` and `headers`: names and values of a type each.

use psistats_host::conf::values::has_controls;
use psistats_host::conf::{Expected, shown};

/// Bytes of all names and values of a key: they go into one frame, or with every message.
const FIELDS: usize = 1024;

/// Bytes that a name and its value have beside their own, at the most.
const ENVELOPE: usize = 6;

/// Names and values, in the order of the file.
pub type Fields = Vec<(String, Value)>;

/// A value, of the type that it looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `true`, `false`
    Bool(bool),
    /// `1000`
    Int(i64),
    /// Anything else, or what stands in double quotes.
    Text(String),
}

/// Reads `name=value` between commas or on lines of their own. A text has a comma, or looks like a number, in double
/// quotes. `taken`: names that are not free, and why.
pub(super) fn fields(
    taken: &'static [(&'static str, &'static str)],
) -> impl Fn(&str) -> Result<Fields, Expected> {
    move |text| read(text, taken)
}

fn read(text: &str, taken: &[(&str, &str)]) -> Result<Fields, Expected> {
    let (mut fields, mut bytes) = (Fields::new(), 0);
    let mut is_quoted = false;
    let ends = |c: char| {
        is_quoted ^= c == '"';
        !is_quoted && matches!(c, ',' | '\n')
    };
    for field in text.split(ends).map(str::trim).filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once('=').ok_or("name=value between commas")?;
        let (name, value) = (name.trim(), value.trim());
        let is_name = |c: char| c.is_ascii_graphic() && c != '"';
        if !(1..=64).contains(&name.len()) || !name.chars().all(is_name) {
            return Err("names of 1 to 64 ASCII characters".into());
        }
        if let Some((_, why)) = taken.iter().find(|(taken, _)| *taken == name) {
            return Err(format!("no {name}: {why}").into());
        }
        if fields.iter().any(|(other, _)| other == name) {
            return Err(format!("{} only once", shown(name)).into());
        }
        let typed = typed(value).ok_or("values on one line, with a quote at both ends or none")?;
        bytes += name.len() + value.len().max(8) + ENVELOPE;
        fields.push((name.to_owned(), typed));
    }
    if bytes > FIELDS {
        return Err(format!("at most {FIELDS} bytes in all").into());
    }
    Ok(fields)
}

fn typed(value: &str) -> Option<Value> {
    if has_controls(value) {
        return None;
    }
    if let Some(rest) = value.strip_prefix('"') {
        return rest
            .strip_suffix('"')
            .filter(|text| !text.contains('"'))
            .map(|text| Value::Text(text.into()));
    }
    Some(match value {
        _ if value.contains('"') => return None,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => value.parse().map_or_else(|_| Value::Text(value.into()), Value::Int),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_the_type_that_it_looks_like_unless_it_is_quoted() {
        let text = |text: &str| Value::Text(text.into());
        for (from, to) in [
            ("", &[][..]),
            ("x-max-length=1000", &[("x-max-length", Value::Int(1000))]),
            (
                "x-max-length = -1,x-overflow=drop-head,\nx-single-active-consumer=true",
                &[
                    ("x-max-length", Value::Int(-1)),
                    ("x-overflow", text("drop-head")),
                    ("x-single-active-consumer", Value::Bool(true)),
                ],
            ),
            ("a=\"1\"\nb=\"x, y=z\"\nc=", &[("a", text("1")), ("b", text("x, y=z")), ("c", text(""))]),
            ("site=Köln, rack=3b", &[("site", text("Köln")), ("rack", text("3b"))]),
        ] {
            let to = to.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            assert_eq!(fields(&[])(from), Ok(to), "{from}");
        }
    }

    #[test]
    fn what_is_no_field_is_refused() {
        let long = format!("a={}", "x".repeat(FIELDS));
        for wrong in
            ["a", "=1", "a b=1", "a=\"1", "a=1\"", "a=1,a=2", "ä=1", "a=\"x\"y\"", &long, "a=\t\u{1}b"]
        {
            assert!(fields(&[])(wrong).is_err(), "{wrong}");
        }
        let taken = fields(&[("x-message-ttl", "that is ttl")]);
        assert_eq!(taken("x-message-ttl=1"), Err("no x-message-ttl: that is ttl".into()));
    }
}
