//! What `boards/a-hundred-thousand-boards.md` tells people to write, for six boards and two hubs.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::process::Process;
use support::project;

use crate::agents::output;

const BOARDS: u64 = 6;
/// Below the range of which a kernel gives ports away.
const LISTEN: [u16; 2] = [9871, 9872];

#[test]
#[ignore = "needs RabbitMQ: tests/run --brokers"]
fn a_hundred_thousand_boards_are_spread_over_hubs_as_the_page_says() {
    let broker = Broker::private(&[]);
    let page = fs::read_to_string(project::path("boards/a-hundred-thousand-boards.md")).unwrap();
    let [board, hub] = ["host=", "url="].map(|key| {
        let blocks = page.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.into_iter().find(|block| block.contains(key)).unwrap_or_else(|| panic!("no {key} in the page"))
    });
    let dir = tempfile::tempdir_in(project::target("tmp")).unwrap();
    let hubs = [1, 2].map(|n| {
        let [config, data] = [format!("hub{n}.conf"), format!("data{n}")].map(|name| dir.path().join(name));
        let listen = LISTEN[n - 1];
        let own = format!("[hub]\nlisten=127.0.0.1:{listen}\nchasar=no\nself=no\ndata={}\n", data.display());
        let url = format!("url=amqp://guest:guest@127.0.0.1:{}", broker.port);
        let text =
            with(hub, &[("url=", &url), ("pass=", ""), ("queue=", &format!("queue=psistats-hub-{n}"))]);
        fs::write(&config, own + &text).unwrap();
        Process::start(Command::new(project::program("psistats-hub")).arg("--config").arg(&config))
    });
    // Both queues are there before the first board.
    let begin = Instant::now();
    while !["psistats-hub-1", "psistats-hub-2"]
        .iter()
        .all(|queue| broker.ctl(&["list_queues", "name"]).contains(queue))
    {
        assert!(begin.elapsed() < PATIENCE, "{:?}", hubs.each_ref().map(|hub| hub.lines()));
        thread::sleep(Duration::from_millis(100));
    }
    let host = format!("host=127.0.0.1:{}", broker.port);
    let text = with(board, &[("host=", &host), ("primary_timer=", "primary_timer=0.2")]);
    let config = Config::whole(&text);
    let agents: Vec<Agent> = (1..=BOARDS).map(|n| Agent::on_board(&format!("board-{n}"), &config)).collect();
    loop {
        let told = LISTEN.map(told);
        let count = |key: &str| told.each_ref().map(|hub| hub[key].as_u64().unwrap());
        // A board is at one hub alone, and neither has all of them.
        if count("reports").iter().sum::<u64>() > 10 * BOARDS && count("boards").iter().sum::<u64>() >= BOARDS
        {
            assert_eq!(count("boards").iter().sum::<u64>(), BOARDS, "{told:?}");
            assert!(count("boards").iter().all(|boards| *boards > 0), "{told:?}");
            break;
        }
        let lines: Vec<_> = agents.iter().map(|agent| agent.lines()).collect();
        assert!(begin.elapsed() < 2 * PATIENCE, "{told:?} {lines:#?}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A configuration in which lines that begin so are others.
fn with(text: &str, lines: &[(&str, &str)]) -> String {
    let line = |line: &str| {
        let other = lines.iter().find(|(begin, _)| line.starts_with(begin));
        format!("{}\n", other.map_or(line, |(_, other)| other))
    };
    text.lines().map(line).collect()
}

/// What a hub says of itself.
fn told(port: u16) -> Value {
    let url = format!("http://127.0.0.1:{port}/api/v1/hub");
    let curl = ["--silent", "--fail", "--retry", "9", "--retry-connrefused", &url];
    serde_json::from_str(&output(Command::new("curl").args(curl))).unwrap()
}
