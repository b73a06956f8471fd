//! The hub: every room of it, joined on the main thread.
//!
//! ```text
//!  boards --AMQP-->  intake::amqp  ----------+             +--> fleet --> web --> browsers
//!  a broker <-AMQP-  intake::rabbitmq -------+--> door --> +
//!  client nodes -->  relay, intake::chasar --+             |      +--> alerts --> webhooks, ntfy, commands
//!  this machine -->  intake::own   ----------+             +--> history, on its own thread
//!                                                          both --> remote_write --> Prometheus and its like
//! ```
//!
//! The fleet is borrowed for one report or one answer at a time, and never while anything waits.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use log::{info, warn};
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{self, MissedTickBehavior};

use crate::alerts::Alerts;
use crate::answers::{Answers, json};
use crate::clock::unix_ms;
use crate::descriptors;
use crate::intake::amqp::Intake;
use crate::intake::users::Users;
use crate::intake::{Door, chasar, own, rabbitmq};
use crate::listeners::{listen, local_addresses};
use crate::mqtt;
use crate::peers::Peers;
use crate::relay::{Listeners, Relay};
use crate::reload::Running;
use crate::remote_write;
use crate::settings::{Addresses, Clients, Hub, Rabbitmq, Settings, Tls, User};
use crate::signals::{self, Asked, Signals};
use crate::tls;
use crate::web::{self, Web};
use psistats_host::conf::chasar::Chasar;

/// From one frame for the browsers to the next.
const FRAME: Duration = Duration::from_secs(1);

/// Descriptors that boards do not get: of browsers, listeners and files.
const RESERVED: usize = 1100;

/// Runs until SIGTERM or SIGINT, with its history in `data`, or without one. `config` is `--config`, which SIGHUP reads
/// again.
///
/// # Errors
/// What keeps it from running at all: nothing can be listened at for the page, or the history cannot be opened.
pub fn run(settings: Settings, config: Option<PathBuf>, data: Option<&Path>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = LocalSet::new().block_on(&runtime, hub(settings, config, data));
    // A name server that does not answer has a thread, which is not waited for.
    runtime.shutdown_background();
    ended
}

async fn hub(settings: Settings, config: Option<PathBuf>, data: Option<&Path>) -> io::Result<()> {
    let mut running = Running::new(settings.clone(), config, data);
    let Settings { hub, users, chasar, rabbitmq, mqtt, alerts, remote_write } = settings;
    let (room, _) = descriptors::raise()?;
    let mut signals = Signals::new()?;
    let pages = bind(&hub.listen)?;
    let pages_by_tls = hub.https.as_ref().map(bind).transpose()?.unwrap_or_default();
    // Browsers would ask their users for a certificate that only boards have.
    let files = hub.tls.clone().filter(|_| hub.https.is_some()).map(|files| Tls { client_ca: None, ..files });
    let of_browsers = files.map(tls::Server::start).transpose()?;
    let of_boards = hub.tls.clone().filter(|_| hub.amqps.is_some()).map(tls::Server::start).transpose()?;
    let door = match data {
        Some(folder) => Door::open(folder)?,
        None => Door::without_history(),
    };
    spawn_local({
        let door = door.clone();
        async move { door.run().await }
    });

    // Boards and client nodes share what the browsers leave.
    let room = room.saturating_sub(RESERVED).max(128);
    let of_client_nodes = if hub.chasar == Clients::None { 0 } else { room / 4 };
    let intake = Intake::new(door.clone(), Users::of(&hub, &users), room - of_client_nodes);
    let intake = boards(&hub, of_boards.as_ref(), intake, &users);
    let mut relay = relay(&hub, chasar, door.clone(), of_client_nodes);
    let queues = rabbitmq.iter().flat_map(Rabbitmq::queues);
    let queues = queues.map(|queue| rabbitmq::Intake::start(queue, door.clone()));
    let queues: Vec<_> = queues.collect::<io::Result<_>>()?;
    if hub.own {
        let door = door.clone();
        spawn_local(async move { own::run(&door).await });
    }

    if let Some(mqtt) = mqtt {
        mqtt::start(mqtt, door.clone());
    }
    let alerts = Alerts::start(alerts, data, unix_ms());
    // Before the first report: what differs from the boards' notes then, as their boot, has changed.
    alerts.tick(&door.fleet().borrow(), unix_ms());
    let writers = remote_write::start(remote_write, &door, data);
    let counted = Rc::new(Cell::new(web::Counters::default()));
    let peers = Peers::new(hub.peers);
    let view = Answers::new(door.clone(), alerts.clone(), intake.clone(), writers, peers, counted.clone());
    let settings = web::Settings { access: running.access(), store: running.store(), ..Default::default() };
    let web = Web::new(Rc::new(view), settings);
    info!("psistats-hub {}: http://{}", env!("CARGO_PKG_VERSION"), local_addresses(&pages)?);
    for listener in pages {
        let web = web.clone();
        spawn_local(async move {
            let served = web.serve(listener).await;
            if let Err(error) = served {
                warn!("the page is no longer served: {error}");
            }
        });
    }
    if let Some(tls) = of_browsers.as_ref().filter(|_| !pages_by_tls.is_empty()) {
        info!("and https://{}", local_addresses(&pages_by_tls)?);
        for listener in pages_by_tls {
            let (web, tls) = (web.clone(), tls.clone());
            spawn_local(async move {
                let served = web.serve_by_tls(listener, tls).await;
                if let Err(error) = served {
                    warn!("the page is no longer served with TLS: {error}");
                }
            });
        }
    }
    spawn_local({
        let web = web.clone();
        async move { web.send_heartbeats().await }
    });
    spawn_local(frames(door.clone(), alerts.clone(), web.clone(), counted));
    signals::ready();

    loop {
        match asked(&mut signals, relay.as_mut()).await? {
            Asked::Stop => break,
            Asked::Count => info!("{}", standing(&door, &web)),
            Asked::Reload => {
                running.reload(&web, intake.as_ref());
                [&of_browsers, &of_boards].into_iter().flatten().for_each(|tls| tls.reload());
            }
        }
    }
    if let Some(relay) = relay {
        relay.stop().await?;
    }
    let mut stopping = JoinSet::new();
    for queue in queues {
        stopping.spawn_local(queue.stop());
    }
    stopping.join_all().await;
    door.close();
    alerts.close();
    info!("stopping; {}", standing(&door, &web));
    Ok(())
}

/// What a signal asks for.
///
/// # Errors
/// The relay has ended.
async fn asked(signals: &mut Signals, mut relay: Option<&mut Relay>) -> io::Result<Asked> {
    poll_fn(|cx| match &mut relay {
        Some(relay) => match relay.poll_unexpected_end(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => signals.poll(cx).map(Ok),
        },
        None => signals.poll(cx).map(Ok),
    })
    .await
}

fn bind(addresses: &Addresses) -> io::Result<Vec<TcpListener>> {
    listen(&addresses.ips.iter().copied().collect::<BTreeSet<_>>(), addresses.port)
}

/// Starts the intake of boards. None where it is off, or its ports are taken: the rest runs.
fn boards(
    hub: &Hub,
    tls: Option<&Rc<tls::Server>>,
    intake: Rc<Intake>,
    users: &[User],
) -> Option<Rc<Intake>> {
    let has_logins = hub.user.is_some() || !users.is_empty();
    let has_certificates = hub.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let mut is_on = false;
    let doors = [("amqp", &hub.amqp, None), ("amqps", &hub.amqps, tls)];
    for (key, addresses, tls) in doors {
        let Some(addresses) = addresses else { continue };
        if !addresses.are_loopback() && !has_logins && !(has_certificates && tls.is_some()) {
            warn!("[hub] {key} is for other machines, too, and none may log in: set [hub] user and pass");
        }
        let listeners = match bind(addresses) {
            Ok(listeners) => listeners,
            Err(error) => {
                warn!(
                    "boards cannot publish to the hub: {error}; or set [hub] {key}=no, where RabbitMQ runs here"
                );
                continue;
            }
        };
        is_on = true;
        if let Ok(addresses) = local_addresses(&listeners) {
            let keys = if tls.is_some() { "host= and tls=yes" } else { "host=" };
            info!("boards publish to {addresses}: [server] {keys} in their psistats.conf");
        }
        for listener in listeners {
            let (intake, tls) = (intake.clone(), tls.cloned());
            spawn_local(async move {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => intake.serve(listener, tls).await,
                    Err(error) => warn!("boards cannot publish to the hub: {error}"),
                }
            });
        }
    }
    is_on.then_some(intake)
}

/// Starts chasar's relay. None where it is off, or its ports are taken: the rest runs.
fn relay(hub: &Hub, chasar: Chasar, door: Rc<Door>, most: usize) -> Option<Relay> {
    let clients = match hub.chasar.addresses(&chasar) {
        Ok(clients) => clients?,
        Err(error) => {
            warn!("chasar's client nodes cannot connect: [chasar] bind: {error}");
            return None;
        }
    };
    let subscribers = Addresses { ips: clients.ips.clone(), port: chasar.publish_port };
    let (observer, messages) = chasar::channel();
    let started = bind(&clients).and_then(|clients| {
        let listeners = Listeners { clients, subscribers: bind(&subscribers)? };
        let addresses = (local_addresses(&listeners.clients)?, local_addresses(&listeners.subscribers)?);
        let room = usize::try_from(chasar.connections).ok().filter(|wanted| *wanted > 0);
        let room = room.map_or(most, |wanted| wanted.min(most));
        Ok((Relay::start(chasar, room, listeners, observer)?, addresses))
    });
    match started {
        Ok((relay, (clients, subscribers))) => {
            info!("chasar's client nodes at {clients}, its subscribers at {subscribers}");
            spawn_local(async move { chasar::run(messages, &door).await });
            Some(relay)
        }
        Err(error) => {
            warn!("chasar's client nodes cannot connect: {error}; or set [hub] chasar=no");
            None
        }
    }
}

/// Sends the browsers what has changed, and has the alerts judged, once a second.
async fn frames(door: Rc<Door>, alerts: Rc<Alerts>, web: Web, counted: Rc<Cell<web::Counters>>) {
    let mut ticks = time::interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = 0;
    loop {
        ticks.tick().await;
        counted.set(web.counters());
        let now_ms = unix_ms();
        door.fleet().borrow_mut().tick(now_ms);
        door.give_back();
        let closed = door.fleet().borrow_mut().close();
        alerts.tick(&door.fleet().borrow(), now_ms);
        web.publish(|audience| {
            let fleet = door.fleet().borrow();
            fleet.changes(shown, now_ms).map(|changes| json(&changes.to(audience)))
        });
        shown = closed;
        door.note();
    }
}

fn standing(door: &Door, web: &Web) -> String {
    let fleet = door.fleet().borrow();
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
