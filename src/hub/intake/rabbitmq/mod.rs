//! RabbitMQ, for a fleet that has one: a queue there that outlives the hub, which acknowledges a report once it is on the disk.
//!
//! amqprs has a thread, a runtime and a stack of its own, for three reasons. It reads a message's headers by recursion: as
//! deep as a frame of 128 KiB allows, they end a process whose stack has the usual 8 MiB. A call of it that is given up
//! half way makes it panic, while a runtime can be dropped at any time with all that it has spawned. And what it decodes
//! keeps nobody waiting here.
//!
//! ```text
//!  RabbitMQ --deliver--> consumer --messages, at most prefetch--> Session --take--> Door
//!           <---ack-----          <--kept: the last tag on disk--         <--standing--
//! ```

mod consumer;
mod failure;
mod outage;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use log::warn;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time;

use crate::fleet::Heard;
use crate::intake::door::{Full, Standing, Ticket};
use crate::intake::{Door, batch};
use crate::settings::Rabbitmq;

/// Bytes of the thread's stack, of which the deepest headers need 16 MiB; without optimisation 100. What is not used of it
/// is no memory.
const STACK: usize = if cfg!(debug_assertions) { 192 << 20 } else { 48 << 20 };

/// Messages that are taken before others have their turn.
const BATCH: usize = 256;

/// For what was taken to come to the disk, and the broker to hear of it.
const FLUSH: Duration = Duration::from_secs(3);

/// The running intake.
pub struct Intake {
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Intake {
    /// Starts it. It connects by and by, and says how that goes.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(settings: Rabbitmq, door: Rc<Door>) -> io::Result<Self> {
        let (to_door, mut sessions) = mpsc::channel::<Session>(1);
        let (stopping, is_stopping) = watch::channel(false);
        thread::Builder::new()
            .name("rabbitmq".into())
            .stack_size(STACK)
            .spawn(move || consumer::run(&settings, &to_door, is_stopping))?;
        let task = spawn_local(async move {
            while let Some(session) = sessions.recv().await {
                session.serve(&door).await;
            }
        });
        Ok(Self { stopping, task })
    }

    /// Ends it: nothing more is taken, and what is on the disk within three seconds is acknowledged. The rest comes again.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        if time::timeout(FLUSH, self.task).await.is_err() {
            warn!(
                "RabbitMQ did not answer at the end: what was not acknowledged comes again, and counts once"
            );
        }
    }
}

/// A delivery: its tag, and the report; none where there is nothing to take.
type Delivery = (u64, Option<Heard>);

/// What is to be taken next.
enum Waiting {
    Report(Heard),
    /// All reports of the message with this tag were taken.
    End(u64),
}

/// What was delivered on one connection.
struct Session {
    messages: mpsc::Receiver<Delivery>,
    /// The tag up to which everything is on the disk.
    kept: watch::Sender<u64>,
}

impl Session {
    /// Takes what comes, until the connection has ended.
    async fn serve(mut self, door: &Door) {
        let mut standing = door.standing();
        let mut unkept = Unkept::default();
        // Of the last report of the message that is being taken.
        let mut taken = None;
        let mut waiting = VecDeque::new();
        let mut messages = Vec::with_capacity(BATCH);
        loop {
            unkept.tell(&mut standing, &self.kept);
            let is_open = tokio::select! {
                // Reports beyond what there is room for wait where they are: in the channel, and at the broker.
                count = self.messages.recv_many(&mut messages, BATCH), if waiting.is_empty() => count > 0,
                () = standing.changed(true) => true,
            };
            if !is_open {
                return;
            }
            for (tag, message) in messages.drain(..) {
                waiting.extend(message.into_iter().flat_map(batch::reports).map(Waiting::Report));
                waiting.push_back(Waiting::End(tag));
            }
            while let Some(next) = waiting.front() {
                match next {
                    Waiting::Report(report) => match door.take(report) {
                        Err(Full) => break,
                        Ok(ticket) => taken = Some(ticket),
                    },
                    Waiting::End(tag) => match taken.take() {
                        Some(ticket) => unkept.push(ticket, *tag),
                        None => unkept.push_nothing(*tag, &self.kept),
                    },
                }
                waiting.pop_front();
            }
        }
    }
}

/// Of each batch of the door's the last tag.
#[derive(Default)]
struct Unkept(VecDeque<(Ticket, u64)>);

impl Unkept {
    fn push(&mut self, ticket: Ticket, tag: u64) {
        match self.0.back_mut() {
            Some((of, last)) if *of == ticket => *last = tag,
            _ => self.0.push_back((ticket, tag)),
        }
    }

    /// A tag of which nothing has to come to the disk, but what came before it.
    fn push_nothing(&mut self, tag: u64, kept: &watch::Sender<u64>) {
        match self.0.back_mut() {
            Some((_, last)) => *last = tag,
            None => drop(kept.send_replace(tag)),
        }
    }

    fn tell(&mut self, standing: &mut Standing, kept: &watch::Sender<u64>) {
        while let Some(&(ticket, tag)) = self.0.front()
            && standing.keeps(ticket)
        {
            kept.send_replace(tag);
            self.0.pop_front();
        }
    }
}
