//! From the fleet to the connection: once a second who is there and what is new, and at each interval what the series
//! say.

use std::rc::Rc;
use std::time::Duration;

use log::warn;
use rumqttc::{AsyncClient, QoS};
use tokio::sync::watch;
use tokio::time::{self, Instant, MissedTickBehavior};

use crate::intake::Door;
use crate::mqtt::book::{Book, Message};
use crate::mqtt::connection::Session;
use crate::mqtt::settings::Mqtt;

/// How often it is looked whether a board came, went or has something new.
const TICK: Duration = Duration::from_secs(1);

/// At most 5,000 messages a second, since each is a system call on the thread that takes the reports: so many at once,
/// and so long until the next ones.
const AT_ONCE: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// Publishes what the door's fleet says.
pub struct Publisher {
    door: Rc<Door>,
    client: AsyncClient,
    book: Book,
    interval: Duration,
    sent: u32,
    is_behind: bool,
}

/// The connection's task is gone.
struct Ended;

impl Publisher {
    /// Hands its messages to `client`.
    pub fn new(settings: Rc<Mqtt>, door: Rc<Door>, client: AsyncClient) -> Self {
        let interval = settings.interval;
        Self { door, client, book: Book::new(settings), interval, sent: 0, is_behind: false }
    }

    /// Publishes in each session of the connection, as long as there is one.
    pub async fn run(mut self, mut sessions: watch::Receiver<Session>) {
        while let Ok(session) = sessions.wait_for(Option::is_some).await.map(|session| *session) {
            tokio::select! {
                _ = sessions.wait_for(|now| *now != session) => {}
                _ = self.publish() => return,
            }
        }
    }

    /// Publishes everything, and then what is new, without end.
    async fn publish(&mut self) -> Result<(), Ended> {
        let messages = self.book.begin(&self.door.fleet().borrow());
        self.send(messages).await?;
        let mut ticks = time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now();
        loop {
            let now = ticks.tick().await;
            let is_due = now >= due;
            if is_due {
                // Not from the last time on: a slow broker gets fewer messages, and not all of them late.
                due = now + self.interval;
            }
            let mut places = 0..;
            while let Some(messages) = places.next().and_then(|place| self.look_at(place, is_due)) {
                self.send(messages).await?;
            }
            let messages = self.book.gone(&self.door.fleet().borrow());
            self.send(messages).await?;
            let is_behind = now.elapsed() > self.interval;
            if is_behind && !self.is_behind {
                warn!(
                    "[mqtt]: to publish all boards took {} s: set interval to more than that, or entities expire",
                    now.elapsed().as_secs()
                );
            }
            self.is_behind |= is_behind;
        }
    }

    /// The fleet is borrowed for one board at a time, and never while anything waits.
    fn look_at(&mut self, place: usize, is_due: bool) -> Option<Vec<Message>> {
        self.book.board(&self.door.fleet().borrow(), place, is_due)
    }

    /// Hands messages to the connection, each once it has room.
    async fn send(&mut self, messages: Vec<Message>) -> Result<(), Ended> {
        for Message { topic, payload, is_retained } in messages {
            self.sent += 1;
            if self.sent >= AT_ONCE {
                self.sent = 0;
                time::sleep(PAUSE).await;
            }
            self.client.publish(topic, QoS::AtMostOnce, is_retained, payload).await.map_err(|_| Ended)?;
        }
        Ok(())
    }
}
