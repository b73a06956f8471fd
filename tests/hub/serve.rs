//! The hub as a process: boards publish to it, and the API shows them.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::hub::{Hub, own_name};
use crate::master::free_port;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::master::python;
use support::process::Process;
use support::project::program;
use support::refusing::Refusing;
use support::reports::Counters;

#[test]
fn this_machine_is_the_first_board_and_its_history_grows() {
    let hub = Hub::start("");
    let board = hub.wait_for(&own_name(), |board| board["values"]["cpu"].is_number());
    assert_eq!(board["source"], "own");
    assert!(board["values"]["mem"].as_f64().unwrap() > 0.0, "{board}");
    assert!(board["values"]["disk./.percent"].is_number(), "{board}");
    hub.wait_for(&own_name(), |board| board["reports"].as_u64() >= Some(3));
    let history = hub.json(&format!("/api/v1/hosts/{}/history?series=mem", own_name()));
    assert!(history["t"].as_array().unwrap().len() >= 3, "{history}");
    assert_eq!(hub.json("/api/v1/hub")["boards"], 1);
}

#[test]
fn a_board_needs_nothing_but_the_address_of_the_hub_and_each_of_its_reports_is_confirmed() {
    let hub = Hub::start("self=no");
    let config = Config::new(hub.amqp, "/");
    let mut agent = Agent::start(&config.clone().set("app", "primary_timer", "0.1"), &[]);
    let board = hub.wait_for(&own_name(), |board| board["reports"].as_u64() >= Some(20));
    assert_eq!((&board["lost"], &board["duplicates"]), (&0.into(), &0.into()), "{board}");
    assert_eq!((board["source"].as_str(), board["address"].as_str()), (Some("amqp"), Some("127.0.0.1")));
    // At its end the agent waits less than a second for what is not confirmed yet.
    agent.reload(&config.set("app", "primary_timer", "3600"));
    Counters::wait_for(&agent, |c| c.sampled >= 20 && c.pending == 0);
    assert_eq!(agent.stop().code(), Some(0));
    let end = Counters::last(&agent.lines()).unwrap();
    assert_eq!((end.confirmed, end.dropped), (end.sampled, 0), "{:#?}", agent.lines());
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_publisher_by_pika_is_a_board_with_whatever_figures_it_has() {
    let hub = Hub::start("self=no");
    let script = format!(
        "import pika
p = pika.ConnectionParameters('127.0.0.1', {}, credentials=pika.PlainCredentials('guest', 'guest'))
c = pika.BlockingConnection(p).channel()
c.exchange_declare('psistats', 'topic')
c.queue_declare('psistats.pi', exclusive=True)
c.confirm_delivery()
c.basic_publish('psistats', 'psistats.pi', '{{\"hostname\":\"pi\",\"cpu\":12.5,\"coffee\":{{\"cups\":3}}}}', mandatory=True)
print('confirmed')
input()",
        hub.amqp
    );
    let publisher = python(&script);
    publisher.wait_for_line("confirmed", PATIENCE);
    let board = hub.wait_for("pi", |_| true);
    assert_eq!((&board["values"]["cpu"], &board["values"]["coffee.cups"]), (&12.5.into(), &3.into()));
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_board_that_is_lost_is_forgotten_where_that_is_asked_for_and_comes_back_with_its_history() {
    let mut hub = Hub::start("self=no");
    let publish = |hub: &Hub, cpu: f64| hub.publish(&[format!("{{\"hostname\":\"pi\",\"cpu\":{cpu}}}")]);
    let forget = |hub: &Hub| {
        let url = format!("http://127.0.0.1:{}/api/v1/hosts/pi/forget", hub.page);
        let output =
            Command::new("curl").args(["-sS", "-X", "POST", "--noproxy", "*", &url]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    publish(&hub, 12.5);
    hub.wait_for("pi", |board| board["state"] == "well");
    assert!(forget(&hub).contains("pi is heard, and would be here again at its next report"));
    hub.wait_for("pi", |board| board["state"] == "lost");
    assert!(forget(&hub).contains("12.5"));
    let boards = |hub: &Hub| hub.json("/api/v1/hosts")["hosts"].as_array().unwrap().len();
    hub.wait_until(|hub| boards(hub) == 0);
    for kill in [true, false] {
        if kill {
            hub.kill()
        } else {
            hub.stop()
        }
        hub.start_again();
        assert_eq!(boards(&hub), 0);
    }
    publish(&hub, 50.0);
    hub.wait_for("pi", |board| board["reports"] == 1);
    let history = hub.json("/api/v1/hosts/pi/history?series=cpu&from=0");
    let has = |column: &str, cpu: f64| history[column].as_array().unwrap().contains(&cpu.into());
    assert!(has("min", 12.5) && has("max", 50.0));
    hub.stop();
    hub.start_again();
    hub.wait_for("pi", |board| board["reports"] == 1);
}

#[test]
fn chasars_client_node_is_a_board_too() {
    let hub = Hub::start("self=no");
    let mut node = Command::new(program("psistats"));
    let node = node.args(["chasar", "clientnode", "start", "127.0.0.1", &hub.chasar.to_string()]);
    let _node = Process::start(node);
    let board = hub.wait_for(&own_name(), |board| board["values"]["mem"].is_number());
    assert_eq!(board["source"], "chasar");
}

#[test]
fn a_login_beyond_what_the_configuration_says_is_refused_and_the_agent_says_so() {
    let hub = Hub::start("self=no\nuser=boards\npass=secret");
    let config = Config::new(hub.amqp, "/");
    let config = config.set("server", "user", "boards");
    let agent = Agent::start(&config.clone().set("server", "pass", "wrong"), &[]);
    agent.wait_for_line("check [server] user and pass", PATIENCE);
    hub.process.wait_for_line("login refused", PATIENCE);
    agent.reload(&config.set("server", "pass", "secret"));
    hub.wait_for(&own_name(), |board| board["reports"].as_u64() >= Some(1));
    let lines = hub.process.lines();
    assert!(!lines.iter().any(|line| line.contains("wrong") || line.contains("secret")), "{lines:#?}");
}

#[test]
fn an_intake_whose_port_is_taken_is_a_warning_and_the_rest_runs() {
    let taken = Refusing::new();
    let mut hub = Hub::at(free_port(), taken.port, taken.port, free_port(), "");
    for line in ["boards cannot publish to the hub: cannot listen", "chasar's client nodes cannot connect"] {
        hub.process.wait_for_line(line, PATIENCE);
    }
    hub.process.wait_for_line("or set [hub] amqp=no", PATIENCE);
    hub.wait_for(&own_name(), |_| true);
    hub.process.signal(Signal::SIGUSR1);
    hub.process.wait_for_line("boards=1 series=", PATIENCE);
    hub.process.signal(Signal::SIGTERM);
    assert_eq!(hub.process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn the_page_and_its_files_are_served_and_nothing_else() {
    let hub = Hub::start("self=no\nchasar=no\namqp=no");
    let (status, page) = hub.get("/");
    assert_eq!(status, 200);
    for name in page.split('"').filter(|name| name.ends_with(".js") || name.ends_with(".css")) {
        assert_eq!(hub.get(&format!("/{name}")).0, 200, "{name}");
    }
    assert_eq!(hub.get("/../Cargo.toml").0, 404);
}
