//! Full disks and read-only ones (fault 35).

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::place::{Place, answer, count, wait_until};
use support::PATIENCE;
use support::agent::Config;
use support::broker::Broker;
use support::consumer::Tap;
use support::process::{Process, Stream};
use support::refusing::Refusing;
use support::reports::{Counters, next, read_past, sequence};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_35_a_full_disk_costs_log_lines_but_no_report_and_is_reported_once_each_time() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let place = Place::new("");
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let log = disk.join("log");
    place.configure(
        Config::new(broker.port, &vhost)
            .text("[logging]\nkeys=root\n[logger_root]\nlevel=INFO\nhandlers=file\n[handler_file]\n")
            .text(&format!("class=FileHandler\nfilename={}\n", log.display()))
            .to_string(),
    );
    let setup = format!("mount -t tmpfs -o size=64k tmpfs '{}'", disk.display());
    let agent = Process::start(&mut place.psistats_after(&setup, "start-local"));
    let mut last = sequence(&next(&reading));

    let seen = |path: &PathBuf| format!("/proc/{}/root{}", agent.pid(), path.display());
    let lines = || fs::read_to_string(seen(&log)).unwrap().lines().count();
    for times in 1..=2 {
        // The rest of the log's last page may still take some lines, which are not counted.
        fill(&seen(&disk.join("rest")));
        while count(&agent.lines_of(Stream::Stderr), "no space left") < times {
            agent.signal(Signal::SIGUSR1);
            last = sequence(&read_past(&reading, last + 1));
        }
        for _ in 0..20 {
            agent.signal(Signal::SIGUSR1);
            let report = next(&reading);
            assert_eq!(sequence(&report), last + 1, "a report is missing");
            last += 1;
        }
        let full = lines();
        fs::remove_file(seen(&disk.join("rest"))).unwrap();
        wait_until("lines are written again", || {
            agent.signal(Signal::SIGUSR1);
            lines() > full + 1
        });
        let said = agent.lines_of(Stream::Stderr);
        assert_eq!(count(&said, "no space left"), times, "{said:#?}");
    }
    let last_line = fs::read_to_string(seen(&log)).unwrap().lines().last().unwrap().to_owned();
    assert!(Counters::parse(&last_line).is_some(), "{last_line}");
}

#[test]
#[ignore = "needs root: tests/run"]
fn fault_35_a_full_disk_costs_the_spool_but_no_report_and_it_is_written_once_there_is_room() {
    let nobody = Refusing::new();
    let place = Place::new("");
    let disk = place.path("disk");
    fs::create_dir(&disk).unwrap();
    let spool = disk.join("spool");
    let config = Config::new(nobody.port, "/").set("backlog", "file", spool.display());
    place.configure(config.set("backlog", "spool_interval", 1).to_string());
    // Not enough for the file, whose blocks are taken at once.
    let setup = format!("mount -t tmpfs -o size=64k tmpfs '{}'", disk.display());
    let mut agent = Process::start(&mut place.psistats_after(&setup, "start-local"));
    let complaint = agent.wait_for_line("cannot write the spool", PATIENCE);
    assert!(complaint.contains("no space left on device; reports are kept in memory only"), "{complaint}");
    // It tries again meanwhile, and says nothing.
    Counters::wait_for(&agent, |c| c.pending > 60);
    let mut more = Command::new("nsenter");
    more.args(["--mount", "--target", &agent.pid().to_string(), "mount", "-o", "remount,size=1m"]).arg(&disk);
    assert!(more.status().unwrap().success());
    agent.wait_for_line("is written again", PATIENCE);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
    let said = agent.lines();
    assert_eq!(
        (count(&said, "cannot write"), count(&said, "reports are kept in the spool")),
        (1, 1),
        "{said:#?}"
    );
}

fn fill(file: &str) {
    let mut file = File::create(file).unwrap();
    loop {
        match file.write_all(&[0; 1024]) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_35_on_a_read_only_disk_reports_are_published_and_a_start_names_a_file_that_it_cannot_write() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let place = Place::of(&Config::new(broker.port, &vhost));
    let here = place.dir().display();
    let read_only = format!(
        "mount --bind '{here}' '{here}'\nmount -o remount,bind,ro '{here}'\nmount -o remount,bind,ro /"
    );
    let mut agent = Process::start(&mut place.psistats_after(&read_only, "start-local"));
    let first = sequence(&next(&reading));
    assert_eq!(sequence(&read_past(&reading, 20)) - first, 19);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));

    let pidfile = Config::new(broker.port, &vhost).set("app", "pidfile", place.path("pid").display());
    place.configure(pidfile.to_string());
    let (code, _, complaint) = answer(&mut place.psistats_after(&read_only, "start"));
    assert_eq!(code, Some(1));
    assert!(complaint.contains(&format!("{here}/pid")) && complaint.contains("read-only"), "{complaint}");
}
