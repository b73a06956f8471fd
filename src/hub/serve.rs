//! The hub: every room of it, joined on the main thread.
//!
//! ```text
//!  boards --AMQP-->  intake::amqp  --+
//!  client nodes -->  relay, intake::chasar --+--> fleet --> web --> browsers
//!  this machine -->  intake::own   --+
//! ```
//!
//! The fleet is borrowed for one report or one answer at a time, and never while anything waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use log::{info, warn};
use serde::Serialize;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{self, MissedTickBehavior};

use crate::clock::unix_ms;
use crate::descriptors;
use crate::fleet::{Bounds, Fleet, Heard};
use crate::intake::amqp::{Intake, Users};
use crate::intake::{Take, chasar, own};
use crate::listeners::{listen, local_addresses};
use crate::relay::{Listeners, Relay};
use crate::settings::{Addresses, Hub, Settings};
use crate::signals::{Asked, Signals};
use crate::web::{self, Columns, NotFound, Span, Tier, View, Web};
use psistats_host::conf::chasar::Chasar;

/// From one frame for the browsers to the next.
const FRAME: Duration = Duration::from_secs(1);

/// Descriptors that boards do not get: of browsers, listeners and files.
const RESERVED: usize = 1100;

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from running at all: nothing can be listened at for the page.
pub fn run(settings: Settings) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, hub(settings))
}

async fn hub(settings: Settings) -> io::Result<()> {
    let Settings { hub, chasar } = settings;
    let (room, _) = descriptors::raise()?;
    let mut signals = Signals::new()?;
    let pages = bind(&hub.listen)?;
    let started_ms = unix_ms();
    let fleet = Rc::new(RefCell::new(Fleet::new(Bounds::default())));
    let take: Rc<Take> = Rc::new({
        let fleet = fleet.clone();
        move |heard: &Heard| fleet.borrow_mut().take(heard, unix_ms()).is_ok()
    });

    let intake = boards(&hub, take.clone(), room.saturating_sub(RESERVED).max(64));
    let relay = relay(&hub, chasar, take.clone());
    if hub.own {
        spawn_local(async move { own::run(&*take).await });
    }

    let counted = Rc::new(Cell::new(web::Counters::default()));
    let view = Rc::new(Fleets { fleet: fleet.clone(), started_ms, intake, counted: counted.clone() });
    let web = Web::new(view, web::Settings::default());
    info!("psistats-hub {}: http://{}", env!("CARGO_PKG_VERSION"), local_addresses(&pages)?);
    if !hub.listen.are_loopback() {
        warn!(
            "the page is for this machine alone so far: from elsewhere, use ssh -L 8666:127.0.0.1:8666 HUB"
        );
    }
    for listener in pages {
        let web = web.clone();
        spawn_local(async move {
            let served = web.serve(listener).await;
            if let Err(error) = served {
                warn!("the page is no longer served: {error}");
            }
        });
    }
    spawn_local({
        let web = web.clone();
        async move { web.send_heartbeats().await }
    });
    spawn_local(frames(fleet.clone(), web.clone(), counted));

    loop {
        match poll_fn(|cx| signals.poll(cx)).await {
            Asked::Stop => break,
            Asked::Count => info!("{}", standing(&fleet.borrow(), &web)),
            Asked::Reload => warn!(
                "SIGHUP changes nothing: the configuration is read only at the start, so restart the service"
            ),
        }
    }
    if let Some(relay) = relay {
        relay.stop().await?;
    }
    info!("stopping; {}", standing(&fleet.borrow(), &web));
    Ok(())
}

fn bind(addresses: &Addresses) -> io::Result<Vec<TcpListener>> {
    listen(&addresses.ips.iter().copied().collect::<BTreeSet<_>>(), addresses.port)
}

/// Starts the intake of boards. None where it is off, or its port is taken: the rest runs.
fn boards(hub: &Hub, take: Rc<Take>, room: usize) -> Option<Rc<Intake>> {
    let addresses = hub.amqp.as_ref()?;
    if !addresses.are_loopback() && hub.user.is_none() {
        warn!("[hub] amqp is for other machines, too, and none may log in: set [hub] user and pass");
    }
    let listeners = match bind(addresses) {
        Ok(listeners) => listeners,
        Err(error) => {
            warn!(
                "boards cannot publish to the hub: {error}; or set [hub] amqp=no, where RabbitMQ runs here"
            );
            return None;
        }
    };
    let users = Users { user: hub.user.clone(), pass: hub.pass.clone() };
    let intake = Intake::new(take, users, room);
    if let Ok(addresses) = local_addresses(&listeners) {
        info!("boards publish to {addresses}: [server] host= in their psistats.conf");
    }
    for listener in listeners {
        let intake = intake.clone();
        spawn_local(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => intake.serve(listener).await,
                Err(error) => warn!("boards cannot publish to the hub: {error}"),
            }
        });
    }
    Some(intake)
}

/// Starts chasar's relay. None where it is off, or its ports are taken: the rest runs.
fn relay(hub: &Hub, chasar: Chasar, take: Rc<Take>) -> Option<Relay> {
    let clients = hub.chasar.as_ref()?;
    let subscribers = Addresses { ips: clients.ips.clone(), port: chasar.publish_port };
    let (observer, messages) = chasar::channel();
    let started = bind(clients).and_then(|clients| {
        let listeners = Listeners { clients, subscribers: bind(&subscribers)? };
        let addresses = (local_addresses(&listeners.clients)?, local_addresses(&listeners.subscribers)?);
        let room = usize::try_from(chasar.connections).ok().filter(|most| *most > 0).unwrap_or(10_000);
        Ok((Relay::start(chasar, room, listeners, observer)?, addresses))
    });
    match started {
        Ok((relay, (clients, subscribers))) => {
            info!("chasar's client nodes at {clients}, its subscribers at {subscribers}");
            spawn_local(async move { chasar::run(messages, &*take).await });
            Some(relay)
        }
        Err(error) => {
            warn!("chasar's client nodes cannot connect: {error}; or set [hub] chasar=no");
            None
        }
    }
}

/// Sends the browsers what has changed, once a second.
async fn frames(fleet: Rc<RefCell<Fleet>>, web: Web, counted: Rc<Cell<web::Counters>>) {
    let mut ticks = time::interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = 0;
    loop {
        ticks.tick().await;
        counted.set(web.counters());
        let now_ms = unix_ms();
        let frame = {
            let mut fleet = fleet.borrow_mut();
            fleet.tick(now_ms);
            let closed = fleet.close();
            let frame = fleet.changes(shown, now_ms).map(|changes| json(&changes));
            shown = closed;
            frame
        };
        if let Some(frame) = frame {
            web.publish(&frame);
        }
    }
}

fn standing(fleet: &Fleet, web: &Web) -> String {
    let (counters, clients) = (fleet.counters(), web.counters().event_clients);
    format!(
        "boards={} series={} reports={} late={} duplicates={} malformed={} viewers={clients}",
        fleet.boards().len(),
        fleet.series(),
        counters.reports,
        counters.late,
        counters.duplicates,
        counters.malformed,
    )
}

/// The fleet, as the API shows it.
struct Fleets {
    fleet: Rc<RefCell<Fleet>>,
    started_ms: i64,
    intake: Option<Rc<Intake>>,
    counted: Rc<Cell<web::Counters>>,
}

impl View for Fleets {
    fn hosts_json(&self) -> Bytes {
        json(&self.fleet.borrow().hosts(unix_ms()))
    }

    fn host_json(&self, name: &str) -> Option<Bytes> {
        self.fleet.borrow().detail(name, unix_ms()).map(|detail| json(&detail))
    }

    fn history(&self, name: &str, series: &str, span: Span) -> Result<Columns, NotFound> {
        let fleet = self.fleet.borrow();
        fleet.board(name).ok_or(NotFound::Host)?;
        let points =
            fleet.history(name, series, span.from_ms, span.to_ms, span.points).ok_or(NotFound::Series)?;
        Ok(Columns {
            tier: Tier::Recent,
            step_ms: points.step_ms,
            t_ms: points.t,
            avg: points.avg,
            min: points.min,
            max: points.max,
        })
    }

    fn series_json(&self, series: &str) -> Option<Bytes> {
        self.fleet.borrow().figure(series).map(|figure| json(&figure))
    }

    fn hub_json(&self) -> Bytes {
        let (fleet, web) = (self.fleet.borrow(), self.counted.get());
        let counters = fleet.counters();
        json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": self.started_ms as f64 / 1000.0,
            "boards": fleet.boards().len(),
            "series": fleet.series(),
            "recent_bytes": fleet.bytes(),
            "connections": self.intake.as_ref().map_or(0, |intake| intake.connections()),
            "reports": counters.reports,
            "late": counters.late,
            "duplicates": counters.duplicates,
            "malformed": counters.malformed,
            "refused_boards": counters.refused_boards,
            "refused_series": counters.refused_series,
            "event_clients": web.event_clients,
            "requests": web.requests,
        }))
    }
}

/// What cannot be JSON is nothing: every key here is a text.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
