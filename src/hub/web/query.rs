//! Percent-encoding (RFC 3986 §2.1), and parameters of a URL.

use std::borrow::Cow;

/// A part of a path in plain text.
///
/// # Errors
/// It has an incomplete escape, or is not UTF-8.
pub fn decode(part: &str) -> Result<Cow<'_, str>, &'static str> {
    if !part.contains('%') {
        return Ok(part.into());
    }
    let mut plain = Vec::with_capacity(part.len());
    let mut octets = part.bytes();
    while let Some(octet) = octets.next() {
        plain.push(match octet {
            b'%' => match (octets.next().and_then(digit), octets.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("expected two hexadecimal digits after %"),
            },
            octet => octet,
        });
    }
    String::from_utf8(plain).map(Cow::from).map_err(|_| "expected UTF-8 in percent-encoding")
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// A query's pairs as they stand.
fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or("").split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A query's keys in plain text.
pub fn keys(query: Option<&str>) -> impl Iterator<Item = Cow<'_, str>> {
    pairs(query).map(|(key, _)| decode(key).unwrap_or(key.into()))
}

/// The values of the parameters named `known`, in that order.
///
/// # Errors
/// There is another parameter, or one comes twice, or one is not encoded as it should be. The text says what was
/// expected, and has no value of the request in it.
pub fn parse<'a, const N: usize>(
    query: Option<&'a str>,
    known: [&str; N],
) -> Result<[Option<Cow<'a, str>>; N], String> {
    let mut values = [const { None }; N];
    for (key, value) in pairs(query) {
        let place = known.iter().position(|name| *name == key);
        let Some(place) = place.and_then(|place| values.get_mut(place)) else {
            return Err(if known.is_empty() {
                "expected no parameters".to_owned()
            } else {
                format!("unknown parameter: expected {}", known.join(", "))
            });
        };
        // As forms and URLSearchParams have it: + is a space.
        let value = match value.contains('+') {
            true => decode(&value.replace('+', " ")).map(|value| value.into_owned().into()),
            false => decode(value),
        };
        let value = value.map_err(|error| format!("{key}: {error}"))?;
        if place.replace(value).is_some() {
            return Err(format!("expected {key} once"));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_octets_of_utf_8() {
        assert_eq!(decode("disk.%2F.percent").unwrap(), "disk./.percent");
        assert_eq!(decode("b%c3%BCro+1").unwrap(), "büro+1");
        for wrong in ["%", "%2", "%2g", "%g2", "a%%41", "%ff", "%c3", "%+1"] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_known_and_come_once() {
        let [series, points] = parse(Some("&points=2&&series=a+b%2Bc&"), ["series", "points"]).unwrap();
        assert_eq!((series.as_deref(), points.as_deref()), (Some("a b+c"), Some("2")));
        let error = |query| parse(Some(query), ["series", "points"]).unwrap_err();
        assert_eq!(error("serie=1"), "unknown parameter: expected series, points");
        assert_eq!(error("points=1&points=1"), "expected points once");
        assert_eq!(error("points=%"), "points: expected two hexadecimal digits after %");
        assert_eq!(parse(Some("a"), []).unwrap_err(), "expected no parameters");
        assert_eq!(parse(None, ["a"]), Ok([None]));
    }

    proptest! {
        #[test]
        fn what_a_browser_encodes_comes_out_again(text in ".*") {
            let encoded: String = text.bytes().map(|octet| format!("%{octet:02X}")).collect();
            prop_assert_eq!(decode(&encoded).unwrap(), text);
        }

        #[test]
        fn no_query_panics(query in ".*") {
            let _ = parse(Some(&query), ["series", "from"]);
            let _ = parse(Some(&query), []);
            keys(Some(&query)).for_each(drop);
        }
    }
}
