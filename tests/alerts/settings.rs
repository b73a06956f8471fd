//! The sections of the configuration, as they become rules and receivers.

use std::path::Path;

use psistats_host::conf::{Reading, ini};
use psistats_hub::alerts::rules::RULES;
use psistats_hub::alerts::settings::{self, Alerts};

use crate::world::World;

/// What is read, or the problems.
pub fn read(text: &str) -> Result<Alerts, String> {
    let file = Path::new("f");
    let ini = ini::parse(text.as_bytes(), file).unwrap();
    let (mut reading, mut alerts) = (Reading::new(&ini, file), Alerts::default());
    settings::read(&mut reading, &mut alerts, true);
    let warnings = reading.finish().map_err(|problems| problems.to_string())?;
    assert_eq!(warnings, []);
    Ok(alerts)
}

fn world(text: &str) -> World {
    let mut world = World::starting(read(text).unwrap().rules);
    world.run(60, |_, _| None);
    world
}

#[test]
fn a_rule_of_the_table_takes_another_bound_time_and_severity_or_is_switched_off() {
    let mut world = world(
        "[alert:temperature]\nabove=60\nfor=2\n[alert:memory]\nenabled=no\n[alert:wifi]\nbelow=-50\nclear=-45\nfor=0\n",
    );
    let report = r#""cpu_temp":61,"mem":99,"wifi":{"wlan0":{"level":-51}}"#;
    world.hold(1, report);
    assert_eq!(world.texts(), ["n: Wi-Fi signal of wlan0 is -51 dBm"]);
    world.hold(1_000, report);
    assert_eq!(world.texts(), ["n: CPU is at 61 °C"]);
    // The margin of 5 degrees goes with the bound.
    world.hold(10, r#""cpu_temp":56"#);
    assert_eq!(world.texts(), [""; 0]);
    world.hold(1, r#""cpu_temp":55"#);
    assert_eq!(world.texts().len(), 1);
    assert_eq!(read("[alert:lost]\nenabled=no\n").unwrap().rules.len(), RULES.len() - 1);
}

#[test]
fn an_operators_rule_looks_at_a_series_of_the_boards_with_a_tag() {
    let text = "[alert:busy]\nseries=load.0\nabove=4\nclear=2\nfor=5\non=site=attic\nseverity=critical\n";
    let mut world = world(text);
    for (name, site) in
        [("a", r#","tags":{"site":"attic"}"#), ("b", r#","tags":{"site":"cellar"}"#), ("c", "")]
    {
        for _ in 0..10 {
            world.say(name, None, &format!(r#""load":[4.5,1,1]{site}"#));
            world.tick();
        }
    }
    assert_eq!(world.texts(), ["a: load.0 is 4.5 (limit: 4)"]);
}

#[test]
fn a_wrong_section_says_what_was_expected_and_shows_no_secret() {
    for (text, expected) in [
        ("[alert:a]\nabove=1\n", "expected series= and either above= or below="),
        ("[alert:a]\nseries=mem\n", "expected series= and either above= or below="),
        ("[alert:a]\nseries=mem\nabove=1\nbelow=2\n", "expected series= and either above= or below="),
        ("[alert:a]\nseries=mem\nabove=1\nclear=2\n", "expected clear= on the good side"),
        ("[alert:a]\nseries=*.*.*\nabove=1\n", "at most two *"),
        ("[alert:a]\nseries=mem\nabove=inf\n", "expected a number"),
        ("[alert:temperature]\nbelow=3\n", "expected the bound on the same side"),
        ("[alert:lost]\nabove=3\n", "this rule has no bound"),
        ("[alert:lost]\nfor=long\n", "expected seconds"),
        ("[alert:a b]\nseries=mem\nabove=1\n", "expected a NAME"),
        ("[notify:a]\nurl=http://h/hidden\n", "expected type=webhook, ntfy, email or command"),
        ("[notify:a]\ntype=mail\nurl=http://h/hidden\n", "expected webhook, ntfy, email or command"),
        ("[notify:a]\ntype=email\nurl=http://h/hidden\n", "expected smtps://HOST"),
        ("[notify:a]\ntype=email\nurl=smtps://h\nfrom=a@b\n", "found no to"),
        ("[notify:a]\ntype=email\nurl=smtps://h\nfrom=a@b,c@d\nto=a@b\n", "expected one address"),
        ("[notify:a]\ntype=email\nurl=smtps://h\nfrom=a@b\nto=nobody\n", "expected addresses between commas"),
        ("[notify:a]\ntype=email\nurl=smtps://h\nfrom=a@b\nto=a@b\npass=hidden\n", "expected both user="),
        ("[notify:a]\ntype=command\ncommand=/bin/cat\nquiet=22-7\n", "expected two different times"),
        ("[notify:a]\ntype=command\ncommand=/bin/cat\nquiet_except=yes\n", "critical; or no"),
        ("[notify:a]\ntype=webhook\n", "expected url="),
        ("[notify:a]\ntype=webhook\nurl=https://h:0/hidden\n", "https://HOST"),
        (
            "[notify:a]\ntype=webhook\nurl=http://h/\ntoken=@file:/nowhere/hidden-not\n",
            "expected a password in",
        ),
        ("[notify:a]\ntype=command\n", "expected command="),
        ("[notify:a]\ntype=command\ncommand=sh -c x\n", "there is no shell"),
        ("[alerts]\ngrace=-1\n", "expected seconds"),
    ] {
        let problems = read(text).unwrap_err();
        assert!(problems.contains(expected), "{text}: {problems}");
        assert!(!problems.contains("hidden\""), "{problems}");
    }
}
