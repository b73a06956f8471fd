//! The machine that the hub runs on, sampled by the agent's code in this process.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{self, MissedTickBehavior};

use crate::clock::{Clock, unix_ms};
use crate::fleet::{Heard, Source};
use crate::intake::Door;
use psistats_host::conf::reports::{self, Reports};
use psistats_host::conf::{Reading, ini};
use psistats_host::figures::Tick;
use psistats_host::machine::Machine;
use psistats_host::sampler::Sampler;

/// From one report to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// What its reports have beside the basic figures, in the words of psistats.conf.
const FIGURES: &str = "\
[load]\nenabled=yes\n[disk]\nenabled=yes\nmounts=/\n[readonly]\nenabled=yes\n[throttled]\nenabled=yes\n\
[net]\nenabled=yes\n[swap]\nenabled=yes\n[board]\nenabled=yes\n[os]\nenabled=yes\n\
[uptime]\ninterval=1\n[ipaddr]\ninterval=60\n";

/// Reports of this machine, one a second, without end.
pub async fn run(door: &Door) {
    let clock = Clock::start();
    let mut machine = Machine::open(Path::new("/"));
    let mut sampler = Sampler::open(&machine, &settings());
    sampler.prime(&mut machine.read(sampler.counters(), clock.now()));
    let mut ticks = time::interval_at(time::Instant::now() + Duration::from_millis(250), INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let (now, unix_ms) = (clock.now(), unix_ms());
        let tick = Tick { unix_ms, now, due: now, secondary: true };
        let wanted = sampler.begin(tick);
        let report = sampler.report(tick, &mut machine.read(wanted, now));
        let body = Bytes::copy_from_slice(report);
        door.take_unconfirmed(&Heard {
            source: Source::Own,
            peer: None,
            id: None,
            sampled_ms: Some(unix_ms),
            body,
        });
    }
}

/// The defaults where the text above is none, which a test rules out.
fn settings() -> Reports {
    let mut reports = Reports::default();
    let name = Path::new("own");
    if let Ok(ini) = ini::parse(FIGURES.as_bytes(), name) {
        reports::read(&mut Reading::new(&ini, name), &mut reports);
    }
    reports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_this_machine_are_ones_that_the_configuration_knows() {
        let name = Path::new("own");
        let ini = ini::parse(FIGURES.as_bytes(), name).unwrap();
        let (mut reading, mut reports) = (Reading::new(&ini, name), Reports::default());
        reports::read(&mut reading, &mut reports);
        reading.warn_of_unknown_defaults();
        assert_eq!(reading.finish().map_err(|problems| problems.to_string()), Ok(vec![]));
        assert_eq!(reports.figures.wanted.len(), 8);
    }
}
