//! Names to addresses, on a thread that lives only for that.
//!
//! `getaddrinfo(3)` blocks, for half a minute where no name server answers; sampling must not wait
//! for it. A resolver never has more than one such thread: one that hangs is waited for by the attempts that
//! follow. So there is one resolver for each peer, and it lives as long as the program.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use heapless::Vec;

use crate::net::aside::Aside;
use crate::net::reactor::Reactor;
use psistats_host::conf::hosts::Host;

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// Addresses of a name, in the resolver's order.
pub type Addresses = Vec<SocketAddr, ADDRESSES>;

/// Resolves one name at a time.
pub struct Resolver<'r> {
    reactor: &'r Reactor,
    /// The name that a thread is at work on.
    running: Option<(Host, Aside<'r, io::Result<Addresses>>)>,
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
            let found = answer.result().await;
            // An answer for another name is of no use: an earlier attempt gave up on it.
            let is_ours = name == host;
            self.running = None;
            if is_ours {
                return found;
            }
        }
    }

    fn start(&self, host: &Host) -> io::Result<Aside<'r, io::Result<Addresses>>> {
        let host = host.clone();
        Aside::start(self.reactor, "resolver", move || {
            let found = (host.name.as_str(), host.port).to_socket_addrs()?;
            Ok(found.take(ADDRESSES).collect())
        })
    }
}
