//! How it starts, how it ends, and what it says where it cannot start.

use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::hub::Hub;
use crate::scripted::{head, serve_text};
use crate::terminal::Terminal;
use support::refusing::Refusing;

fn run(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_psistats-hub")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    (output, text)
}

#[test]
fn without_a_terminal_it_says_so_and_fails() {
    let (output, text) = run(&["top"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(text.contains("expected a terminal at standard output"), "{text}");
}

#[test]
fn a_wrong_command_line_or_url_is_refused_with_what_was_expected() {
    for (arguments, code, expected) in [
        (&["top", "pi", "pi-2"][..], 2, "expected no more than a URL, got pi-2"),
        (&["top", "ftp://pi"], 1, "expected a hub as http://127.0.0.1:8666, got ftp://pi"),
        (&["top", "http://ann:sesame@pi"], 1, "a token is read from $PSISTATS_HUB_TOKEN"),
    ] {
        let (output, text) = run(arguments);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(expected) && !text.contains("sesame"), "{text}");
    }
}

/// The screen as one line, since a message may go over two.
fn said(terminal: &Terminal) -> String {
    terminal.wait_for("ended 1").replace('\n', "")
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn without_a_hub_it_says_what_to_do_and_leaves_the_terminal_alone() {
    let nobody = Refusing::new();
    let (page, _) = serve_text(head("200 OK", "text/html") + "<h1>Welcome to nginx</h1>");
    let (other, _) = serve_text("220 mail ESMTP\r\n".into());
    let (missing, _) = serve_text(head("404 Not Found", "text/html"));
    let (full, _) = serve_text(
        head("503 Service Unavailable", "application/json") + r#"{"error":"too many \u001b[31mclients"}"#,
    );
    for (port, expected) in [
        (nobody.port, "connection refused: is psistats-hub running?"),
        (page, "is this the URL of a psistats-hub?"),
        (other, "is this the URL of a psistats-hub?"),
        (missing, "is this the URL of a psistats-hub?"),
        (full, "the hub answered 503: too many \u{fffd}[31mclients"),
    ] {
        let said = said(&Terminal::top(&format!("127.0.0.1:{port}")));
        assert!(said.contains(expected) && said.contains("before"), "{said}");
    }
    let said = said(&Terminal::top("nowhere.invalid"));
    assert!(said.contains("cannot connect to nowhere.invalid:8666"), "{said}");
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn a_hub_that_wants_a_token_gets_that_of_the_environment_and_no_message_has_it() {
    let (port, asked) = serve_text(head("401 Unauthorized", "application/json") + "{\"error\":\"login\"}");
    let without = said(&Terminal::top(&format!("127.0.0.1:{port}")));
    assert!(without.contains("psistats-hub token add NAME --scope read"), "{without}");
    assert!(
        !asked.lines().iter().any(|line| line.to_lowercase().starts_with("authorization")),
        "{asked:?}",
        asked = asked.lines()
    );
    let with = said(&Terminal::top_with("PSISTATS_HUB_TOKEN=sesame", &format!("127.0.0.1:{port}")));
    assert!(
        with.contains("does not know the token in PSISTATS_HUB_TOKEN") && !with.contains("sesame"),
        "{with}"
    );
    assert!(asked.lines().contains(&"authorization: Bearer sesame".into()), "{:?}", asked.lines());
}

/// That the terminal is as it was.
#[track_caller]
fn is_restored(terminal: &Terminal) {
    // The last of stty's lines.
    let screen = terminal.wait_for("echoctl");
    assert!(screen.starts_with("before\n") && screen.contains("ended 0"), "{screen}");
    let settings: Vec<&str> = screen.split_whitespace().collect();
    assert!(["icanon", "echo", "isig"].iter().all(|setting| settings.contains(setting)), "{screen}");
    assert_eq!(terminal.property("#{alternate_on} #{cursor_flag}"), "0 1");
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn the_terminal_is_restored_at_q_ctrl_c_and_signals() {
    let hub = Hub::start("amqp=no\nchasar=no");
    for key in ["q", "C-c"] {
        let terminal = Terminal::top(&format!("http://127.0.0.1:{}", hub.page));
        terminal.wait_for("1 board: ");
        assert_eq!(terminal.property("#{alternate_on}"), "1");
        terminal.press(&[key]);
        is_restored(&terminal);
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
        terminal.wait_for("1 board: ");
        kill(Pid::from_raw(terminal.pid()), signal).unwrap();
        is_restored(&terminal);
    }
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn ctrl_z_gives_the_terminal_to_the_shell_until_fg() {
    let hub = Hub::start("amqp=no\nchasar=no");
    let terminal = Terminal::shell("env PS1='$ ' bash --norc --noprofile");
    terminal.wait_for("$");
    terminal.write(&format!("{} top 127.0.0.1:{}\n", env!("CARGO_BIN_EXE_psistats-hub"), hub.page));
    terminal.wait_for("1 board: ");
    terminal.press(&["C-z"]);
    terminal.wait_for("Stopped");
    assert_eq!(terminal.property("#{alternate_on} #{cursor_flag}"), "0 1");
    terminal.write("fg\n");
    terminal.wait_for("1 board: ");
    terminal.press(&["q"]);
    terminal.wait_until(|screen| screen.trim_end().ends_with('$'));
    assert_eq!(terminal.property("#{alternate_on} #{cursor_flag}"), "0 1");
}
