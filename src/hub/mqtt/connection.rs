//! The broker: connected to, and connected to again where that ends. A broker that is slow, gone or refuses costs this
//! task its time and nobody else's.

use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};
use nix::unistd::gethostname;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, QoS, TlsConfiguration,
    Transport,
};
use tokio::sync::watch;
use tokio::time::{self, Instant};

use crate::mqtt::settings::Mqtt;
use crate::mqtt::topics;
use crate::tls;

/// Messages that wait for the broker. The publisher waits where there are more.
const WAITING: usize = 16;
/// Octets of a message from the broker, which has nothing to say; and of one to it: a board with 512 series of the
/// longest names takes a quarter of it.
const INCOMING: usize = 16 * 1024;
const OUTGOING: usize = 4 * 1024 * 1024;
/// The broker is pinged so often, and tells the last will after half as much again.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// From a failure to the next attempt; each further one takes twice as long, up to [`LAST`]. A connection that lasted
/// longer than that begins anew.
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// Which connection it is, from 1 on; None: there is none.
pub type Session = Option<u64>;

/// The connection to the broker.
pub struct Connection {
    settings: Rc<Mqtt>,
    events: EventLoop,
    session: watch::Sender<Session>,
}

impl Connection {
    /// Not connected yet; with what messages are handed to.
    pub fn new(settings: Rc<Mqtt>, session: watch::Sender<Session>) -> (Self, AsyncClient) {
        let (client, events) = AsyncClient::new(options(&settings), WAITING);
        (Self { settings, events, session }, client)
    }

    /// Keeps connected, without end.
    pub async fn run(mut self) {
        let (mut sessions, mut pause, mut since) = (0, FIRST, Instant::now());
        loop {
            let ended = match self.ready() {
                Ok(()) => self.events.poll().await.map_err(|error| reason(&error)),
                Err(why) => Err(why),
            };
            let broker = &self.settings.broker;
            match ended {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    info!("[mqtt]: connected to {broker}");
                    sessions += 1;
                    since = Instant::now();
                    self.session.send_replace(Some(sessions));
                }
                Ok(_) => {}
                Err(why) => {
                    let was_connected = self.session.send_replace(None).is_some();
                    if was_connected && since.elapsed() > LAST {
                        pause = FIRST;
                    }
                    if was_connected || pause == FIRST {
                        warn!("[mqtt] {broker}: {why}; tried again, and further failures are suppressed");
                    }
                    time::sleep(pause).await;
                    pause = (pause * 2).min(LAST);
                }
            }
        }
    }

    /// Before a connection with TLS, reads whom to trust.
    fn ready(&mut self) -> Result<(), String> {
        if self.settings.broker.has_tls && self.events.network.is_none() {
            let config = tls::client::config(self.settings.tls_ca.as_deref())?;
            let transport = Transport::tls_with_config(TlsConfiguration::Rustls(config));
            self.events.mqtt_options.set_transport(transport);
        }
        Ok(())
    }
}

fn options(settings: &Mqtt) -> MqttOptions {
    let Mqtt { broker, user, pass, prefix, .. } = settings;
    // An address of IPv6 is followed by a port, too.
    let name = &broker.host.name;
    let host = if name.contains(':') { format!("[{name}]") } else { name.clone() };
    let mut options = MqttOptions::new(client_id(prefix), host, broker.host.port);
    options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(INCOMING, OUTGOING).set_last_will(LastWill::new(
        topics::of_hub(prefix),
        "offline",
        QoS::AtMostOnce,
        true,
    ));
    if let Some(user) = user {
        options.set_credentials(user.clone(), pass.reveal());
    }
    options
}

/// The same after a restart: so the broker tells the last will of the connection before, if that still seems to live,
/// before this one says that it is there (MQTT 3.1.1 §3.1.4). 23 letters and digits, which each broker has to take
/// (§3.1.3.1); another one for another hub, or another prefix.
fn client_id(prefix: &str) -> String {
    let host = gethostname().unwrap_or_default();
    let id = topics::hash(format!("{}\0{prefix}", host.display()).as_bytes(), 7);
    format!("psistats{id}")
}

fn reason(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) => {
            format!("{}: is it running there?", psistats_host::output::Reason(error))
        }
        ConnectionError::ConnectionRefused(code) => {
            format!("it refused the login ({code:?}): check user and pass")
        }
        ConnectionError::NetworkTimeout => "no answer: is it an MQTT broker?".into(),
        error => error.to_string(),
    }
}
