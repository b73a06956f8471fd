//! The web side of a hub, on a thread of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::mpsc as answers;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use psistats_hub::web::{Access, Audience, Counters, Settings, Web};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::boards::Boards;
use support::PATIENCE;

type Changes = Box<dyn Fn(Audience) -> Option<Bytes> + Send>;

enum Command {
    Publish(Changes),
    Allow(Access),
    Count(answers::Sender<Counters>),
}

/// It stops when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    /// The directory of its thread in /proc.
    task: String,
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// With the usual limits, at 127.0.0.1.
    pub fn start() -> Self {
        Self::start_with(Settings::default(), "127.0.0.1:0", Boards::default())
    }

    pub fn start_with(settings: Settings, address: &str, boards: Boards) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (commands, orders) = mpsc::unbounded_channel();
        let (sender, started) = answers::channel();
        let thread = thread::spawn(move || {
            let task = fs::read_link("/proc/thread-self").unwrap();
            sender.send(format!("/proc/{}", task.display())).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, serve(settings, listener, boards, orders));
        });
        let task = started.recv().unwrap();
        Self { address, task, commands: Some(commands), thread: Some(thread) }
    }

    fn send(&self, command: Command) {
        assert!(self.commands.as_ref().unwrap().send(command).is_ok(), "the server has ended");
    }

    /// Sends a frame of changes.
    pub fn publish(&self, changes: impl Into<String>) {
        let changes = Bytes::from(changes.into());
        self.publish_to(move |_| Some(changes.clone()));
    }

    /// Sends a frame of changes for each audience.
    pub fn publish_to(&self, changes: impl Fn(Audience) -> Option<Bytes> + Send + 'static) {
        self.send(Command::Publish(Box::new(changes)));
    }

    pub fn set_access(&self, access: Access) {
        self.send(Command::Allow(access));
    }

    /// What it has counted.
    pub fn counters(&self) -> Counters {
        let (sender, counters) = answers::channel();
        self.send(Command::Count(sender));
        counters.recv_timeout(PATIENCE).unwrap()
    }

    /// Waits until the counters are so.
    #[track_caller]
    pub fn wait_for(&self, is_so: impl Fn(Counters) -> bool) -> Counters {
        let begin = Instant::now();
        loop {
            let counters = self.counters();
            if is_so(counters) {
                return counters;
            }
            assert!(begin.elapsed() < PATIENCE, "{counters:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Processor time that its thread has used.
    pub fn processor_time(&self) -> Duration {
        let text = fs::read_to_string(format!("{}/schedstat", self.task)).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.commands.take();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || thread::panicking(), "the server has panicked");
    }
}

async fn serve(
    settings: Settings,
    listener: TcpListener,
    boards: Boards,
    mut orders: mpsc::UnboundedReceiver<Command>,
) {
    let web = Web::new(Rc::new(boards), settings);
    let (serving, beating) = (web.clone(), web.clone());
    tokio::task::spawn_local(async move { serving.serve(listener).await.unwrap() });
    tokio::task::spawn_local(async move { beating.send_heartbeats().await });
    while let Some(order) = orders.recv().await {
        match order {
            Command::Publish(changes) => web.publish(changes),
            Command::Allow(access) => web.set_access(access),
            Command::Count(sender) => sender.send(web.counters()).unwrap(),
        }
    }
}
