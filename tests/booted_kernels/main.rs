//! The binaries of `boards/build` on Debian kernels that an emulated machine boots. In qemu's user mode the
//! host would answer the system calls. See `boot`, `init` and `guest.c` beside this file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::agent::Config;
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::pki::{P256, Pki, VALID};
use support::process::{Process, Stream};
use support::reports::sequence;

/// The timeout for fetching a kernel, booting it in emulation, and two runs of the agent.
const A_WHILE: Duration = Duration::from_secs(400);
/// 2100-01-01, which does not fit into 32 bits of seconds.
const LATE: u64 = 4_102_444_800;

/// The output of a machine, and the reports that it sent.
struct Booted {
    said: Vec<String>,
    /// The run over TLS, under a filter that fails system calls newer than Linux 3.1 (3.7 on ARM64) with ENOSYS.
    on_an_old_kernel: Vec<Message>,
    /// The run in the year 2100.
    late: Vec<Message>,
}

impl Booted {
    /// A second machine where the first one stood still: qemu's Pi Zero now and then does, between two programs, on a
    /// busy host. That is the emulator's; everything else that goes wrong is a failure at once.
    fn with(target: &str) -> Self {
        let second = |_| Self::boot(target);
        Self::boot(target).or_else(second).unwrap_or_else(|said| panic!("{said:#?}"))
    }

    /// The error is the output of a machine that stood still.
    fn boot(target: &str) -> Result<Self, Vec<String>> {
        let pki = Pki::default();
        pki.issue("broker", "ca", P256, VALID, "subjectAltName=IP:10.0.2.2");
        let broker = Broker::tls(&pki, "broker", &[]);
        let pika = Tap::new(broker.port, "/").pika();
        let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let settings = |port| {
            Config::new(port, "/").set("server", "host", "10.0.2.2").set("app", "primary_timer", "0.1")
        };
        let over_tls =
            settings(broker.tls_port).set("server", "tls", "yes").set("server", "tls_ca", "/etc/ca.pem");
        fs::write(files.path().join("tls.conf"), over_tls.to_string()).unwrap();
        fs::write(files.path().join("plain.conf"), settings(broker.port).to_string()).unwrap();
        fs::copy(pki.cert("ca"), files.path().join("ca.pem")).unwrap();
        let boot = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/booted_kernels/boot");
        let mut machine = Process::start(Command::new(boot).arg(target).arg(files.path()));
        let is_success = machine.wait(A_WHILE).success();
        if machine.lines().iter().any(|line| line.contains("it did not come to its end")) {
            return Err(machine.lines());
        }
        assert!(is_success, "{:#?}", machine.lines());
        let said = machine.lines_of(Stream::Stdout);

        // The agent's last line has the number of reports that the broker has confirmed.
        let counts: Vec<usize> = said
            .iter()
            .filter(|line| line.contains(" (no connection"))
            .map(|line| value_after(line, "confirmed=").parse().unwrap())
            .collect();
        assert!(said.iter().any(|line| line.contains("over TLS 1.3")), "{said:#?}");
        let [old, late] = counts[..] else { panic!("{said:#?}") };
        assert!(old >= 20 && late >= 20, "{said:#?}");
        let mut messages = pika.take(old + late, A_WHILE).iter().map(Message::of_pika).collect::<Vec<_>>();
        let late = messages.split_off(old);
        Ok(Self { said, on_an_old_kernel: messages, late })
    }

    /// The text of the line `guest: NAME ...`.
    fn fact(&self, name: &str) -> &str {
        let start = format!("guest: {name} ");
        let line = self.said.iter().find(|line| line.starts_with(&start));
        &line.unwrap_or_else(|| panic!("no {start:?} in {:#?}", self.said))[start.len()..]
    }

    /// Asserts that each run's reports are complete, in order, and have the machine's name and time.
    fn check(&self, machine: &str) {
        assert!(self.fact("kernel").ends_with(machine), "{}", self.fact("kernel"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (reports, from, until) in
            [(&self.on_an_old_kernel, now - A_WHILE.as_secs(), now + 60), (&self.late, LATE, LATE + 300)]
        {
            for (report, number) in reports.iter().zip(1..) {
                assert_eq!(report.routing_key, "psistats.guest");
                assert_eq!(report.body["hostname"], "guest");
                assert!(
                    report.message_id.as_deref().unwrap().starts_with(self.fact("boot_id")),
                    "{report:?}"
                );
                assert_eq!(sequence(report), number);
                assert!((from..until).contains(&report.timestamp.unwrap()), "{report:?}");
                assert!((0.0..=100.0).contains(&report.body["mem"].as_f64().unwrap()), "{report:?}");
                assert!(number == 1 || report.body["cpu"].is_f64(), "{report:?}");
            }
            let first = &reports[0].body;
            let uptime: f64 = self.fact("uptime").parse().unwrap();
            assert!((0.0..uptime).contains(&first["uptime"].as_f64().unwrap()), "{first}");
            assert_eq!(first["ipaddr"], serde_json::json!(["10.0.2.15"]));
        }
        let resident = self.said.iter().filter(|line| line.starts_with("guest: resident"));
        let resident: Vec<u32> =
            resident.map(|line| value_after(line, "resident ").parse().unwrap()).collect();
        assert!(resident.len() == 2 && resident.iter().all(|kib| *kib < 2048), "{resident:?} KiB");
    }
}

/// The word after `key`.
fn value_after<'a>(line: &'a str, key: &str) -> &'a str {
    line.split_once(key)
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .unwrap_or_else(|| panic!("{line}"))
}

#[test]
#[ignore = "needs RabbitMQ, boards/build and qemu: tests/run"]
fn a_pi_zero_publishes_over_tls_with_old_system_calls_and_after_2038_and_reports_its_temperature() {
    let booted = Booted::with("arm-unknown-linux-musleabihf");
    booted.check("armv6l");
    assert_eq!(booted.fact("model"), "Raspberry Pi Zero");
    let millidegrees: f64 = booted.fact("temperature").parse().unwrap();
    assert_eq!(booted.late[0].body["cpu_temp"].as_f64().unwrap(), millidegrees / 1000.0);
}

#[test]
#[ignore = "needs RabbitMQ, boards/build and qemu: tests/run"]
fn on_debians_armv7_kernel_the_agent_publishes_over_tls_with_old_system_calls_and_after_2038() {
    Booted::with("armv7-unknown-linux-musleabihf").check("armv7l");
}

#[test]
#[ignore = "needs RabbitMQ, boards/build and qemu: tests/run"]
fn on_debians_arm64_kernel_the_agent_publishes_over_tls_with_old_system_calls_and_after_2038() {
    Booted::with("aarch64-unknown-linux-musl").check("aarch64");
}
