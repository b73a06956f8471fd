//! Names to addresses, on a thread that lives only for that.
//!
//! `getaddrinfo(3)` blocks, for half a minute where no name server answers; sampling must not wait
//! for it. There is never more than one such thread: one that hangs is waited for by the attempts
//! that follow.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
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

/// What the thread leaves behind.
#[derive(Default)]
struct Answer(Mutex<Option<io::Result<Addresses>>>);

/// Resolves one name at a time.
pub struct Resolver<'r> {
    bell: Source<'r, Arc<EventFd>>,
    /// The name that a thread is at work on, and where its answer will lie.
    running: Option<(Host, Arc<Answer>)>,
}

impl<'r> Resolver<'r> {
    /// A resolver that rings `reactor`.
    pub fn new(reactor: &'r Reactor) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { bell: reactor.watch(Arc::new(bell))?, running: None })
    }

    /// The addresses of `host`. May be dropped while it waits; the thread's answer then serves
    /// the next call for the same host.
    pub async fn resolve(&mut self, host: &Host) -> io::Result<Addresses> {
        if let Ok(address) = host.name.parse::<IpAddr>() {
            return Ok(Addresses::from_iter([SocketAddr::new(address, host.port)]));
        }
        loop {
            let answer = match &self.running {
                Some((_, answer)) => answer.clone(),
                None => self.start(host)?,
            };
            let result = loop {
                if let Some(result) = answer.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    break result;
                }
                self.bell.readable().await;
                let _ = self.bell.read(&mut [0; 8], |bell, _| Ok(bell.read().map(|_| 8)?));
            };
            // An answer for another name is of no use: an earlier attempt gave up on it.
            if self.running.take().is_some_and(|(name, _)| name == *host) {
                return result;
            }
        }
    }

    fn start(&mut self, host: &Host) -> io::Result<Arc<Answer>> {
        let answer = Arc::new(Answer::default());
        let (name, theirs, bell) = (host.clone(), answer.clone(), self.bell.get_ref().clone());
        let work = move || {
            let found = (name.name.as_str(), name.port).to_socket_addrs();
            let found = found.map(|addresses| addresses.take(ADDRESSES).collect());
            *theirs.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            let _ = bell.write(1);
        };
        spawn("resolver", Box::new(work))?;
        self.running = Some((host.clone(), answer.clone()));
        Ok(answer)
    }
}
