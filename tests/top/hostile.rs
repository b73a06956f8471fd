//! What boards say is text, whatever it is; and a hub that says anything takes no memory for it.

use std::io::Write;

use serde_json::json;

use crate::boards::{publish, report, with};
use crate::hub::Hub;
use crate::scripted::{head, serve, serve_text};
use crate::terminal::{Terminal, row};

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn names_keys_and_values_with_escape_sequences_are_text() {
    let hub = Hub::start("self=no\nchasar=no");
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil";
    let reports = [
        report("pi-1", 1.0),
        with(
            report(evil, 2.0),
            json!({evil: evil, "tags": {evil: evil}, "os": evil, "\r\n\u{8}": "\r\n\u{8}"}),
        ),
    ];
    let _publisher = publish(hub.amqp, &reports);
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    let title = terminal.property("#{pane_title}");
    let octets = terminal.record();
    terminal.wait_for("2 boards: 2 well");
    terminal.resize(150, 24); // all is drawn anew, and so recorded
    let screen = terminal.wait_for("\u{fffd}[2J\u{fffd}]0;owned");
    row(&screen, "pi-1");
    terminal.press(&["Enter"]); // its name comes before pi-1
    let screen = terminal.wait_for("Tags     #\u{fffd}[2J"); // the hub has answered
    assert!(screen.contains("\u{fffd}31m\u{fffd}evil  well for "), "{screen}");
    terminal.write("/evil");
    terminal.wait_for("1 series");
    terminal.press(&["Escape", "Escape", "q"]);
    terminal.wait_for("ended 0");
    assert_eq!(terminal.property("#{pane_title}"), title);
    // What it wrote: no escape sequence but cursor movements, attributes, and the alternate screen.
    let octets = String::from_utf8(std::fs::read(octets).unwrap()).unwrap();
    assert!(octets.contains("owned"), "the record has the name");
    for refused in ["\u{1b}]", "\u{1b}[2J\u{1b}]", "\u{7}", "\u{9b}", "\u{202e}", "\u{8}"] {
        assert!(!octets.contains(refused), "{refused:?}");
    }
}

/// The cell in which a text of a line ends; characters of East Asia take two.
fn end(line: &str, text: &str) -> usize {
    let until = &line[..line.find(text).unwrap() + text.len()];
    until.chars().map(|c| if ('\u{1100}'..='\u{ffdc}').contains(&c) && c != '\u{fffd}' { 2 } else { 1 }).sum()
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn wide_characters_do_not_shift_the_columns() {
    let hub = Hub::start("self=no\nchasar=no");
    let (wide, long) = ("测试板-日本語", "한국어-".repeat(20));
    let reports = [report("pi-1", 71.0), report(wide, 72.0), report(&long, 73.0)];
    let _publisher = publish(hub.amqp, &reports);
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    let screen = terminal.wait_for("3 boards: 3 well");
    let line =
        |cpu: &str| screen.lines().find(|line| line.contains(cpu)).unwrap_or_else(|| panic!("{screen}"));
    let place = end(line(" 71"), " 71");
    assert_eq!((end(line(" 72"), " 72"), end(line(" 73"), " 73")), (place, place), "{screen}");
    assert!(line(" 72").contains(wide) && line(" 73").contains("한국어-한국어"), "{screen}");
}

/// A figure of a process, in KiB.
fn status(pid: i32, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches([':', ' ', '\t']).split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn a_hub_that_sends_a_line_without_end_is_left_and_takes_no_more_memory_than_an_event_may() {
    let (port, _) = serve(|stream| {
        let begin =
            head("200 OK", "text/event-stream") + "event: snapshot\ndata: {\"now\":1,\"hosts\":[]}\n\ndata: ";
        let (_, chunk) = (stream.write_all(begin.as_bytes()), [b'x'; 1 << 16]);
        while stream.write_all(&chunk).is_ok() {}
    });
    let terminal = Terminal::top(&format!("127.0.0.1:{port}"));
    let pid = terminal.pid();
    terminal.wait_for("the event is too long");
    let most = status(pid, "VmHWM");
    assert!(most < 160 * 1024, "{most} KiB");
    terminal.press(&["q"]);
    terminal.wait_for("ended 0");
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn what_is_no_answer_of_a_hub_does_not_end_it() {
    let event =
        |data: &str| head("200 OK", "text/event-stream") + &format!("event: snapshot\ndata: {data}\n\n");
    for (data, expected) in [
        ("{\"now\":1,\"hosts\":[{\"name\":3}]}", "expected other JSON"),
        ("[[[[", "expected other JSON"),
        (
            "{\"now\":1e308,\"hosts\":[{\"name\":\"\",\"state\":\"?\",\"heard\":-1e308,\"since\":1e308,\"values\":{\"cpu\":1e308,\"mem\":[{}],\"uptime\":\"x\",\"disk..percent\":-1e308}}]}",
            "1 board: 1 warning",
        ),
        ("{\"now\":1,\"hosts\":[],\"gone\":[\"a\"],\"more\":{\"a\":[1]}}", "No board has reported yet"),
    ] {
        let (port, _) = serve_text(event(data));
        let terminal = Terminal::top(&format!("127.0.0.1:{port}"));
        terminal.wait_for(expected);
        terminal.press(&["s", "s", "s", "Enter", "Down", "End", "q"]);
        terminal.wait_for("ended 0");
    }
}
