//! Accepts connections, bounds their number, and serves each in a task.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use std::{io, mem};

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use log::{debug, warn};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use super::paced::Paced;
use super::reply::{self, Body};
use super::{Shared, api, guard};
use crate::tls;
use psistats_host::output::once::Once;

/// Bytes of a request's line and headers together.
const HEADERS: usize = 16 * 1024;

/// Bytes of a request's body. It is read to be thrown away: no method that is served has a use for one.
const BODY: u64 = 64 * 1024;

/// Bytes of a socket's send buffer. It bounds what a client that reads nothing takes of the system's memory.
const SEND: usize = 128 * 1024;

/// Time to wait before accepting again, where the system has no more descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// Time from a warning of refused connections to the next.
const WARNING: Duration = Duration::from_secs(60);

/// The answer where there is no place. It is written as it stands, once, without a task.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
    Retry-After: 5\r\nConnection: close\r\nContent-Length: 34\r\n\r\n{\"error\":\"too many connections\"}\r\n";

/// The two ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub local: IpAddr,
    pub peer: SocketAddr,
}

/// Who is connected.
pub struct Places {
    most: usize,
    most_of_peer: usize,
    taken: Cell<usize>,
    refused: Cell<u64>,
    of_peer: RefCell<HashMap<IpAddr, usize>>,
}

/// A connection's place, which is freed when this is dropped.
pub struct Place {
    places: Rc<Places>,
    peer: IpAddr,
}

impl Places {
    pub fn new(most: usize, most_of_peer: usize) -> Rc<Self> {
        let (taken, refused, of_peer) = (Cell::new(0), Cell::new(0), RefCell::default());
        Rc::new(Self { most, most_of_peer, taken, refused, of_peer })
    }

    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// A place for a connection from `peer`; `None` where all are taken, or all that one peer may have.
    fn enter(self: &Rc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = network_of(peer);
        let mut of_peer = self.of_peer.borrow_mut();
        let here = of_peer.get(&peer).copied().unwrap_or(0);
        if self.taken.get() >= self.most || here >= self.most_of_peer {
            self.refused.update(|n| n + 1);
            return None;
        }
        of_peer.insert(peer, here + 1);
        self.taken.update(|n| n + 1);
        Some(Place { places: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.update(|n| n.saturating_sub(1));
        let mut of_peer = self.places.of_peer.borrow_mut();
        match of_peer.get_mut(&self.peer) {
            Some(here) if *here > 1 => *here -= 1,
            _ => drop(of_peer.remove(&self.peer)),
        }
    }
}

/// What one subscriber line has of addresses: one of IPv4, a /64 of IPv6.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Accepts connections for ever; with TLS where it is given.
pub async fn serve(
    shared: Rc<Shared>,
    listener: TcpListener,
    tls: Option<Rc<tls::Server>>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let exhausted = Once::default();
    let mut warned: Option<Instant> = None;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => {
                exhausted.over();
                accepted
            }
            // It has gone again before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if exhausted.first() {
                    warn!(
                        "cannot accept a web connection: {error}; retrying, and further failures are suppressed until it works"
                    );
                }
                sleep(EXHAUSTED).await;
                continue;
            }
        };
        let Some(place) = shared.places.enter(peer.ip()) else {
            // Whoever is refused could fill the log.
            if warned.is_none_or(|warned| warned.elapsed() >= WARNING) {
                warned = Some(Instant::now());
                warn!(
                    "web connection from {peer} refused: at most {} in all and {} from one address; further refusals are \
                     counted, and not logged for a minute",
                    shared.limits.connections, shared.limits.connections_of_peer
                );
            }
            if tls.is_none() {
                let _ = stream.try_write(NO_PLACE);
            }
            continue;
        };
        let Ok(local) = stream.local_addr() else { continue };
        let ends = Ends { local: local.ip().to_canonical(), peer };
        // Without it the system's own bound holds, which is some megabytes.
        let _ = setsockopt(&stream, sockopt::SndBuf, &SEND);
        match tls.clone() {
            None => spawn_local(converse(shared.clone(), stream, ends, place)),
            Some(tls) => spawn_local(converse_by_tls(shared.clone(), stream, ends, place, tls)),
        };
    }
}

/// Does the handshake, and serves the connection to its end.
async fn converse_by_tls(
    shared: Rc<Shared>,
    stream: TcpStream,
    ends: Ends,
    place: Place,
    tls: Rc<tls::Server>,
) {
    match tls.accept(stream).await {
        Ok(stream) => converse(shared, stream, ends, place).await,
        Err(why) => debug!("web connection from {}: {why}", ends.peer),
    }
}

/// Serves one connection to its end.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Rc<Shared>,
    stream: S,
    ends: Ends,
    place: Place,
) {
    let io = TokioIo::new(Paced::new(stream, shared.limits.write_time));
    let time = shared.limits.request_time;
    let service = service_fn(move |request| {
        let shared = shared.clone();
        Box::pin(async move { Ok::<_, Infallible>(answer(&shared, request, ends).await) })
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(time).max_buf_size(HEADERS);
    let mut connection = http.serve_connection(io, service);
    let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    if let Err(error) = ended {
        debug!("web connection from {}: {error}", ends.peer);
    }
    connection.into_parts().io.into_inner().close().await;
    drop(place);
}

/// The response to a request, whatever it is.
async fn answer(shared: &Shared, request: Request<Incoming>, ends: Ends) -> Response<Body> {
    let (head, mut body) = request.into_parts();
    shared.requests.update(|n| n + 1);
    let read = timeout(shared.limits.request_time, is_read(&mut body)).await;
    let mut response = match read {
        Ok(true) => match guard::check(shared, &head, ends) {
            Ok(audience) => api::answer(shared, &head, audience).await,
            Err(refusal) => refusal,
        },
        Ok(false) => reply::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("expected no body, or one of at most {BODY} bytes"),
        ),
        Err(_) => reply::error(StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time"),
    };
    if response.status().as_u16() >= 400 {
        shared.requests_refused.update(|n| n + 1);
    }
    if head.method == hyper::Method::HEAD {
        drop(mem::take(response.body_mut()));
    }
    response
}

/// Reads a body to its end; false where it is too long.
async fn is_read(body: &mut Incoming) -> bool {
    let mut left = BODY;
    // A length that is announced needs not be read to be too long.
    if body.size_hint().lower() > left {
        return false;
    }
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let bytes = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(bytes as u64) {
            Some(less) => left = less,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_for_each_peer_and_come_back() {
        let places = Places::new(3, 2);
        let [a, b, v6, same_64] = ["10.0.0.1", "::ffff:10.0.0.2", "2001:db8::1", "2001:db8::2"]
            .map(|ip| ip.parse::<IpAddr>().unwrap());
        let first = places.enter(a).unwrap();
        let _second = places.enter(a).unwrap();
        assert!(places.enter(a).is_none());
        let third = places.enter(b).unwrap();
        assert!(places.enter(v6).is_none());
        drop((first, third));
        let _fourth = places.enter(v6).unwrap();
        let fifth = places.enter(same_64).unwrap();
        assert_eq!((places.taken(), places.refused()), (3, 2));
        drop(fifth);
        assert!(places.enter(same_64).is_some());
        assert_eq!(places.of_peer.borrow().len(), 2);
    }

    #[test]
    fn the_answer_without_a_place_has_the_length_that_it_announces() {
        let text = std::str::from_utf8(NO_PLACE).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
