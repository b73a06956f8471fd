//! The wall and a board: what they show, and what the keys do.

use serde_json::{Value, json};

use crate::boards::{publish, report, with};
use crate::hub::Hub;
use crate::terminal::{Terminal, row, rows};
use support::process::Process;

/// A hub with four boards, and a terminal that shows it.
fn wall() -> (Hub, Process, Terminal) {
    let hub = Hub::start("self=no\nchasar=no");
    let reports = [
        report("pi-2", 20.0),
        report("pi-10", 99.0),
        with(report("pi-hot", 5.0), json!({"cpu_temp": 84.0, "tags": {"site": "attic"}})),
        with(report("pi-power", 50.0), json!({"throttled": {"under_voltage": true}})),
    ];
    let publisher = publish(hub.amqp, &reports);
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    terminal.wait_for("4 boards: 1 critical, 1 warning, 2 well");
    (hub, publisher, terminal)
}

fn names(screen: &str) -> Vec<String> {
    rows(screen).into_iter().map(|(_, name)| name).collect()
}

/// Waits for an order of the boards.
#[track_caller]
fn wait_for_order(terminal: &Terminal, order: &str, expected: &[&str]) -> String {
    terminal.wait_until(|screen| screen.trim_end().ends_with(order) && names(screen) == expected)
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn the_wall_has_a_row_for_each_board_worst_first_within_80_columns() {
    let (hub, _publisher, terminal) = wall();
    let screen = wait_for_order(&terminal, "4, worst first", &["pi-power", "pi-hot", "pi-2", "pi-10"]);
    assert!(
        screen.lines().all(|line| line.chars().count() <= 80) && screen.lines().count() == 24,
        "{screen}"
    );
    assert!(
        screen.starts_with("psistats")
            && screen.lines().next().unwrap().ends_with(&format!("127.0.0.1:{}  live", hub.page))
    );
    let figures: Vec<&str> = row(&screen, "pi-hot").split_whitespace().collect();
    assert_eq!(figures[..7], ["warning", "pi-hot", "5", "34", "84!", "45", "0.52"], "{screen}");
    assert_eq!(figures[7], "5d");
    assert!(
        screen.contains("pi-power: critical for ") && screen.contains(": Power: under-voltage"),
        "{screen}"
    );
    // Titles stand over the ends of their figures.
    let title = screen.lines().find(|line| line.starts_with("STATE")).unwrap();
    let end = |line: &str, text: &str| line.split(text).next().unwrap().chars().count() + text.len();
    assert_eq!(end(title, "CPU%"), end(row(&screen, "pi-10"), " 99"));
}

#[test]
#[ignore = "needs tmux: tests/run"]
fn figures_change_as_the_hub_hears_them() {
    let hub = Hub::start("amqp=no\nchasar=no");
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    let name = crate::hub::own_name();
    terminal.wait_for("1 board: ");
    terminal.press(&["Enter"]);
    let reports = |screen: &str| -> u64 {
        let line = screen.lines().find_map(|line| line.strip_prefix("Reports")).unwrap_or_default();
        line.trim_start().split([',', ';']).next().and_then(|count| count.parse().ok()).unwrap_or(0)
    };
    let before = reports(&terminal.wait_until(|screen| screen.contains(&name) && reports(screen) > 0));
    terminal.wait_until(|screen| reports(screen) >= before + 3);
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn keys_choose_the_column_that_boards_are_sorted_by_and_its_direction() {
    let (_hub, _publisher, terminal) = wall();
    terminal.press(&["s"]);
    wait_for_order(&terminal, "by name", &["pi-2", "pi-10", "pi-hot", "pi-power"]);
    terminal.press(&["Right"]);
    let by_cpu = ["pi-10", "pi-power", "pi-2", "pi-hot"];
    let screen = wait_for_order(&terminal, "highest CPU first", &by_cpu);
    assert!(screen.contains("CPU%↓"), "{screen}");
    terminal.press(&["r"]);
    let screen =
        wait_for_order(&terminal, "reversed: highest CPU first", &["pi-hot", "pi-2", "pi-power", "pi-10"]);
    assert!(screen.contains("CPU%↑"), "{screen}");
    terminal.press(&["<", "Left"]);
    wait_for_order(&terminal, "worst first", &["pi-power", "pi-hot", "pi-2", "pi-10"]);
    terminal.press(&["<"]);
    terminal.wait_for("longest unheard first");
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn a_filter_shows_what_matches_by_name_why_or_tag_until_escape() {
    let (_hub, _publisher, terminal) = wall();
    for (text, expected) in
        [("PI-1", &["pi-10"][..]), ("under-volt", &["pi-power"]), ("attic", &["pi-hot"]), ("q?s", &[])]
    {
        terminal.write(&format!("/{text}"));
        terminal.wait_until(|screen| screen.contains(&format!("/{text} ")) && names(screen) == expected);
        terminal.press(&["Enter"]);
        let screen = terminal.wait_for("(Esc shows all)");
        assert_eq!(screen.contains("No board matches"), expected.is_empty(), "{screen}");
        terminal.press(&["Escape"]);
        terminal.wait_until(|screen| names(screen).len() == 4 && screen.contains("/ filter"));
    }
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn enter_shows_a_board_with_all_of_its_series_by_name_and_escape_the_wall() {
    let hub = Hub::start("self=no\nchasar=no");
    let many: serde_json::Map<String, Value> = (10..60).map(|n| (format!("figure{n}"), n.into())).collect();
    let _publisher = publish(hub.amqp, &[report("pi-1", 1.0), with(report("pi-2", 20.0), many.into())]);
    let terminal = Terminal::top(&format!("127.0.0.1:{}", hub.page));
    terminal.wait_for("2 boards: 2 well");
    terminal.press(&["Down", "Enter"]);
    let screen = terminal.wait_for("Reports");
    for text in [
        "pi-2  well for ",
        "Raspberry Pi 3 Model B Rev 1.2",
        "127.0.0.1 by amqp",
        "#site=garage",
        "0 lost, 0 duplicate, 0 late",
        "no reboot seen",
    ] {
        assert!(screen.contains(text), "{text}:\n{screen}");
    }
    // The series are those of the API, in order, as one scrolls.
    let board = hub.wait_for("pi-2", |board| board["values"]["figure59"].is_number());
    let expected: Vec<&String> = board["values"].as_object().unwrap().keys().collect();
    terminal.wait_for(&format!("{} series", expected.len()));
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..expected.len() {
        // The series that the reader is at is told of below the list.
        let chosen = |screen: &str| screen.lines().nth(20)?.split([':', ',']).next().map(str::to_owned);
        let last = seen.last().cloned();
        let screen = terminal.wait_until(|screen| chosen(screen) != last);
        seen.extend(chosen(&screen));
        terminal.press(&["Down"]);
    }
    assert!(seen.iter().eq(expected.iter().copied()), "{seen:?} {expected:?}");
    terminal.press(&["End", "Home"]);
    terminal.write("/disk./.");
    let screen = terminal.wait_for("disk./.percent, last hour: 45.2 to 45.2");
    assert!(screen.contains("1 series") && screen.contains('█'), "{screen}");
    terminal.press(&["Escape", "Escape"]);
    terminal.wait_for("2, worst first");
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn every_key_is_explained_and_any_key_goes_back() {
    let (_hub, _publisher, terminal) = wall();
    terminal.press(&["?"]);
    let screen = terminal.wait_for("Any key goes back");
    for text in ["PgUp PgDn", "Home End", "Enter", "Esc", "s ", "/ ", "q or Ctrl-C", "has reached its limit"]
    {
        assert!(screen.contains(text), "{text}:\n{screen}");
    }
    terminal.press(&["x"]);
    terminal.wait_for("4, worst first");
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn colours_are_for_who_wants_them_and_no_word_is_missing_without() {
    let (hub, _publisher, terminal) = wall();
    let is_coloured = |painted: &str| {
        ["\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[1;31m", "38;5;"].iter().any(|code| painted.contains(code))
    };
    terminal.wait_until(|_| is_coloured(&terminal.painted()));
    let plain = Terminal::top_with("NO_COLOR=1", &format!("127.0.0.1:{}", hub.page));
    plain.wait_for("4 boards: 1 critical, 1 warning, 2 well");
    plain.press(&["Down"]);
    let painted = plain.painted();
    assert!(!is_coloured(&painted), "{painted:?}");
    let screen = plain.screen();
    assert!(screen.contains("84!") && screen.contains("critical pi-power"), "{screen}");
}

#[test]
#[ignore = "needs tmux, python3-pika: tests/run"]
fn every_size_of_a_terminal_shows_what_fits() {
    let (_hub, _publisher, terminal) = wall();
    for (width, height, expected) in [
        (200, 50, "WHY, MODEL, TAGS"),
        (40, 12, "HEARD"),
        (20, 6, "pi-power"),
        (1, 1, ""),
        (3, 40, ""),
        (80, 24, "DISK%"),
    ] {
        terminal.resize(width, height);
        terminal.press(&["Enter"]);
        terminal.press(&["?"]);
        terminal.press(&["x"]);
        terminal.press(&["Escape"]);
        terminal.wait_for(expected);
    }
    terminal.wait_for("4, worst first");
}
