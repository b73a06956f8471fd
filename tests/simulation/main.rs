//! Agents and a broker in simulated time: every fault at random, and a few on purpose.
//!
//! The seed is printed; `PSISTATS_SEED=... cargo test --test simulation` repeats a run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

use support::{memory, peer};

mod agent;
mod both_ends;
mod broker;
mod cluster;

use std::io::Write;
use std::time::Duration;

use agent::Agent;
use broker::Broker;
use psistats_core::outbox::Outbox;
use psistats_core::time::{Backoff, Instant, Periodic};

/// Bytes of the outbox: about ten minutes of reports of a second, and little more than the largest report.
const RING: usize = 131_072;
const SMALL_RING: usize = 8192;

const STEP: Duration = Duration::from_millis(10);

/// SplitMix64: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// From `PSISTATS_SEED`, or another one each time; printed past the harness's capture.
    fn from_environment(test: &str) -> Self {
        let seed = match std::env::var("PSISTATS_SEED") {
            Ok(seed) => seed.parse().expect("PSISTATS_SEED is a number"),
            Err(_) => {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                now.as_nanos() as u64
            }
        };
        #[allow(clippy::explicit_write)] // eprintln! would be captured
        writeln!(std::io::stderr(), "{test}: PSISTATS_SEED={seed}").unwrap();
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn u32(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    /// True once in `n` times.
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        Duration::from_millis(self.below(longest.as_millis() as u64 + 1))
    }
}

/// Agents, the broker, and the time.
struct World {
    now: Instant,
    agents: Vec<Agent>,
    broker: Broker,
}

impl World {
    fn new(agents: u64, period: Duration, ring_bytes: usize) -> Self {
        let now = Instant::from_nanos(5_000_000_000);
        let agents = (0..agents).map(|id| Agent::new(id, now, period, ring_bytes)).collect();
        Self { now, agents, broker: Broker::default() }
    }

    /// Runs for `duration`; the clock on the wall says `wall_ms` of the monotonic one.
    fn run(&mut self, duration: Duration, random: &mut Random, wall_ms: impl Fn(Instant) -> i64) {
        let end = self.now + duration;
        while self.now < end {
            self.now = self.now + STEP;
            self.broker.step(self.now, random);
            for agent in &mut self.agents {
                agent.step(self.now, wall_ms(self.now), &mut self.broker, random);
            }
        }
    }

    fn pending(&self) -> u64 {
        self.agents.iter().map(|agent| agent.outbox.counters().pending).sum()
    }

    /// Without faults and without new reports, everything that is pending is confirmed in time.
    fn recover(&mut self, random: &mut Random) {
        self.broker.calm();
        self.agents.iter_mut().for_each(Agent::stop_sampling);
        let mut seconds = 0;
        while self.pending() > 0 {
            self.run(Duration::from_secs(1), random, |_| 0);
            seconds += 1;
            assert!(seconds < 120, "{} reports are stuck: a livelock", self.pending());
        }
        for agent in &self.agents {
            let counters = agent.outbox.counters();
            let stored = self.broker.stored_of(agent.id);
            assert_eq!(counters.sampled, counters.confirmed + counters.dropped);
            assert_eq!(counters.confirmed, agent.confirmed);
            // What was dropped may have been stored before its confirmation was lost.
            assert!(counters.confirmed <= stored && stored <= counters.sampled);
            for (sequence, stamp) in (1..).zip(&agent.stamps) {
                let at_broker = self.broker.stamp(agent.id, sequence);
                assert!(at_broker.is_none_or(|at| at == *stamp), "the original sample time");
            }
        }
    }
}

#[test]
fn every_fault_at_random_loses_no_confirmed_report_and_miscounts_none() {
    let mut random = Random::from_environment("every_fault_at_random");
    let (mut confirmed, mut dropped, mut seen) = (0, 0, [0; 6]);
    for _ in 0..6 {
        let period = Duration::from_millis(20 + random.below(300));
        let mut world = World::new(4, period, SMALL_RING);
        world.agents[2..].iter_mut().for_each(|agent| agent.most = 7);
        world.broker.trouble();
        world.run(Duration::from_secs(120), &mut random, |now| now.as_nanos() as i64 / 1_000_000);
        world.recover(&mut random);
        for agent in &world.agents {
            let counters = agent.outbox.counters();
            (confirmed, dropped) = (confirmed + counters.confirmed, dropped + counters.dropped);
            let Agent { ends, returned, unconfirmed, nacks, without_queue, queue_declared, .. } = *agent;
            let these = [ends, returned, unconfirmed, nacks, without_queue, queue_declared];
            seen.iter_mut().zip(these).for_each(|(seen, this)| *seen += this);
        }
    }
    // The run was what its name says.
    let all = (confirmed, dropped, seen);
    assert!(confirmed > 1000 && dropped > 0 && seen[0] > 20 && !seen.contains(&0), "{all:?}");
}

/// Tells the seed of a test that panics.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("PSISTATS_SEED={} PSISTATS_SEEDS=1", self.0);
        }
    }
}

/// One minute of each seed, from `PSISTATS_SEED` on; `PSISTATS_SEEDS` says how many in place of 30, and then memory is looked at, too:
///
///     PSISTATS_SEEDS=100000 cargo test --release -p psistats-core --test simulation -- --nocapture flap
#[test]
fn links_that_flap_for_days_over_many_seeds_lose_no_confirmed_report_and_miscount_none() {
    const A_SEED: Duration = Duration::from_secs(60);
    let wanted = std::env::var("PSISTATS_SEEDS").ok();
    let seeds: u64 = wanted.as_ref().map_or(30, |seeds| seeds.parse().expect("PSISTATS_SEEDS is a number"));
    let first_seed = std::env::var("PSISTATS_SEED").map_or(0, |seed| seed.parse().unwrap());
    let (mut sampled, mut confirmed, mut dropped, mut ends, mut first) = (0, 0, 0, 0, 0);
    for seed in first_seed..first_seed + seeds {
        let mut random = Random(seed);
        let _told = Told(seed);
        let period = Duration::from_millis(200 + random.below(2000));
        let mut world = World::new(2, period, SMALL_RING);
        world.agents[1].most = 7;
        world.broker.trouble();
        world.run(A_SEED, &mut random, |now| now.as_nanos() as i64 / 1_000_000);
        world.recover(&mut random);
        for agent in &mut world.agents {
            agent.vanish();
            let counters = agent.outbox.counters();
            sampled += counters.sampled;
            (confirmed, dropped, ends) =
                (confirmed + counters.confirmed, dropped + counters.dropped, ends + agent.ends);
        }
        if seed == first_seed + seeds / 10 {
            first = memory::resident();
        }
    }
    assert_eq!(sampled, confirmed + dropped);
    assert!(ends > seeds && confirmed > 0, "{ends} ends of connections, {confirmed} confirmed");
    if wanted.is_some() {
        let (days, last) = (A_SEED.as_secs() * seeds / 86_400, memory::resident());
        println!(
            "{seeds} seeds, {days} days of each of two agents: sampled={sampled} confirmed={confirmed} dropped={dropped}, \
             {ends} connections ended; {first} KiB resident after a tenth, {last} KiB at the end"
        );
        assert!(last <= first + 1024, "{first} KiB, then {last} KiB");
    }
}

#[test]
fn without_faults_everything_is_confirmed_on_one_connection() {
    let mut random = Random::from_environment("without_faults");
    let mut world = World::new(4, Duration::from_millis(100), RING);
    world.agents[2..].iter_mut().for_each(|agent| agent.most = 7);
    world.run(Duration::from_secs(60), &mut random, |_| 0);
    world.recover(&mut random);
    for agent in &world.agents {
        let counters = agent.outbox.counters();
        assert!(counters.sampled >= 599, "{counters:?}");
        assert_eq!((counters.confirmed, agent.ends), (counters.sampled, 0));
    }
}

#[test]
fn fault_29_five_thousand_agents_that_lose_their_broker_at_once_come_back_spread() {
    const AGENTS: usize = 5000;
    let mut random = Random::from_environment("fault_29");
    let base = Duration::from_secs(5);
    // Attempts in each window of 100 ms, while the broker stays away for two minutes.
    let mut windows = [0; 1200];
    for _ in 0..AGENTS {
        let mut backoff = Backoff::new(base);
        let mut at = backoff.next(random.u32(), Duration::ZERO);
        while let Some(window) = windows.get_mut(at.as_millis() as usize / 100) {
            *window += 1;
            at += backoff.next(random.u32(), Duration::ZERO);
        }
    }
    let busiest = *windows.iter().max().unwrap();
    assert!(busiest * 100 < AGENTS * 6, "{busiest} of {AGENTS} agents within 100 ms");
    assert_eq!(windows[..25], [0; 25], "half of the wait is certain");
    // The longer it is away, the fewer come: at the cap one in 20 to 40 seconds.
    let last: usize = windows[900..].iter().sum();
    assert!((AGENTS / 2..AGENTS * 2).contains(&last), "{last} attempts in the last 30 s");
}

#[test]
fn fault_30_a_week_without_a_broker_keeps_the_newest_in_flat_memory() {
    const WEEK_S: i64 = 7 * 24 * 3600;
    let mut random = Random::from_environment("fault_30");
    let mut world = World::new(1, Duration::from_secs(1), RING);
    let agent = &mut world.agents[0];
    let (mut fewest, mut most) = (u64::MAX, 0);
    for second in 0..WEEK_S {
        agent.sample(second * 1000);
        if second >= WEEK_S / 7 {
            let pending = agent.outbox.counters().pending;
            (fewest, most) = (fewest.min(pending), most.max(pending));
        }
    }
    let counters = agent.outbox.counters();
    assert_eq!((counters.sampled, counters.confirmed), (WEEK_S as u64, 0));
    assert_eq!(counters.dropped, counters.sampled - counters.pending);
    // The ring is as full after a day as after a week.
    assert!(fewest > 500 && most - fewest < fewest / 20, "{fewest} to {most}");
    // Recovery checks order and original times.
    world.recover(&mut random);
    let stored = world.broker.stored_of(0);
    assert_eq!(stored, counters.pending, "the newest, and they only");
    assert!(world.broker.stamp(0, counters.dropped).is_none());
    let oldest = counters.dropped as i64 * 1000;
    assert_eq!(world.broker.stamp(0, counters.dropped + 1), Some(oldest));
}

#[test]
fn fault_31_a_clock_that_steps_moves_stamps_and_no_timer() {
    const DAY_MS: i64 = 86_400_000;
    let mut random = Random::from_environment("fault_31");
    let mut world = World::new(1, Duration::from_millis(500), RING);
    let start = world.now;
    // It starts in 1970, is set right, and goes back by a day.
    let wall_ms = move |now: Instant| match now.since(start).as_secs() {
        0..20 => now.since(start).as_millis() as i64,
        20..40 => 1_700_000_000_000 + now.since(start).as_millis() as i64,
        _ => 1_700_000_000_000 - DAY_MS + now.since(start).as_millis() as i64,
    };
    world.run(Duration::from_secs(60), &mut random, wall_ms);
    let agent = &world.agents[0];
    assert_eq!(agent.ticks.len(), 120);
    for pair in agent.ticks.windows(2) {
        assert_eq!(pair[1] - pair[0], Duration::from_millis(500));
    }
    let said: Vec<i64> = agent.ticks.iter().map(|at| wall_ms(*at)).collect();
    assert_eq!(agent.stamps, said);
    assert!(said.windows(2).any(|pair| pair[1] < pair[0] - DAY_MS / 2), "it did step");
    world.recover(&mut random);
    assert_eq!(world.broker.stored_of(0), 120);
}

#[test]
fn a_periodic_deadline_keeps_its_phase_whatever_the_delays() {
    let mut random = Random::from_environment("a_periodic_deadline");
    let period = Duration::from_millis(100);
    let mut tick = Periodic::new(Instant::default(), period);
    let mut now = Instant::default();
    let mut last = None;
    for _ in 0..10_000 {
        now = now + random.up_to(Duration::from_millis(250));
        let due = tick.deadline();
        if tick.fire(now) {
            assert!(last < Some(due) && due <= now);
            last = Some(due);
        }
        assert!(tick.deadline() > now && tick.deadline() <= now + period);
        assert_eq!(tick.deadline().as_nanos() % period.as_nanos() as u64, 0);
    }
}

/// The ring that every agent here has.
type Ring = Outbox<Box<[u8]>>;
