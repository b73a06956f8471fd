//! `arguments` and `headers`: fields of AMQP with a type each.

use psistats_core::amqp::{Table, Value};
use psistats_host::conf::values::has_controls;
use psistats_host::conf::{Expected, shown};

/// Bytes of all fields of a key, as they are on the wire: they go into one frame, or with every message.
const FIELDS: usize = 1024;

/// Reads `name=value` between commas or on lines of their own, as it is on the wire ([`Table::new`]). A value is a
/// whole number, true or false, or a text, which has a comma or looks like one of those in double quotes. `taken`: names
/// that are not free, and why.
pub(super) fn fields(
    taken: &'static [(&'static str, &'static str)],
) -> impl Fn(&str) -> Result<Vec<u8>, Expected> {
    move |text| read(text, taken)
}

fn read(text: &str, taken: &[(&str, &str)]) -> Result<Vec<u8>, Expected> {
    let mut fields: Vec<(&str, Value<'_>)> = Vec::new();
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
        if fields.iter().any(|(other, _)| *other == name) {
            return Err(format!("{} only once", shown(name)).into());
        }
        fields.push((name, typed(value).ok_or("values on one line, with a quote at both ends or none")?));
    }
    let mut memory = [0; FIELDS];
    let table = Table::encode(fields, &mut memory);
    Ok(table.map_err(|_| format!("at most {FIELDS} bytes in all"))?.octets().into())
}

fn typed(value: &str) -> Option<Value<'_>> {
    if has_controls(value) {
        return None;
    }
    if let Some(rest) = value.strip_prefix('"') {
        let text = rest.strip_suffix('"').filter(|text| !text.contains('"'))?;
        return Some(Value::Octets(text.as_bytes()));
    }
    Some(match value {
        _ if value.contains('"') => return None,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => value.parse().map_or(Value::Octets(value.as_bytes()), Value::Int),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(fields: &[(&str, Value<'_>)]) -> Vec<u8> {
        Table::encode(fields.iter().copied(), &mut [0; FIELDS]).unwrap().octets().into()
    }

    #[test]
    fn each_value_has_the_type_that_it_looks_like_unless_it_is_quoted() {
        let text = |text: &'static str| Value::Octets(text.as_bytes());
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
            assert_eq!(fields(&[])(from), Ok(wire(to)), "{from}");
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
