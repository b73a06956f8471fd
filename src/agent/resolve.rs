//! Names to addresses, on a thread that lives only for that.
//!
//! `getaddrinfo(3)` blocks, for half a minute where no name server answers; sampling must not wait
//! for it. A resolver never has more than one such thread: one that hangs is waited for by the attempts that
//! follow. So there is one resolver for each peer, and it lives as long as the program.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use heapless::Vec;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::aside::spawn;
use super::reactor::{Reactor, Source};
use crate::config::settings::Host;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// Addresses of a name, in the resolver's order.
pub type Addresses = Vec<SocketAddr, ADDRESSES>;

/// What the thread leaves behind, and the bell that it rings then.
struct Answer {
    found: Mutex<Option<io::Result<Addresses>>>,
    bell: EventFd,
}

impl AsFd for Answer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Resolves one name at a time.
pub struct Resolver<'r> {
    reactor: &'r Reactor,
    /// The name that a thread is at work on, and where its answer will lie.
    running: Option<(Host, Source<'r, Arc<Answer>>)>,
}

impl<'r> Resolver<'r> {
    /// A resolver whose threads ring `reactor`.
    pub fn new(reactor: &'r Reactor) -> Self {
        Self { reactor, running: None }
    }

    /// The addresses of `host`. May be dropped while it waits; the thread's answer then serves
    /// the next call for the same host.
    pub async fn resolve(&mut self, host: &Host) -> io::Result<Addresses> {
        if let Ok(address) = host.name.parse::<IpAddr>() {
            return Ok(Addresses::from_iter([SocketAddr::new(address, host.port)]));
        }
        loop {
            let (name, answer) = match self.running.take() {
                Some(running) => self.running.insert(running),
                None => self.running.insert((host.clone(), self.start(host)?)),
            };
            // It is rung once.
            answer.readable().await;
            let found = answer.get_ref().found.lock().unwrap_or_else(PoisonError::into_inner).take();
            // An answer for another name is of no use: an earlier attempt gave up on it.
            let is_ours = name == host;
            self.running = None;
            if is_ours && let Some(found) = found {
                return found;
            }
        }
    }

    fn start(&self, host: &Host) -> io::Result<Source<'r, Arc<Answer>>> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let answer = Arc::new(Answer { found: Mutex::new(None), bell });
        let (name, theirs) = (host.clone(), answer.clone());
        let answer = self.reactor.watch(answer)?;
        let work = move || {
            let found = (name.name.as_str(), name.port).to_socket_addrs();
            let found = found.map(|addresses| addresses.take(ADDRESSES).collect());
            *theirs.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            let _ = theirs.bell.write(1);
        };
        spawn("resolver", Box::new(work))?;
        Ok(answer)
    }
}
