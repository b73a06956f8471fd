//! A TCP proxy on loopback that breaks what it carries, as told.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{self, setsockopt, shutdown, sockopt};

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    FromClient = 0,
    FromServer = 1,
}

/// Forwards until dropped, which resets what is open. What is told holds for open and for later
/// connections alike.
pub struct Proxy {
    /// Where clients connect.
    pub port: u16,
    listener: Arc<TcpListener>,
    shared: Arc<Shared>,
}

struct Shared {
    target_port: u16,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    flow: [Flow; 2],
    accepted: usize,
    connections: Vec<Weak<Connection>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flow {
    #[default]
    Free,
    Stalled,
    /// One byte a write, and this long after each.
    Trickle(Duration),
}

/// Closed for good when the pumps of both directions have let go of it.
struct Connection {
    /// The client's and the server's, as [`Direction`] counts.
    ends: [TcpStream; 2],
    over: Mutex<bool>,
}

/// How often a write that a full peer holds up looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);

impl Proxy {
    /// Forwards to `target_port` of 127.0.0.1.
    pub fn new(target_port: u16) -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), target_port)
    }

    /// Forwards what comes in at `listener`.
    pub fn on(listener: TcpListener, target_port: u16) -> Self {
        let listener = Arc::new(listener);
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { target_port, state: Mutex::default(), changed: Condvar::new() });
        let (serving, accepting) = (Arc::clone(&shared), Arc::clone(&listener));
        thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                serving.serve(client);
            }
        });
        Self { port, listener, shared }
    }

    /// Connections so far, those included that the target refused.
    pub fn accepted(&self) -> usize {
        self.shared.lock().accepted
    }

    /// Nothing gets through this way; TCP acknowledges what is sent until buffers are full.
    pub fn stall(&self, direction: Direction) {
        self.flow(direction, Flow::Stalled);
    }

    /// One byte at a time, each in a segment of its own, `pause` after each.
    pub fn trickle(&self, direction: Direction, pause: Duration) {
        self.flow(direction, Flow::Trickle(pause));
    }

    /// Ends [`Proxy::stall`] and [`Proxy::trickle`]. What was held up comes through.
    pub fn resume(&self, direction: Direction) {
        self.flow(direction, Flow::Free);
    }

    /// Ends open connections with RST on both sides: those that [`Proxy::accepted`] counts.
    pub fn reset(&self) {
        self.end(Connection::reset);
    }

    /// Ends open connections with FIN on both sides.
    pub fn close(&self) {
        self.end(Connection::close);
    }

    fn flow(&self, direction: Direction, flow: Flow) {
        self.shared.lock().flow[direction as usize] = flow;
        self.shared.changed.notify_all();
    }

    fn end(&self, how: fn(&Connection)) {
        self.shared.lock().connections.drain(..).filter_map(|c| c.upgrade()).for_each(|c| how(&c));
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Ends its accept, in whatever network namespace it listens.
        shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both).unwrap();
        self.reset();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn serve(self: &Arc<Self>, client: TcpStream) {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target_port));
        let mut state = self.lock();
        state.accepted += 1;
        let Ok(server) = server else { return };
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
            end.set_write_timeout(Some(LOOK)).unwrap();
        }
        let connection = Arc::new(Connection { ends: [client, server], over: Mutex::new(false) });
        state.connections.push(Arc::downgrade(&connection));
        for direction in [Direction::FromClient, Direction::FromServer] {
            let (shared, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || shared.pump(&connection, direction));
        }
    }

    /// Carries one direction to its end.
    fn pump(&self, connection: &Connection, direction: Direction) {
        let from = &connection.ends[direction as usize];
        let to = &connection.ends[1 - direction as usize];
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match { from }.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) if self.forward(connection, direction, to, &buffer[..n]) => {}
                // The way a connection ends is carried too.
                _ => return connection.reset(),
            }
        }
        if !connection.is_over() {
            let _ = to.shutdown(Shutdown::Write); // it may have ended on that side as well
        }
    }

    /// Whether all of `bytes` went through.
    fn forward(&self, connection: &Connection, direction: Direction, to: &TcpStream, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, pause) = match self.flow_when_not_stalled(connection, direction) {
                Flow::Trickle(pause) => (&rest[..1], pause),
                _ => (rest, Duration::ZERO),
            };
            if connection.is_over() {
                return false;
            }
            match { to }.write(piece) {
                Ok(n) => rest = &rest[n..],
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return false,
            }
            let trickling =
                |s: &mut State| s.flow[direction as usize] == Flow::Trickle(pause) && !connection.is_over();
            drop(self.changed.wait_timeout_while(self.lock(), pause, trickling).unwrap());
        }
        true
    }

    fn flow_when_not_stalled(&self, connection: &Connection, direction: Direction) -> Flow {
        let stalled = |s: &mut State| s.flow[direction as usize] == Flow::Stalled && !connection.is_over();
        self.changed.wait_while(self.lock(), stalled).unwrap().flow[direction as usize]
    }
}

impl Connection {
    fn is_over(&self) -> bool {
        *self.over.lock().unwrap()
    }

    /// Lets the pumps go, so that closing sends RST: that is what a linger of zero means.
    fn reset(&self) {
        *self.over.lock().unwrap() = true;
        for end in &self.ends {
            setsockopt(end, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 }).unwrap();
            let _ = end.shutdown(Shutdown::Read); // wakes its pump and sends nothing
        }
    }

    fn close(&self) {
        *self.over.lock().unwrap() = true;
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
