//! The host name of a report, before it is read: it says whose series to expect.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// The most bytes of a host name.
pub const HOST_NAME: usize = 255;

/// The host name of a report: the first `hostname` of the object. None where it has none, or that is empty, too long
/// or not a text. The result borrows from `body` or from `buffer`.
pub fn host_name<'b>(body: &'b [u8], buffer: &'b mut String) -> Option<&'b str> {
    if let Some(name) = plain_host_name(body) {
        return Some(name);
    }
    buffer.clear();
    let mut json = serde_json::Deserializer::from_slice(body);
    // What follows the name may be broken: that is seen when the report is read.
    let _ = json.deserialize_map(Name(buffer));
    (!buffer.is_empty() && buffer.len() <= HOST_NAME).then_some(buffer)
}

/// Where the name comes first and has no escapes, as agents write it.
fn plain_host_name(body: &[u8]) -> Option<&str> {
    let rest = body.strip_prefix(b"{\"hostname\":")?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"\"")?;
    let is_end = |octet: &u8| *octet == b'"' || *octet == b'\\' || *octet < b' ';
    let end = rest.iter().take(HOST_NAME + 1).position(is_end).filter(|end| *end > 0)?;
    let (name, after) = rest.split_at_checked(end)?;
    if after.first() == Some(&b'"') { str::from_utf8(name).ok() } else { None }
}

struct Name<'b>(&'b mut String);

impl<'de> Visitor<'de> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(is_name) = map.next_key_seed(IsName)? {
            if is_name {
                *self.0 = map.next_value()?;
                // No more is wanted.
                return Err(A::Error::custom(""));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct IsName;

impl<'de> DeserializeSeed<'de> for IsName {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for IsName {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == "hostname")
    }
}
