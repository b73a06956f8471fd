//! `psistats-hub top`: the wall in a terminal. It asks a running hub, here or elsewhere, over its API.
//!
//! | where | what |
//! |---|---|
//! | `client` | questions to the API, over HTTP |
//! | `sse` | server-sent events out of octets |
//! | `board` | what the API says, out of JSON |
//! | `text` | what may be shown of a text from elsewhere; numbers and times |
//! | `feed` | what happens: keys, signals, frames of the hub, answers |
//! | `fleet`, `columns` | the boards that are known, and their order |
//! | `keys`, `list` | what the keys are for, and the reader's place in a list |
//! | `app` | what the reader sees and has chosen |
//! | `view` | what the screen shows of it |
//!
//! One task owns the screen and all that it shows. Others tell it what happens.

pub(crate) mod client;
mod sse;
mod board;
mod text;
mod feed;
mod fleet;
mod columns;
mod keys;
mod list;
mod app;
mod view;

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use ratatui::DefaultTerminal;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use self::app::{App, Demand};
use self::client::Client;
use self::feed::Event;

/// Time after which the screen is drawn again where nothing happens: times since go on.
const SECOND: Duration = Duration::from_secs(1);

/// Events that are taken over before the screen is drawn.
const AT_ONCE: usize = 64;

/// Shows the boards of the hub at `url` until the reader quits.
///
/// # Errors
/// There is no terminal or no hub, or the terminal is gone. The text says what to do.
pub fn run(url: Option<&str>) -> Result<(), String> {
    let client = Client::new(url.unwrap_or(client::DEFAULT))?;
    if !io::stdout().is_terminal() {
        return Err("top: expected a terminal at standard output; programs read /api/v1/hosts instead".into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ended = runtime.block_on(top(client));
    // A host name that is being looked up is not waited for.
    runtime.shutdown_background();
    ended
}

async fn top(client: Client) -> Result<(), String> {
    // Without a hub the terminal stays as it is.
    let events = client.events().await.map_err(|trouble| trouble.to_string())?;
    let app = App::new(client.authority());
    let (inbox, happened) = feed::inbox();
    let (ask, questions) = watch::channel(None);
    feed::read_signals(&inbox).map_err(|error| format!("signals: {error}"))?;
    let shown = match ratatui::try_init() {
        Ok(mut terminal) => {
            let started = feed::read_terminal(inbox.clone());
            tokio::spawn(feed::follow(client.clone(), events, inbox.clone()));
            tokio::spawn(feed::answer(client, questions, inbox));
            match started {
                Ok(()) => show(&mut terminal, app, happened, ask).await,
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    let restored = ratatui::try_restore();
    shown.and(restored).map_err(|error| format!("the terminal: {error}"))
}

/// Draws what happens.
///
/// # Errors
/// Of the terminal.
async fn show(
    terminal: &mut DefaultTerminal,
    mut app: App,
    mut happened: mpsc::Receiver<Event>,
    ask: watch::Sender<Option<feed::Question>>,
) -> io::Result<()> {
    let style = view::Style::of_environment();
    loop {
        terminal.draw(|frame| view::draw(frame, &mut app, style))?;
        let mut next = timeout(SECOND, happened.recv()).await.ok().flatten();
        let mut has_news = false;
        for _ in 0..AT_ONCE {
            let Some(event) = next else { break };
            has_news |= matches!(event, Event::Snapshot(_) | Event::Changes(_));
            match app.take(event)? {
                Some(Demand::Quit) => return Ok(()),
                Some(Demand::Suspend) => suspend(terminal)?,
                None => {}
            }
            next = happened.try_recv().ok();
        }
        let question = app.question();
        if has_news || *ask.borrow() != question {
            ask.send_replace(question);
        }
    }
}

/// Gives the terminal back to the shell, until that continues us.
fn suspend(terminal: &mut DefaultTerminal) -> io::Result<()> {
    terminal.show_cursor()?;
    ratatui::try_restore()?;
    raise(Signal::SIGTSTP)?;
    // The alternate screen is empty, and so is what this terminal knows of it.
    *terminal = ratatui::try_init()?;
    Ok(())
}
