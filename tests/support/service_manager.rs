//! The socket of a service manager, which hears what a service says by sd_notify(3).

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tempfile::TempDir;

use super::PATIENCE;

/// Hears while it lives.
pub struct ServiceManager {
    /// The value of `NOTIFY_SOCKET`.
    pub socket: OsString,
    heard: Arc<Heard>,
    _dir: Option<TempDir>,
}

#[derive(Default)]
struct Heard {
    messages: Mutex<Vec<String>>,
    changed: Condvar,
}

impl ServiceManager {
    /// At a path, as systemd's own.
    pub fn at_a_path() -> Self {
        // Not below target/: a socket's path has at most 107 bytes.
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self::new(socket, path.into(), Some(dir))
    }

    /// At an abstract name, as in a container or of an old systemd.
    pub fn at_a_name() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("psistats-test-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::new(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into(), None)
    }

    fn new(from: UnixDatagram, socket: OsString, dir: Option<TempDir>) -> Self {
        let heard = Arc::new(Heard::default());
        let here = Arc::clone(&heard);
        thread::spawn(move || {
            let mut message = [0; 4096];
            while let Ok(length) = from.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..length]).into_owned();
                here.messages.lock().unwrap().push(text);
                here.changed.notify_all();
            }
        });
        Self { socket, heard, _dir: dir }
    }

    /// All messages so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.messages.lock().unwrap().clone()
    }

    /// The first message that begins with `start`, which comes in time.
    pub fn wait_for(&self, start: &str) -> String {
        self.wait_for_after(0, start)
    }

    /// The same, after the first `seen` messages.
    #[track_caller]
    pub fn wait_for_after(&self, seen: usize, start: &str) -> String {
        self.wait_for_one(seen, start, |message| message.starts_with(start))
    }

    /// The first message that is as wanted.
    #[track_caller]
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_for_one(0, what, wanted)
    }

    #[track_caller]
    fn wait_for_one(&self, seen: usize, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let find = |messages: &[String]| messages.iter().skip(seen).find(|m| wanted(m)).cloned();
        let messages = self.heard.messages.lock().unwrap();
        let wait = self.heard.changed.wait_timeout_while(messages, PATIENCE, |m| find(m).is_none());
        let (messages, _) = wait.unwrap();
        find(&messages).unwrap_or_else(|| panic!("no message {what:?} after {seen}: {messages:?}"))
    }
}
