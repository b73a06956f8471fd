//! Requests by hand, octet by octet, and by curl.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::Value;
use support::PATIENCE;

/// An answer. Names of headers are in lower case.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Takes one with a Content-Length, or without a body, from the front of `octets`.
    fn take(octets: &mut &[u8], has_body: bool) -> Option<Self> {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(octets[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let (version, status) = lines.next().unwrap().split_at(9);
        assert!(["HTTP/1.0 ", "HTTP/1.1 "].contains(&version), "{head}");
        let status = status[..3].parse().unwrap();
        let headers: BTreeMap<String, String> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length =
            headers.get("content-length").filter(|_| has_body).map_or(0, |text| text.parse().unwrap());
        let rest = &octets[end + 4..];
        assert!(rest.len() >= length, "{head}: only {} octets of the body", rest.len());
        let body = rest[..length].to_vec();
        *octets = &rest[length..];
        Some(Self { status, headers, body })
    }

    /// One whose body is of no interest.
    pub fn of_head(mut octets: &[u8]) -> Self {
        Self::take(&mut octets, false).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The text of an error.
    pub fn error(&self) -> String {
        assert!(self.status >= 400, "{self:?}");
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the other side closes.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    match stream.read_to_end(&mut octets) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    octets
}

/// The answers to what is sent as it stands, until the other side closes.
pub fn answers(address: SocketAddr, request: impl AsRef<[u8]>) -> Vec<Answer> {
    let request = request.as_ref();
    let mut stream = connect(address);
    // The other side may close before it has everything.
    let _ = stream.write_all(request);
    let octets = read_to_end(&mut stream);
    let (mut rest, mut answers) = (&octets[..], Vec::new());
    while let Some(answer) = Answer::take(&mut rest, !request.starts_with(b"HEAD")) {
        answers.push(answer);
    }
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(rest));
    answers
}

/// The only answer to what is sent as it stands.
#[track_caller]
pub fn answer(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut answers = answers(address, request);
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

/// The answer to a request with these lines of headers besides.
#[track_caller]
pub fn ask(address: SocketAddr, method: &str, target: &str, headers: &[&str]) -> Answer {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    answer(address, request)
}

#[track_caller]
pub fn get(address: SocketAddr, target: &str) -> Answer {
    ask(address, "GET", target, &[])
}

/// What curl prints for that target with these arguments.
pub fn curl(address: SocketAddr, target: &str, arguments: &[&str]) -> String {
    let url = format!("http://{address}{target}");
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--path-as-is", "--globoff"])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 28)), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A client of events, over HTTP/1.0: there its bytes come as they are.
pub fn events(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(format!("GET /api/v1/events HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
    stream
}

/// Reads until the octets of `what` have come; gives everything up to their end.
#[track_caller]
pub fn read_until(stream: &mut TcpStream, what: &str) -> String {
    let (mut octets, mut some) = (Vec::new(), [0; 65536]);
    loop {
        let n = stream.read(&mut some).unwrap();
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&octets));
        let looked = octets.len().saturating_sub(what.len());
        octets.extend_from_slice(&some[..n]);
        if octets[looked..].windows(what.len()).any(|window| window == what.as_bytes()) {
            return String::from_utf8_lossy(&octets).into_owned();
        }
    }
}
