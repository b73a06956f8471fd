//! A hub that goes and comes back.

use nix::sys::signal::Signal;
use support::PATIENCE;

use crate::boards::{publish, report};
use crate::hub::Hub;
use crate::terminal::{Terminal, row};

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn a_lost_hub_is_told_with_the_last_figures_and_found_again() {
    let mut hub = Hub::start("self=no\nchasar=no");
    let publisher = publish(hub.amqp, &[report("pi-1", 42.0)]);
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    terminal.wait_for("1 board: 1 well");
    hub.kill();
    drop(publisher);
    let screen = terminal.wait_for("connection refused");
    assert!(screen.contains("HUB LOST ") && screen.contains("not live"), "{screen}");
    assert!(row(&screen, "pi-1").contains(" 42 "), "{screen}");
    terminal.press(&["Enter"]);
    terminal.wait_for("Asking the hub");
    terminal.press(&["Escape"]);
    hub.start_again();
    let _publisher = publish(hub.amqp, &[report("pi-1", 43.0)]);
    let screen = terminal.wait_until(|screen| !screen.contains("HUB LOST") && screen.contains(" 43 "));
    assert!(screen.lines().next().unwrap().ends_with("  live"), "{screen}");
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn a_hub_that_falls_silent_is_lost_too() {
    let mut hub = Hub::start("amqp=no\nchasar=no");
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    terminal.wait_for("1 board: ");
    hub.process.signal(Signal::SIGSTOP);
    let screen = terminal.wait_for("HUB LOST ");
    assert!(screen.replace('\n', " ").contains("no answer within 10 s"), "{screen}");
    hub.process.signal(Signal::SIGCONT);
    terminal.wait_until(|screen| !screen.contains("HUB LOST"));
    hub.process.signal(Signal::SIGTERM);
    assert!(hub.process.wait(PATIENCE).success());
}
