//! Peers that send without end: memory stays bounded, and sampling goes on.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use crate::walk::{Retry, Walk, end, figure, sequence};
use support::PATIENCE;
use support::scripted::Step;

/// KiB by which resident memory varies without any allocation: pages of the program's own file.
const NOISE_KIB: u64 = 256;

const HEARTBEAT: &[u8] = b"\x08\0\0\0\0\0\0\xce";
const BLOCKED: &[u8] = b"\x01\0\0\0\0\0\x05\0\x0a\0\x3c\0\xce";
const UNBLOCKED: &[u8] = b"\x01\0\0\0\0\0\x04\0\x0a\0\x3d\xce";
const FLOW_ON: &[u8] = b"\x01\0\x01\0\0\0\x05\0\x14\0\x14\x01\xce";

/// Writes `frame` repeatedly, until it is dropped or the peer closes.
struct Flood {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Flood {
    fn of(frame: &'static [u8], stream: &TcpStream) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (mut stream, ends) = (stream.try_clone().unwrap(), over.clone());
        let many = frame.repeat(1000);
        let thread =
            thread::spawn(move || while !ends.load(Ordering::Relaxed) && stream.write_all(&many).is_ok() {});
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn an_endless_stream_of_heartbeats_stops_neither_sampling_nor_publishing() {
    let mut walk = Walk::start();
    walk.delivers();
    let before = walk.agent.status("VmRSS");
    let (mut peer, channel) = walk.connects();
    let flood = Flood::of(HEARTBEAT, &peer.stream);
    let sampled = figure(&walk.counters(), "sampled");
    for _ in 0..20 {
        assert_eq!(sequence(&peer.read_publish()), walk.next);
        walk.next += 1;
    }
    assert!(figure(&walk.counters(), "sampled") > sampled, "sampling goes on");
    let grown = walk.agent.status("VmRSS").saturating_sub(before);
    assert!(grown < NOISE_KIB, "{grown} KiB more than {before} KiB");
    drop(flood);
    peer.ack(channel, 20, true);
    end(&mut peer);
    walk.delivers();
    walk.ends_well();
}

#[test]
fn a_broker_that_blocks_and_unblocks_without_end_logs_a_few_lines_a_second_and_the_suppressed_ones_are_counted()
 {
    let both = [BLOCKED, UNBLOCKED].concat();
    for (frames, changes) in [(UNBLOCKED.to_vec(), false), (both, true)] {
        let mut walk = Walk::start();
        let begin = Instant::now();
        let (mut peer, _) = walk.connects();
        // Far more changes than may be logged in that time.
        peer.stream.write_all(&frames.repeat(100_000)).unwrap();
        peer.read_publish();
        let sampled = figure(&walk.counters(), "sampled");
        while figure(&walk.counters(), "sampled") < sampled + 5 {}
        // By now the agent has received everything.
        end(&mut peer);
        walk.says("closed the connection with 320", Retry::Soon);
        let lines = walk.agent.lines();
        let is_about =
            |line: &&String| line.contains("accepts reports again") || line.contains("accepts no reports");
        let about: Vec<_> = lines.iter().filter(is_about).collect();
        let most = if changes { 5 * (begin.elapsed().as_secs() as usize + 2) } else { 0 };
        assert!(about.len() <= most, "{about:#?}");
        let left_out = lines.iter().filter_map(|line| {
            let (before, _) = line.split_once(" more lines like these were suppressed")?;
            before.rsplit(' ').next()?.parse::<usize>().ok()
        });
        let told = about.len() + left_out.sum::<usize>();
        assert_eq!(told, if changes { 200_000 } else { 0 });
        walk.delivers();
        walk.ends_well();
    }
}

#[test]
fn a_peer_that_sends_requests_without_reading_the_replies_is_disconnected() {
    let mut walk = Walk::start();
    walk.delivers();
    let before = walk.agent.status("VmRSS");
    let (peer, _) = walk.connects();
    let flood = Flood::of(FLOW_ON, &peer.stream);
    walk.says("sends requests without reading the replies", Retry::Soon);
    drop(flood);
    drop(peer);
    walk.delivers();
    let grown = walk.agent.status("VmRSS").saturating_sub(before);
    assert!(grown < NOISE_KIB, "{grown} KiB more than {before} KiB");
    walk.ends_well();
}

#[test]
fn a_giant_returned_message_passes_through_fixed_memory() {
    let mut walk = Walk::start();
    walk.delivers();
    let before = walk.agent.status("VmRSS");
    walk.survives("came back unroutable (312 NO_ROUTE)", Retry::Soon, |peer| {
        let (channel, _) = peer.handshake_until(Step::Publish);
        peer.send_method(channel, 60, 50, b"\x01\x38\x08NO_ROUTE\x08psistats\x01k");
        let header = [&[0, 60, 0, 0][..], &u64::MAX.to_be_bytes(), &[0, 0]].concat();
        let mut content = frame(2, channel, &header);
        content.extend(frame(3, channel, &[b'x'; 131_064]).repeat(64));
        // The agent closes the connection because of the Return, possibly before its end.
        let _ = peer.stream.write_all(&content);
    });
    let grown = walk.agent.status("VmRSS").saturating_sub(before);
    assert!(grown < NOISE_KIB, "{grown} KiB more than {before} KiB");
    walk.ends_well();
}

#[test]
fn a_stop_during_a_flood_takes_effect() {
    let mut walk = Walk::start();
    let (mut peer, _) = walk.connects();
    peer.read_publish();
    let _flood = Flood::of(HEARTBEAT, &peer.stream);
    walk.agent.signal(nix::sys::signal::Signal::SIGTERM);
    // The peer neither confirms nor answers the Close.
    assert!(walk.agent.wait(PATIENCE).success());
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    [&[kind][..], &channel.to_be_bytes(), &size.to_be_bytes(), payload, &[0xCE]].concat()
}
