//! Hubs that name one another: what one says of the others, and what foreign answers do to it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::hub::Hub;

/// Stands for a hub: answers each request in the same way, and says what came.
struct Stranger {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    /// The most that it had to answer at a time.
    most: Arc<AtomicUsize>,
}

impl Stranger {
    fn new(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stranger = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            most: Arc::default(),
        };
        let (requests, most) = (stranger.requests.clone(), stranger.most.clone());
        let (answer, open) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (answer, open) = (answer.clone(), open.clone());
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let mut octets = [0; 4096];
                let count = stream.read(&mut octets).unwrap();
                requests.lock().unwrap().push(String::from_utf8(octets[..count].to_vec()).unwrap());
                thread::spawn(move || {
                    answer(&mut stream);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        stranger
    }

    /// With this status and body.
    fn with(status: &'static str, body: String) -> Self {
        Self::new(move |stream| {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nLocation: /\r\nContent-Length: {length}\r\n\r\n");
            // The hub need not take all of it.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/fleet", self.port)
    }
}

fn answer(hosts: &[Value]) -> String {
    let counts = json!({"well": 3, "warning": 0, "critical": 0, "lost": hosts.len()});
    json!({"now": 1.0, "counts": counts, "hosts": hosts}).to_string()
}

#[test]
fn each_stranger_costs_its_own_row_alone() {
    let evil = json!({"name": "<script>", "state": "lost", "since": -1, "why": "x".repeat(1000)});
    let strangers = [
        Stranger::with("200 OK", answer(&vec![evil; 300])),
        Stranger::with("200 OK", " ".repeat(10_000_000)),
        Stranger::with("200 OK", "<html>".to_owned()),
        Stranger::with("302 Found", answer(&[])),
        Stranger::with("401 Unauthorized", String::new()),
        // It takes the question, and never ends its answer.
        Stranger::new(|stream| {
            while stream.write_all(b"HTTP/1.1 200 OK\r\n").is_ok() {
                thread::park()
            }
        }),
    ];
    let urls: Vec<_> = strangers.iter().map(Stranger::url).collect();
    let hub = Hub::start(&format!("self=no\npeers={}\npeers_token=a,b,c,d,e,f", urls.join(", ")));
    let said = hub.json("/api/v1/peers");
    let said = said["peers"].as_array().unwrap();
    let errors: Vec<_> = said.iter().map(|peer| peer["error"].as_str().unwrap_or_default()).collect();
    let hosts = said[0]["hosts"].as_array().unwrap();
    assert_eq!((errors[0], hosts.len(), &said[0]["counts"]["lost"]), ("", 20, &json!(300)));
    assert_eq!((&hosts[0]["since"], hosts[0]["why"].as_str().unwrap().len()), (&json!(0.0), 200));
    let expected =
        ["", "too long", "something else", "answered 302", "peers_token here", "no answer within 3 s"];
    for ((error, expected), (peer, stranger)) in errors.iter().zip(expected).zip(said.iter().zip(&strangers))
    {
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(peer["url"], format!("{}/", stranger.url()));
        assert_eq!(peer["counts"].is_null(), peer["error"].is_string());
        let requests = stranger.requests.lock().unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(requests[0].starts_with("GET /fleet/api/v1/hosts?worst=20 HTTP/1.1\r\n"), "{requests:?}");
    }
    // To each its own.
    let tokens = strangers.iter().zip(["a", "b", "c", "d", "e", "f"]).all(|(stranger, token)| {
        let requests = stranger.requests.lock().unwrap();
        requests[0].contains(&format!("\r\nauthorization: Bearer {token}\r\n"))
    });
    assert!(tokens);
}

#[test]
fn a_peer_is_asked_only_when_somebody_asks_and_once_for_all_who_do() {
    let peer = Stranger::with("200 OK", answer(&[]));
    let hub = Hub::start(&format!("self=no\npeers={}", peer.url()));
    assert_eq!(hub.json("/api/v1/hosts")["peers"], 1);
    hub.json("/api/v1/hosts?worst=1");
    assert_eq!(peer.requests.lock().unwrap().len(), 0);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(hub.json("/api/v1/peers")["peers"][0]["error"], Value::Null));
        }
    });
    let asked = peer.requests.lock().unwrap().len();
    assert!((1..20).contains(&asked), "{asked}");
    assert_eq!(peer.most.load(Ordering::SeqCst), 1);
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_hub_that_is_killed_is_marked_until_it_is_back_and_one_that_is_asked_asks_no_further() {
    let further = Stranger::with("200 OK", answer(&[]));
    let mut other = Hub::start(&format!("self=no\npeers={}", further.url()));
    let hub = Hub::start(&format!("self=no\npeers=http://127.0.0.1:{}", other.page));
    let peer = || hub.json("/api/v1/peers")["peers"][0].clone();
    other.publish(&["{\"hostname\":\"far\",\"throttled\":{\"under_voltage\":true}}".to_owned()]);
    hub.wait_until(|_| peer()["hosts"][0]["name"] == "far");
    assert_eq!(peer()["counts"], json!({"well": 0, "warning": 0, "critical": 1, "lost": 0}));
    other.kill();
    hub.wait_until(|_| peer()["error"].is_string());
    let lost = peer();
    assert!(lost["error"].as_str().unwrap().starts_with("connection refused"), "{lost}");
    assert_eq!((&lost["counts"], &lost["hosts"]), (&Value::Null, &json!([])), "{lost}");
    other.start_again();
    hub.wait_until(|_| peer()["error"].is_null());
    assert!(peer()["since"].as_f64() > lost["since"].as_f64());
    assert_eq!(further.requests.lock().unwrap().len(), 0);
}
