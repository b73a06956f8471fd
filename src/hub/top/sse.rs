//! Server-sent events out of octets: <https://html.spec.whatwg.org/multipage/server-sent-events.html>, §9.2.6.
//!
//! A line ends with LF or CRLF; a lone CR, which nobody sends, ends none. `id` and `retry` are passed over, as is any
//! other field.

/// Most octets of an event and its lines: 10,000 boards with 60 figures each are half of it.
pub const EVENT: usize = 64 * 1024 * 1024;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// `message` where it has no name.
    pub name: String,
    /// Its lines of data.
    pub data: Vec<u8>,
}

/// An event or its line is longer than is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// What has come of an event so far.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    name: String,
    data: Vec<u8>,
}

impl Parser {
    /// Takes octets, and gives the events that they end to `take`.
    ///
    /// # Errors
    /// An event is longer than [`EVENT`].
    pub fn push(&mut self, octets: &[u8], mut take: impl FnMut(Event)) -> Result<(), TooLong> {
        for part in octets.split_inclusive(|octet| *octet == b'\n') {
            if self.line.len() + self.data.len() + part.len() > EVENT {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let mut line = std::mem::take(&mut self.line);
                line.pop();
                if line.ends_with(b"\r") {
                    line.pop();
                }
                if let Some(event) = self.line(line) {
                    take(event);
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, mut line: Vec<u8>) -> Option<Event> {
        if line.is_empty() {
            let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            // The last line feed is none of the data's. Without data there is no event.
            data.pop()?;
            return Some(Event { name: if name.is_empty() { "message".into() } else { name }, data });
        }
        let colon = line.iter().position(|octet| *octet == b':').unwrap_or(line.len());
        let (field, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.name = String::from_utf8_lossy(value.get(..64).unwrap_or(value)).into_owned(),
            // A snapshot of a large fleet is one line: it is moved, not copied.
            b"data" if self.data.is_empty() => {
                line.drain(..line.len() - value.len());
                self.data = line;
                self.data.push(b'\n');
            }
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(parts: &[&[u8]]) -> Vec<Event> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for part in parts {
            parser.push(part, |event| events.push(event)).unwrap();
        }
        events
    }

    const STREAM: &[u8] = b"event: snapshot\ndata: {}\n\n:\n\nevent:changes\r\ndata:a\r\ndata: b\r\nid: 3\r\n\r\ndata: x\n\nevent: none\n\ndata: unfinished\n";

    #[test]
    fn events_come_out_however_the_octets_are_cut() {
        let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
        let expected = [event("snapshot", "{}"), event("changes", "a\nb"), event("message", "x")];
        assert_eq!(events(&[STREAM]), expected);
        for cut in 0..STREAM.len() {
            assert_eq!(events(&[&STREAM[..cut], &STREAM[cut..]]), expected, "{cut}");
        }
        assert_eq!(events(&STREAM.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_line_or_an_event_without_end_is_refused() {
        let chunk = vec![b'x'; 1 << 20];
        for line_feed in [false, true] {
            let mut parser = Parser::default();
            let refused = (0..=EVENT >> 20).any(|_| {
                let begin: &[u8] = if line_feed { b"\ndata: " } else { b"" };
                parser.push(&[begin, &chunk].concat(), |_| ()).is_err()
            });
            assert!(refused);
        }
    }
}
