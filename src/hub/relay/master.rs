//! chasar's master node: two listeners, and what all connections share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use log::{info, warn};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::{self, LocalSet, spawn_local};
use tokio::time;

use crate::descriptors;
use crate::listeners::{listen, told};
use crate::relay::connection::{End, TURN};
use crate::relay::fanout::Fanout;
use crate::relay::guests::{Guests, Place, Side};
use crate::relay::moderation::Moderation;
use crate::relay::{client, subscriber};
use psistats_core::time::{Instant, Quota};
use psistats_core::zmtp;
use psistats_host::conf::chasar::Chasar;

/// After so much silence a peer is asked whether it is there, and after three times that it is not. Peers of
/// ZMTP 3.0 and 2.0 cannot be asked: TCP asks them.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// Before accepting again, where the system has no more descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// After SIGTERM, for subscribers to take what was published.
const STOP: Duration = Duration::from_secs(1);

/// Time since the start, as the core counts it.
#[derive(Debug)]
pub struct Clock(time::Instant);

impl Clock {
    /// The time is now.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The same, as tokio counts it.
    pub fn instant(&self, at: Instant) -> time::Instant {
        self.0 + at.since(Instant::from_nanos(0)).min(Duration::from_secs(1 << 30))
    }
}

/// What has happened so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that were published.
    pub valid: Cell<u64>,
    /// Messages that were none.
    pub invalid: Cell<u64>,
    /// Messages that subscribers lost who are gone.
    pub dropped: Cell<u64>,
    /// Connections that were refused because there were too many.
    pub refused: Cell<u64>,
}

/// What all connections share.
#[derive(Debug)]
pub struct Hub {
    /// `[chasar]`
    pub settings: Chasar,
    /// The time.
    pub clock: Clock,
    /// Publishing.
    pub fanout: RefCell<Fanout>,
    /// What is received is looked at in here, within one poll.
    pub scratch: RefCell<Box<[u8]>>,
    /// What has happened.
    pub counters: Counters,
    /// Is told what was received.
    pub moderation: Arc<Moderation>,
    guests: Rc<Guests>,
    complaints: Cell<Quota>,
}

impl Hub {
    /// Writes a line about a peer to the log, but not more than a few a second.
    pub fn complain(&self, text: fmt::Arguments<'_>) {
        let mut complaints = self.complaints.get();
        if !complaints.is_used_up(self.clock.now()) {
            let left_out = complaints.take_left_out();
            if left_out > 0 {
                warn!("{left_out} more lines like these were left out");
            }
            warn!("{text}");
        }
        self.complaints.set(complaints);
    }
}

/// How the master node stands, in one line.
impl Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fanout, counters) = (self.fanout.borrow(), &self.counters);
        write!(
            f,
            "connections={} subscribers={} subscribed={} messages={} invalid={} dropped={} refused={} evicted={}",
            self.guests.here(),
            fanout.len(),
            fanout.subscribed(),
            counters.valid.get(),
            counters.invalid.get(),
            counters.dropped.get() + fanout.dropped(),
            counters.refused.get(),
            self.guests.evicted(),
        )
    }
}

/// Runs until SIGTERM or SIGINT, with client nodes at `port` of those of `addresses` that this machine has, and
/// subscribers at the port that `settings` say.
///
/// # Errors
/// What keeps it from running at all.
pub fn run(addresses: &BTreeSet<IpAddr>, port: u16, settings: Chasar) -> io::Result<()> {
    let moderation = Arc::new(Moderation::new());
    let pause = moderation.clone();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().on_thread_park(move || pause.pause()).build()?;
    LocalSet::new().block_on(&runtime, serve(addresses, port, settings, moderation))
}

async fn serve(
    addresses: &BTreeSet<IpAddr>,
    port: u16,
    settings: Chasar,
    moderation: Arc<Moderation>,
) -> io::Result<()> {
    let (room, limit) = descriptors::raise()?;
    let most = match usize::try_from(settings.connections) {
        Ok(0) | Err(_) => room,
        Ok(most) => room.min(most),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut tell = signal(SignalKind::user_defined1())?;
    let mut reload = signal(SignalKind::hangup())?;
    let clients = listen(addresses, port)?;
    let subscribers = listen(addresses, settings.publish_port)?;
    info!(
        "master node {}: client nodes at {}, subscribers at {}; room for {most} connections (limit of open files: {limit})",
        env!("CARGO_PKG_VERSION"),
        told(&clients)?,
        told(&subscribers)?,
    );
    if addresses.iter().all(IpAddr::is_loopback) {
        info!(
            "no other machine can connect: these addresses are for this one alone. To listen at all of its \
             addresses: masternode start '*', or [chasar] bind=*"
        );
    }

    let published = Rc::new(Notify::new());
    let hub = Rc::new(Hub {
        clock: Clock(time::Instant::now()),
        fanout: RefCell::new(Fanout::new(settings.publish_high_water, published.clone())),
        scratch: RefCell::new(vec![0; TURN].into_boxed_slice()),
        counters: Counters::default(),
        guests: Rc::new(Guests::new(most, settings.message_bytes)),
        complaints: Cell::default(),
        moderation,
        settings,
    });
    let clients = clients.into_iter().map(|listener| (listener, Side::Clients));
    let subscribers = subscribers.into_iter().map(|listener| (listener, Side::Subscribers));
    let accepting: Vec<_> = clients
        .chain(subscribers)
        .map(|(listener, side)| spawn_local(accept(hub.clone(), listener, side)))
        .collect();
    spawn_local(flush(hub.clone(), published));
    spawn_local({
        let hub = hub.clone();
        async move {
            while tell.recv().await.is_some() {
                info!("{hub}");
            }
        }
    });
    spawn_local(async move {
        while reload.recv().await.is_some() {
            warn!(
                "SIGHUP changes nothing: the configuration is read at the start alone, so restart the service"
            );
        }
    });
    poll_fn(|cx| match (terminate.poll_recv(cx), interrupt.poll_recv(cx)) {
        (Poll::Pending, Poll::Pending) => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
    accepting.iter().for_each(|task| task.abort());
    // What was published is on its way to whoever takes it.
    let _ = time::timeout(STOP, drained(&hub)).await;
    hub.fanout.borrow_mut().end();
    info!("stopping; {hub}");
    Ok(())
}

/// Takes connections in, each as a task of its own.
async fn accept(hub: Rc<Hub>, listener: TcpListener, side: Side) {
    let mut is_exhausted = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => {
                is_exhausted = false;
                accepted
            }
            // It has gone again before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if !mem::replace(&mut is_exhausted, true) {
                    hub.complain(format_args!(
                        "cannot accept a connection: {error}; tried again until it works"
                    ));
                }
                time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        let evicted = hub.guests.evicted();
        let Some(place) = hub.guests.enter(side, hub.clock.now()) else {
            hub.counters.refused.update(|n| n + 1);
            hub.complain(format_args!(
                "{side} {peer} was refused: there are {} connections, which is the most (limit of open files, [chasar] connections)",
                hub.guests.here()
            ));
            continue;
        };
        let number = place.number();
        let task = spawn_local(serve_one(hub.clone(), stream, peer, place, side));
        hub.guests.end_by(number, task.abort_handle());
        if hub.guests.evicted() > evicted {
            // Whoever has to go for it closes its socket before the next comes.
            task::yield_now().await;
        }
    }
}

async fn serve_one(hub: Rc<Hub>, stream: TcpStream, peer: SocketAddr, place: Place, side: Side) {
    let end = match side {
        Side::Clients => client::serve(hub.clone(), stream, peer, place).await,
        Side::Subscribers => subscriber::serve(hub.clone(), stream, peer, place).await,
    };
    // That somebody comes and goes is no news where there are thousands.
    if !matches!(end, End::Transport(_) | End::Zmtp(zmtp::Error::Disconnected(_))) {
        hub.complain(format_args!("{side} {peer}: {end}"));
    }
}

/// Writes what was published, after everybody who had something to publish has had a turn.
async fn flush(hub: Rc<Hub>, published: Rc<Notify>) {
    loop {
        published.notified().await;
        hub.fanout.borrow_mut().flush();
    }
}

async fn drained(hub: &Hub) {
    while !hub.fanout.borrow().is_done() {
        time::sleep(Duration::from_millis(10)).await;
    }
}
