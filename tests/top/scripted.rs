//! A hub that is made up: it answers every request with the same octets.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it is asked.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<Vec<String>>>);

impl Asked {
    /// The lines of all requests.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// The head of an answer.
pub fn head(status: &str, kind: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n")
}

/// Serves until the test ends. `answer` writes to a connection after the head of its request.
pub fn serve(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> (u16, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, asked, answer) = (listener.local_addr().unwrap().port(), Asked::default(), Arc::new(answer));
    let told = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, told, answer) = (stream.unwrap(), told.clone(), answer.clone());
            std::thread::spawn(move || {
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                for line in lines.take_while(|line| !line.is_empty()) {
                    told.0.lock().unwrap().push(line);
                }
                answer(&mut stream);
            });
        }
    });
    (port, asked)
}

/// Serves these octets.
pub fn serve_text(text: String) -> (u16, Asked) {
    serve(move |stream| {
        // Whoever asked may have gone.
        let _ = stream.write_all(text.as_bytes());
    })
}
