//! Two nodes, of which one is cut off; reports that are refused, any of them; a queue that is refused alone.

use std::time::Duration;

use crate::agent::{Agent, CONFIRM_TIMEOUT};
use crate::{RING, Random, World};

const SECOND: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_millis(100);

#[test]
fn a_node_that_is_cut_off_from_its_peers_is_left_for_the_other_after_the_time_for_confirms() {
    let mut random = Random::from_environment("cut_off");
    let mut world = World::new(4, PERIOD, RING);
    for turn in 0..6 {
        world.run(20 * SECOND, &mut random, |_| 0);
        world.broker.nodes[turn % 2].alone_until = Some(world.now + 120 * SECOND);
        world.run(CONFIRM_TIMEOUT + 20 * SECOND, &mut random, |_| 0);
        let mut ends = world.agents.iter().map(|agent| (agent.ends, agent.unconfirmed));
        assert!(ends.all(|ends| ends == (turn as u64 + 1, turn as u64 + 1)), "each moved, once");
        world.broker.nodes[turn % 2].alone_until = None;
    }
    for agent in &world.agents {
        // An answer takes two seconds, a connection a few steps.
        assert!(agent.longest_gap < CONFIRM_TIMEOUT + 4 * SECOND, "{:?}", agent.longest_gap);
        assert_eq!(agent.outbox.counters().dropped, 0);
    }
    world.recover(&mut random);
}

#[test]
fn reports_that_are_refused_cost_their_own_retries_and_neither_the_connection_nor_others() {
    let mut random = Random::from_environment("refused");
    let mut world = World::new(4, PERIOD, RING);
    for _ in 0..6 {
        world.broker.nodes[0].nacks_until = Some(world.now + 5 * SECOND);
        let before: Vec<u64> = world.agents.iter().map(|agent| agent.confirmed).collect();
        world.run(5 * SECOND, &mut random, |_| 0);
        for (agent, before) in world.agents.iter().zip(before) {
            assert!(agent.confirmed > before, "those that are not refused are confirmed meanwhile");
        }
        world.run(40 * SECOND, &mut random, |_| 0);
    }
    world.agents.iter_mut().for_each(Agent::stop_sampling);
    world.run(60 * SECOND, &mut random, |_| 0);
    for agent in &world.agents {
        let counters = agent.outbox.counters();
        assert_eq!((agent.ends, counters.dropped, counters.pending), (0, 0, 0));
        let session = &agent.connection.as_ref().unwrap().session;
        assert!(session.refusals > 50 && agent.nacks > 0, "{} refusals", session.refusals);
        // Each refusal costs one report one more time, and nothing else comes twice.
        assert_eq!(session.came, session.different.len() as u64 + session.refusals);
        assert_eq!(session.different.len() as u64, counters.sampled);
    }
    world.recover(&mut random);
}

#[test]
fn a_channel_that_refuses_everything_is_replaced_and_the_connection_stays() {
    let mut random = Random::from_environment("stale_channel");
    let mut world = World::new(12, PERIOD, RING);
    world.broker.nodes[0].spoils_until = Some(world.now + SECOND);
    world.run(60 * SECOND, &mut random, |_| 0);
    for agent in &world.agents {
        let counters = agent.outbox.counters();
        assert!(agent.ends == 0 && agent.nacks > 0, "{counters:?}");
        assert!(counters.pending < 40 && counters.dropped == 0, "{counters:?}");
    }
    world.recover(&mut random);
}

#[test]
fn while_the_queue_alone_is_refused_or_unanswered_reports_go_on_over_the_same_connection() {
    let mut random = Random::from_environment("queue_refused");
    let mut world = World::new(6, PERIOD, RING);
    world.broker.nodes[0].holds_queue_until = Some(world.now + 30 * SECOND);
    world.run(30 * SECOND, &mut random, |_| 0);
    for agent in world.agents.iter().filter(|agent| agent.id % 2 == 0) {
        let (without, confirmed) = (agent.without_queue, agent.confirmed);
        assert!(without > 0 && confirmed > 200, "{confirmed} confirmed, {without} times without a queue");
    }
    world.run(20 * SECOND, &mut random, |_| 0);
    for agent in &world.agents {
        let with_queue = agent.id % 2 == 0;
        assert_eq!((agent.ends, agent.queue_declared), (0, u64::from(with_queue)), "{}", agent.id);
        let counters = agent.outbox.counters();
        assert!(counters.dropped == 0 && counters.pending < 30, "{counters:?}");
    }
    world.recover(&mut random);
}
