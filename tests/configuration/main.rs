//! psistats.conf against Python's own reader, the original's files, and files gone wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod faults;
mod needs;
mod python;

use std::path::Path;
use std::time::Duration;

use proptest::prelude::ProptestConfig;
use psistats::settings::{QueueKind, Settings, parse};
use psistats_host::conf::Problem;
use psistats_host::conf::chasar::Chasar;
use psistats_host::conf::curve::Keys;
use psistats_host::conf::figures::BasicFigure;
use psistats_host::conf::hosts::Host;
use psistats_host::conf::logging::{Field, Format, Handler, Level, Logger, Logging, Piece, Target, When};
use psistats_host::conf::sensors::Device;

const DOCUMENTED: &str = include_str!("../fixtures/config/documented.conf");
const LATER: &str = include_str!("../fixtures/config/later.conf");

fn read(text: &str) -> (Settings, Vec<Problem>) {
    parse(text.as_bytes(), Path::new("f")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn settings(text: &str) -> Settings {
    read(text).0
}

fn errors(text: &str) -> Vec<String> {
    parse(text.as_bytes(), Path::new("f")).expect_err(text).0.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    read(text).1.iter().map(ToString::to_string).collect()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn plain(field: Field) -> Piece {
    Piece::Field { field, width: 0, zeros: false, kind: 's' }
}

fn usual_format() -> Format {
    let space = || Piece::Text(" ".into());
    let [time, name, level] = [Field::Asctime, Field::Name, Field::Levelname].map(plain);
    let pieces = vec![time, space(), name, space(), level, space(), plain(Field::Message)];
    Format { pieces, datefmt: None }
}

#[test]
fn the_documented_example_gives_the_documented_settings() {
    let (settings, warnings) = read(DOCUMENTED);
    assert_eq!(warnings, []);
    let logging = Logging {
        handlers: vec![Handler {
            name: "fileout".into(),
            level: Level::Debug,
            target: Target::TimedRotatingFile {
                path: "psistats.log".into(),
                when: When::Midnight,
                interval: 1,
                backups: 0,
                utc: false,
            },
            format: usual_format(),
        }],
        root: Logger { level: Level::Info, handlers: vec![0], propagate: false, qualname: "psistats".into() },
        pika: None,
    };
    // Every other documented value is the default.
    assert_eq!(settings, Settings { logging: Some(logging), ..Settings::default() });
}

#[test]
fn each_documented_key_has_its_effect() {
    let s = settings(
        "[queue]\nprefix=q\nexclusive=no\ndurable=ON\nautodelete=False\nttl=\ntype=Quorum\ndeclare=0\n\
         [exchange]\nname=x\ntype=direct\ndurable=True\nautodelete=1\ndeclare=off\n\
         [server]\nhost=a, b:1, [::1]:2\nport=3\npath=v\nuser=u\npass=p;w\nheartbeat=0\n\
         confirm_timeout=0\nrebalance=60\nretry_spread=1.5\n\
         [message]\ntimestamp=yes\npersistent=yes\n[backlog]\nbytes=8192\nfile=/s\nspool_interval=5\n\
         [app]\nprimary_timer=0.1\nsecondary_timer=2\nretry_timer=1.5\npidfile=/p\npidfile_timeout=0\n\
         stdin_path=\nstdout_path=/o\nstderr_path=/e\n[cpu_temp]\nenabled=0\n\
         [chasar]\nenabled=yes\nmaster=hub\nport=5554\ninterval=0.5\ninterface=eth0\nprocesses=0\nsend_high_water=200000\n\
         curve_server_key=rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\n\
         bind=*\npublish_port=7\npublish_high_water=2097152\nmessage_bytes=1024\nmessages_per_second=0\nconnections=9\n",
    );
    let host = |name: &str, port| Host { name: name.into(), port };
    assert_eq!(s.server.hosts, [host("a", 3), host("b", 1), host("::1", 2)]);
    assert_eq!((&*s.server.vhost, &*s.server.user, s.server.pass.reveal()), ("v", "u", "p;w"));
    assert_eq!(s.server.heartbeat, 0);
    let times = [s.server.confirm_timeout, s.server.rebalance, s.server.retry_spread];
    assert_eq!(times.map(|time| time.as_millis()), [0, 60_000, 1500]);
    assert_eq!((&*s.queue.prefix, s.queue.exclusive, s.queue.durable), ("q", false, true));
    assert_eq!((s.queue.autodelete, s.queue.ttl, s.queue.declare), (false, None, false));
    assert_eq!(s.queue.kind, Some(QueueKind::Quorum));
    assert_eq!((&*s.exchange.name, &*s.exchange.kind, s.exchange.declare), ("x", "direct", false));
    assert!(s.exchange.durable && s.exchange.autodelete && s.reports.timestamp && s.message.persistent);
    let spool = (s.backlog.file.as_deref(), s.backlog.spool_interval.as_secs());
    assert_eq!((s.backlog.bytes, spool), (8192, (Some(Path::new("/s")), 5)));
    assert_eq!(s.app.primary_timer, Duration::from_millis(100));
    assert_eq!(s.app.secondary_timer, Duration::from_secs(2));
    assert_eq!(s.app.retry_timer, Duration::from_millis(1500));
    assert_eq!(s.app.pidfile_timeout, Duration::ZERO);
    let paths = [&s.app.pidfile, &s.app.stdin_path, &s.app.stdout_path, &s.app.stderr_path];
    assert_eq!(paths.map(|path| path.to_str().unwrap()), ["/p", "/dev/null", "/o", "/e"]);
    assert!(!s.reports.cpu_temp.enabled);
    let chasar = Chasar {
        enabled: true,
        master: host("hub", 5554),
        port: 5554,
        interval: Duration::from_millis(500),
        interface: Some("eth0".into()),
        processes: 0,
        send_high_water: 200_000,
        curve: Keys { server: "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7".parse().ok(), ..Keys::default() },
        bind: "*".into(),
        publish_port: 7,
        publish_high_water: 2_097_152,
        message_bytes: 1024,
        messages_per_second: 0,
        connections: 9,
    };
    assert_eq!(s.chasar, chasar);
    assert_eq!(settings("[chasar]\nmaster=[::1]:9\nport=8\n").chasar.master, host("::1", 9));
    assert_eq!(settings("[chasar]\nmaster=a:9\n").chasar.port, 5555, "of a master node that is here");
    assert_eq!(settings("[chasar]\ninterface=\n"), Settings::default());
}

#[test]
fn a_board_of_a_fleet_publishes_only_unless_other_keys_say_otherwise() {
    let fleet = settings("[server]\nprofile=fleet\n");
    assert_eq!((fleet.exchange.declare, fleet.queue.declare), (false, false));
    assert_eq!(fleet.server.retry_spread, Duration::from_secs(60));
    let with =
        settings("[server]\nprofile=fleet\nretry_spread=0\n[queue]\ndeclare=yes\n[exchange]\ndeclare=yes\n");
    assert_eq!(with, Settings::default());
    assert_eq!(settings("[server]\nprofile=board\n"), Settings::default());
}

#[test]
fn a_routing_key_has_the_tags_and_the_place_of_the_host_name() {
    let key = |text: &str| settings(text).exchange.routing_key;
    assert_eq!(key("[exchange]\nrouting_key=\n"), None);
    assert_eq!(key("[exchange]\nrouting_key=fixed\n").unwrap(), "fixed");
    assert_eq!(
        key("[exchange]\nrouting_key={tag:Site}.{hostname}.{tag:rack}x\n[tags]\nsite=K\u{f6}ln\nrack=3\n")
            .unwrap(),
        "K\u{f6}ln.{hostname}.3x"
    );
    let long = "x".repeat(191);
    for (wrong, expected) in [
        ("a.{tag:site}", "a key of [tags] in {tag:site}"),
        ("a.{host}", "{hostname} or {tag:NAME} in braces"),
        ("a.{hostname", "{hostname} or {tag:NAME} in braces"),
        (&format!("{long}.{{hostname}}"), "at most 255 bytes, with a host name of 64"),
    ] {
        let told = errors(&format!("[exchange]\nrouting_key={wrong}\n"));
        assert!(
            told.len() == 1 && told[0].contains(&format!("routing_key: expected {expected}")),
            "{told:?}"
        );
    }
    assert!(key(&format!("[exchange]\nrouting_key={}.{{hostname}}\n", &long[1..])).is_some());
}

#[test]
fn a_file_of_a_later_version_runs_with_a_warning_for_each_section_without_effect() {
    let (settings, warnings) = read(LATER);
    let warned: Vec<String> = warnings.iter().map(|w| w.text.clone()).collect();
    assert_eq!(
        warned,
        [
            "[logger_pika]: has no effect: the loggers here are root and pika, where keys= lists them",
            "[hostname]: has no effect: hostname is in every report",
        ]
    );
    let wanted: Vec<_> = settings.reports.figures.wanted.iter().map(|wanted| wanted.name).collect();
    assert_eq!(wanted, ["percpu", "sensors", "hddspace", "os"]);
    let every = |seconds| BasicFigure { enabled: true, interval: Some(Duration::from_secs(seconds)) };
    assert_eq!([settings.reports.cpu, settings.reports.mem, settings.reports.uptime], [2, 2, 1].map(every));
    assert_eq!(settings.reports.ipaddr, every(120));
    assert_eq!(settings.reports.cpu_temp, BasicFigure::default());
    assert_eq!(settings.server, Settings::default().server);
    let logging = settings.logging.unwrap();
    assert_eq!(logging.pika, None, "[logging] keys=root does not list it");
    let used: Vec<_> = logging.root.handlers.iter().map(|&n| &*logging.handlers[n].name).collect();
    assert_eq!(used, ["syslog"]);
    assert_eq!(logging.handlers[0].format, usual_format());
}

#[test]
fn a_logger_counts_where_a_list_names_it_or_where_there_is_no_list() {
    let sections =
        "[logger_root]\n[logger_pika]\nlevel=ERROR\n[logger_amqp]\nqualname=pika\nlevel=CRITICAL\n";
    for (list, level) in [
        ("[logging]\nkeys=root\n", None),
        ("[loggers]\nkeys=root\n", None),
        ("[loggers]\nkeys=\n", None),
        ("[logging]\nkeys=root, pika\n", Some(Level::Error)),
        ("[loggers]\nkeys=root,pika,amqp\n", Some(Level::Error)),
        ("[loggers]\nkeys=root,amqp\n", Some(Level::Critical)),
        ("", Some(Level::Error)),
    ] {
        let (settings, warnings) = read(&format!("{list}{sections}"));
        assert_eq!(settings.logging.unwrap().pika.map(|pika| pika.level), level, "{list}");
        let told = warnings.iter().filter(|w| w.text.starts_with("[logger_pika]: has no effect")).count();
        assert_eq!(told == 1, level != Some(Level::Error), "{list}: {warnings:?}");
    }
}

#[test]
fn the_url_counts_before_the_other_keys_with_a_warning_for_each() {
    let text = "[server]\nhost=other\nurl=amqp://u:p%40@[::1]:7/%2fv?heartbeat=5\npass=q\n";
    let server = settings(text).server;
    assert_eq!(server.hosts, [Host { name: "::1".into(), port: 7 }]);
    assert_eq!((&*server.vhost, &*server.user, server.pass.reveal()), ("/v", "u", "p@"));
    assert_eq!(
        warnings(text),
        [
            "f:2: [server] host: has no effect beside url on line 3",
            "f:3: [server] url: heartbeat has no effect",
            "f:4: [server] pass: has no effect beside url on line 3",
        ]
    );
    assert_eq!(settings("[server]\nurl=amqp://guest:guest@localhost/%2f"), Settings::default());
}

#[test]
fn the_level_of_pika_is_roots_where_it_has_none() {
    let levels = |root: &str, pika: &str| {
        let logging = settings(&format!("[logger_root]\n{root}\n[logger_pika]\n{pika}\n")).logging.unwrap();
        (logging.root.level, logging.pika.unwrap().level)
    };
    assert_eq!(levels("", ""), (Level::Warning, Level::Warning));
    assert_eq!(levels("level=info", "level=NOTSET"), (Level::Info, Level::Info));
    assert_eq!(levels("level=NOTSET", "level=CRITICAL"), (Level::NotSet, Level::Critical));
    let renamed = "[loggers]\nkeys=root,amqp\n[logger_root]\n[logger_amqp]\nqualname=pika\nlevel=ERROR\n";
    assert_eq!(settings(renamed).logging.unwrap().pika.unwrap().level, Level::Error);
    assert_eq!(settings("[handlers]\nkeys=\n").logging, None);
}

#[test]
fn sensors_are_named_as_the_original_named_them() {
    let figures = settings(LATER).reports.figures;
    assert!(figures.interval("sensors").is_some());
    let device = |label: &str, feature: &str| Device {
        chip: "coretemp-isa-0000".into(),
        feature: feature.into(),
        label: label.into(),
    };
    assert_eq!(figures.options.sensors, [device("Core 1", "Core 0"), device("Core 2", "Core 1")]);
    assert_eq!(
        errors("[sensors]\nenabled=yes\ndevices[]=coretemp.Core 0\n"),
        [
            "f:3: [sensors] devices[]: expected a line for each sensor, CHIP.FEATURE or (LABEL, CHIP.FEATURE), \
          as `psistats sensors` lists them, found \"coretemp.Core 0\""
        ]
    );
    assert_eq!(
        warnings("[sensors]\nenabled=yes\ndevices=a-b-c.d\n"),
        ["f:3: [sensors] devices: unknown key, did you mean devices[]?"]
    );
}
