//! Files gone wrong: what is told, and what never is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;
use psistats::settings::{Needs, QueueKind, load, parse};
use psistats_host::conf::hosts::Host;
use psistats_host::conf::{Severity, count};

use crate::{LATER, cases, errors, settings, warnings};

#[test]
fn a_wrong_value_says_where_what_was_expected_and_what_came() {
    for (section, line, expected) in [
        ("server", "port=0", "a port from 1 to 65535"),
        ("server", "port=5672x", "a port from 1 to 65535"),
        ("server", "heartbeat=65536", "seconds from 0 to 65535"),
        (
            "server",
            "host=a,,b",
            "a host, or hosts separated by commas, each name, name:port or [IPv6 address]:port",
        ),
        ("server", "user=", "1 to 255 bytes of text on one line"),
        ("server", "path=", "1 to 255 bytes of text on one line"),
        ("server", "confirm_timeout=-1", "seconds from 0 to 604800"),
        ("server", "profile=Fleet", "board or fleet"),
        ("server", "connect=once", "keep or each"),
        ("message", "batch=0", "reports from 1 to 100"),
        ("message", "headers=clock=set", "no clock: messages have it before the clock is set"),
        ("queue", "arguments=x-max-length", "name=value between commas"),
        ("queue", "arguments=x-message-ttl=1", "no x-message-ttl: that is ttl"),
        ("message", "headers=dropped=1", "no dropped: messages have it after a loss"),
        ("exchange", "durable=maybe", "yes or no (or true/false, on/off, 1/0)"),
        ("exchange", "name=", "1 to 255 bytes of text on one line"),
        ("queue", "prefix=", "1 to 190 bytes of text on one line"),
        ("queue", "ttl=10s", "milliseconds from 0 to 4294967295, or nothing"),
        ("queue", "type=mirrored", "classic, quorum or stream, or nothing"),
        ("message", "timestamp=2", "yes or no (or true/false, on/off, 1/0)"),
        ("backlog", "bytes=100", "bytes from 8192 to 67108864"),
        ("backlog", "spool_interval=0.5", "seconds from 1 to 604800"),
        ("app", "primary_timer=0", "seconds from 0.001 to 604800"),
        ("app", "retry_timer=-1", "seconds from 0.001 to 604800"),
        ("app", "pidfile=", "the name of a file"),
        ("app", "pidfile_timeout=never", "seconds from 0 to 604800"),
        ("cpu_temp", "enabled=", "yes or no (or true/false, on/off, 1/0)"),
        ("chasar", "enabled=2", "yes or no (or true/false, on/off, 1/0)"),
        ("chasar", "master=a,b", "name, name:port or [IPv6 address]:port"),
        ("chasar", "port=0", "a port from 1 to 65535"),
        ("chasar", "interval=0", "seconds from 0.001 to 604800"),
        ("chasar", "interface=enx0123456789abc", "1 to 15 bytes of text on one line, or nothing"),
        ("chasar", "processes=1025", "processes from 0 to 1024"),
        ("chasar", "send_high_water=131072", "bytes from 131584 to 67108864"),
        (
            "chasar",
            "curve_server_key=rq:rM",
            "a CURVE key in Z85, which has 40 characters, as psistats-hub curve keygen prints it",
        ),
        ("chasar", "publish_port=65536", "a port from 1 to 65535"),
        ("chasar", "publish_high_water=1048575", "bytes from 1048576 to 1073741824"),
        ("chasar", "bind=127.0.0.1:5555", "an address of this machine, or *, without a port"),
        ("chasar", "bind=0", "an address of this machine, or *, without a port"),
        ("chasar", "message_bytes=67108865", "bytes from 1024 to 67108864"),
        ("chasar", "messages_per_second=-1", "messages from 0 to 4294967295"),
        ("chasar", "connections=many", "connections from 0 to 4294967295"),
        ("logger_root", "level=LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL, NOTSET"),
    ] {
        let (key, value) = line.split_once('=').unwrap();
        assert_eq!(
            errors(&format!("[{section}]\n\n{line}\n")),
            [format!("f:3: [{section}] {key}: expected {expected}, found \"{value}\"")]
        );
    }
    let long = "x".repeat(256);
    for key in ["[exchange]\nname", "[exchange]\ntype", "[server]\npath", "[server]\nuser", "[server]\npass"]
    {
        assert_eq!(errors(&format!("{key}={long}")).len(), 1, "{key}");
    }
}

#[test]
fn every_error_is_told_in_the_order_of_lines_and_then_every_warning_which_is_called_one() {
    let text =
        "[app]\nprimary_timr=1\nprimary_timer=x\n[server]\nport=y\nurl=amqpz://u:p@h\n[logging]\nkeys=root\n";
    let problems = parse(text.as_bytes(), Path::new("f")).unwrap_err();
    assert_eq!(count(&problems.0, Severity::Error), "4 errors");
    assert_eq!(count(&problems.0, Severity::Warning), "2 warnings");
    assert_eq!(
        problems.to_string().lines().collect::<Vec<_>>(),
        [
            "f:3: [app] primary_timer: expected seconds from 0.001 to 604800, found \"x\"",
            "f:5: [server] port: expected a port from 1 to 65535, found \"y\"",
            "f:6: [server] url: expected amqp://user:pass@host:port/vhost",
            "f:7: [logging]: expected a section [logger_root] beside it",
            "f:2: warning: [app] primary_timr: unknown key, did you mean primary_timer?",
            "f:5: warning: [server] port: has no effect beside url on line 6",
        ]
    );
}

#[test]
fn a_value_that_was_surely_meant_otherwise_is_a_warning_without_the_value_of_a_secret() {
    assert_eq!(
        warnings(
            "[server]\nuser='guest'\npass=\"sesame\"\n[app]\npidfile=$HOME/sesame # here\n[exchange]\ntype=Topic\n"
        ),
        [
            "f:2: [server] user: the quotes are a part of the value; leave them out",
            "f:3: [server] pass: the quotes are a part of the value; leave them out",
            "f:5: [app] pidfile: what looks like a comment is a part of the value; put it on a line of its own",
            "f:5: [app] pidfile: a variable of the environment is not looked up; write what it stands for",
            "f:7: [exchange] type: expected direct, fanout, headers, topic, or a plugin's x-TYPE, found \"Topic\", \
             did you mean topic?",
        ]
    );
    assert_eq!(
        warnings("[server]\nurl=amqp://u:$SESAME@h\n[exchange]\ntype=magic\n"),
        [
            "f:2: [server] url: a variable of the environment is not looked up; write what it stands for",
            "f:4: [exchange] type: expected direct, fanout, headers, topic, or a plugin's x-TYPE, found \"magic\"",
        ]
    );
    for kind in ["direct", "fanout", "headers", "topic", "x-consistent-hash"] {
        assert_eq!(warnings(&format!("[exchange]\ntype={kind}\n")), [""; 0]);
    }
    // What beside an error says why it is one.
    assert_eq!(
        errors("[server]\nport=\"5672\"\n"),
        [
            "f:2: [server] port: expected a port from 1 to 65535, found \"\"5672\"\"",
            "f:2: [server] port: the quotes are a part of the value; leave them out",
        ]
    );
}

#[test]
fn queue_types_that_the_broker_would_refuse_are_errors_with_both_lines() {
    assert_eq!(
        errors("[queue]\ntype=quorum\nexclusive=yes\nautodelete=no\n"),
        [
            "f:2: [queue] type: quorum needs durable=yes; without it the default is otherwise",
            "f:2: [queue] type: quorum needs exclusive=no; line 3 says otherwise",
        ]
    );
    assert_eq!(
        errors("[queue]\ntype=stream\ndurable=yes\nexclusive=no\nautodelete=no\nttl=5\n"),
        ["f:2: [queue] type: stream needs ttl= with no value; line 6 says otherwise"]
    );
    let stream = "[queue]\ntype=stream\ndurable=yes\nexclusive=no\nautodelete=no\nttl=\n";
    assert_eq!(settings(stream).queue.kind, Some(QueueKind::Stream));
}

#[test]
fn what_would_lose_reports_is_an_error() {
    assert_eq!(
        errors("[server]\nconnect=each\n[message]\nbatch=2\n[backlog]\nbytes=8192\n"),
        [
            "f:2: [server] connect: with each, an exclusive queue would end with the connection, and the reports in it: set [queue] declare=no or exclusive=no",
            "f:4: [message] batch: a message of several reports needs [backlog] bytes of at least 32768, found 8192",
        ]
    );
}

#[test]
fn a_message_of_which_no_second_one_can_wait_for_a_subscriber_is_an_error() {
    assert_eq!(
        errors("[chasar]\npublish_high_water=1048576\nmessage_bytes=524289\n"),
        ["f:3: [chasar] message_bytes=524289 needs publish_high_water=1048578 or more, found 1048576"]
    );
    assert_eq!(
        errors("[chasar]\npublish_high_water=2097151\n"),
        ["f:2: [chasar] message_bytes=1048576 needs publish_high_water=2097152 or more, found 2097151"]
    );
    assert_eq!(settings("[chasar]\npublish_high_water=2097152\n").chasar.message_bytes, 1_048_576);
}

#[test]
fn a_formatter_or_a_handler_that_is_missing_or_wrong_is_an_error() {
    assert_eq!(
        errors("[logger_root]\nhandlers=a,\x1b\n"),
        [
            "f:2: [logger_root] handlers: there is no section [handler_a]",
            "f:2: [logger_root] handlers: there is no section [handler_\\u{1b}]",
        ]
    );
    assert_eq!(
        errors(
            "[handlers]\nkeys=a,b\n[formatters]\nkeys=\n[logger_root]\nhandlers=a,c\n[handler_c]\nclass=NullHandler\n\
             [handler_a]\nclass=NullHandler\nformatter=f\n[formatter_f]\n"
        ),
        [
            "f:2: [handlers] keys: there is no section [handler_b]",
            "f:6: [logger_root] handlers: c is missing in [handlers] keys=",
            "f:11: [handler_a] formatter: f is missing in [formatters] keys=",
        ]
    );
    let with = |rest: &str| errors(&format!("[logger_root]\nhandlers=h\n[handler_h]\n{rest}"));
    assert_eq!(
        with("class=NullHandler\nformatter=f\n"),
        ["f:5: [handler_h] formatter: there is no section [formatter_f]"]
    );
    let wrong =
        with("class=NullHandler\nformatter=f\n[formatter_f]\nformat=%(nope)s\nstyle={\nclass=my.Own\n");
    assert!(wrong[0].starts_with("f:7: [formatter_f] format: expected fields among asctime, "), "{wrong:?}");
    assert_eq!(wrong[1], "f:8: [formatter_f] style: expected %, the only style supported, found \"{\"");
    assert_eq!(wrong[2], "f:9: [formatter_f] class: expected logging.Formatter, found \"my.Own\"");
}

#[test]
fn a_cut_password_and_a_key_set_twice_are_warnings() {
    assert_eq!(
        warnings("[server]\npass=a ;b\nport=1 ; fine\nport=2\n"),
        [
            "f:2: [server] pass: ` ;` starts a comment and what follows is no part of the value; \
             a ; right after another character is",
            "f:4: [server] port: set again; the value on line 3 has no effect",
        ]
    );
}

#[test]
fn fault_36_an_unknown_key_or_section_is_a_warning_with_file_line_and_a_near_name() {
    assert_eq!(
        warnings(
            "[server]\nhots=a\ntimer=1\n[serve]\nport=1\n[else]\n[DEFAULT]\ncolour=red\n[logger_x]\n[logger_root]\n"
        ),
        [
            "f:2: [server] hots: unknown key, did you mean host?",
            "f:3: [server] timer: unknown key",
            "f:4: [serve]: unknown section, did you mean [server]?",
            "f:6: [else]: unknown section",
            "f:8: [DEFAULT] colour: unknown key",
            "f:9: [logger_x]: has no effect: the loggers here are root and pika, where keys= lists them",
        ]
    );
    assert_eq!(
        warnings("[app]\nprimary_timr=1\n"),
        ["f:2: [app] primary_timr: unknown key, did you mean primary_timer?"]
    );
}

#[test]
fn fault_36_a_torn_file_or_one_that_is_not_utf_8_is_an_error_with_its_line() {
    assert_eq!(errors("[server]\nhost=a\npo"), ["f:3: expected `key = value`, found no `=`"]);
    assert_eq!(errors("[server]\nhost=a\n[que"), ["f:3: expected `[section]`, found no `]`"]);
    assert!(errors("[server]\nhost=a\n\0\0\0\0")[0].starts_with("f:3: "));
    let error = parse(b"[server]\nuser=\xe9\n", Path::new("f")).unwrap_err().to_string();
    assert_eq!(error, "f:2: expected UTF-8: save the file in that encoding");
}

#[test]
fn fault_36_a_password_that_everyone_can_read_is_a_warning_that_says_chmod() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("psistats.conf");
    let warned = |text: &str, mode| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        load(Some(&file), Needs::PUBLISH)
            .unwrap()
            .warnings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let at = |line| {
        let file = file.display();
        vec![format!("{file}:{line}: everyone on this machine can read this password: chmod 640 {file}")]
    };
    assert_eq!(warned("[server]\nuser=u\npass=p\n", 0o644), at(3));
    assert_eq!(warned("[server]\nurl=amqp://u:p@h\n", 0o604), at(2));
    for (text, mode) in [
        ("[server]\npass=p\n", 0o640),
        ("[server]\npass=\n", 0o644),
        ("[server]\nurl=amqp://u@h\n", 0o644),
        ("[server]\nuser=u\n", 0o644),
    ] {
        assert_eq!(warned(text, mode), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn fault_36_a_password_in_a_file_of_its_own_is_read_and_what_is_wrong_with_it_has_the_line_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let (file, secret) = (dir.path().join("psistats.conf"), dir.path().join("secret"));
    // That everyone can read this file shows nobody the password.
    fs::write(&file, format!("[server]\nuser=u\npass=@file:{}\n", secret.display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let write = |text: &str, mode| {
        fs::write(&secret, text).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("sesame\n", 0o600);
    let loaded = load(Some(&file), Needs::PUBLISH).unwrap();
    assert_eq!((loaded.settings.server.pass.reveal(), loaded.warnings), ("sesame", vec![]));
    write("sesame\n", 0o644);
    let (file, secret) = (file.display(), secret.display());
    let warned = load(Some(Path::new(&file.to_string())), Needs::PUBLISH).unwrap().warnings;
    let expected = format!("{file}:3: everyone on this machine can read this password: chmod 640 {secret}");
    assert_eq!(warned.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    write("sesame\nand more\n", 0o600);
    let error = load(Some(Path::new(&file.to_string())), Needs::PUBLISH).unwrap_err().to_string();
    let start = format!("{file}:3: [server] pass: expected a password in {secret}; that is not one line");
    assert!(error.starts_with(&start) && !error.contains("sesame"), "{error}");
    assert_eq!(
        warnings("[server]\npass=@files:/x\n"),
        ["f:2: [server] pass: is taken as it stands; only @file:PATH and @credential:NAME name a file"]
    );
}

#[test]
fn a_password_with_a_bare_slash_does_not_become_the_virtual_host() {
    assert_eq!(
        errors("[server]\nurl=amqp://u:1/sesame@h\n"),
        [
            "f:2: [server] url: expected one name after the host: / and @ in a virtual host or password are written \
             %2f and %40"
        ]
    );
}

#[test]
fn a_file_that_was_asked_for_and_is_missing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("psistats.conf");
    let error = load(Some(&file), Needs::PUBLISH).unwrap_err().to_string();
    assert_eq!(error, format!("{}: no such file: expected a psistats.conf", file.display()));
    assert!(
        load(Some(dir.path()), Needs::PUBLISH)
            .unwrap_err()
            .to_string()
            .ends_with("expected a regular file, found something else")
    );
    fs::write(&file, "[server]\nhost=board\n").unwrap();
    let loaded = load(Some(&file), Needs::PUBLISH).unwrap();
    assert_eq!(loaded.source.as_deref(), Some(&*file));
    assert_eq!(loaded.settings.server.hosts, [Host { name: "board".into(), port: 5672 }]);
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes, Path::new("f"));
    }

    #[test]
    fn damaged_files_never_panic(at in 0..LATER.len(), bytes in prop::collection::vec(any::<u8>(), 0..4), torn: bool) {
        let mut file = LATER.as_bytes().to_vec();
        let end = if torn { file.len() } else { (at + bytes.len()).min(file.len()) };
        file.splice(at..end, bytes);
        let _ = parse(&file, Path::new("f"));
    }

    /// Whatever is wrong with the file, and wherever the password was put.
    #[test]
    fn no_message_shows_a_password(
        before in "[a-zA-Z0-9=:;#%@/ ]{0,6}",
        after in "[a-zA-Z0-9=:;#%@/ ]{0,6}",
        place in prop::sample::select(vec![
            "pass={}", "pass {}", "pass : {}", "pass=x\n  {}", "passs={}", "pass=1\npass={}",
            "url=amqp://u:{}@h", "url=amqps://u:{}@h", "url=amqp://u:{}@h:port", "url = {}",
            "url=amqp://u:{}@h/a/b\nhost=h", "host=amqp://u:{}@h", "host=amqp://u:{} ;x@h", "pass={}\u{7f}", "url=amqp://u:%zz{}@h",
        ]),
        rest in prop::sample::select(vec!["", "port=x", "user", "[queue]\ntype=none", "[logging]\nkeys=root", "\0"]),
    ) {
        let secret = format!("{before}sesame{after}");
        // Behind ` ;` is a comment: what is left of such a URL has its host where the password was.
        prop_assume!(!(place.starts_with("url") && before.contains('@') && after.contains(" ;")));
        let text = format!("[server]\n{}\n{rest}\n", place.replace("{}", &secret));
        let told = match parse(text.as_bytes(), Path::new("f")) {
            Ok((settings, warnings)) => format!("{settings:?} {warnings:?}"),
            Err(errors) => format!("{errors} {errors:?}"),
        };
        prop_assert!(!told.contains("sesame"), "{text:?}: {told}");
    }
}
