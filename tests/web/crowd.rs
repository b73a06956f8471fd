//! Many clients of events at once.

use std::env;
use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::boards::Boards;
use crate::client::{events, read_until};
use crate::server::Server;
use psistats_hub::web::{Limits, Settings};

/// How many.
const CLIENTS: usize = 1000;

/// Bytes of a frame: some figures of each of a hundred boards.
const FRAME: usize = 16 * 1024;

/// Frames that are measured, one a second.
const FRAMES: u32 = 5;

/// Set where the measurement has a process of its own.
const ALONE: &str = "PSISTATS_TEST_ALONE";

/// Bytes of memory that this process has of its own.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: Vec<usize> = text.split_whitespace().map(|pages| pages.parse().unwrap()).collect();
    (pages[1] - pages[2]) * 4096
}

#[test]
fn a_thousand_clients_share_one_frame_a_second() {
    // Other tests would be measured, too.
    if env::var_os(ALONE).is_none() {
        let name = "crowd::a_thousand_clients_share_one_frame_a_second";
        let test = Command::new(env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(ALONE, "1")
            .output();
        let output = test.unwrap();
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let limits =
        Limits { connections: 2000, connections_of_peer: 2000, event_clients: 2000, ..Limits::default() };
    let server =
        Server::start_with(Settings { limits, ..Settings::default() }, "127.0.0.1:0", Boards::default());
    drop(events(server.address));
    server.wait_for(|counters| counters.connections == 0);

    let begin = resident();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| events(server.address)).collect();
    server.wait_for(|counters| counters.event_clients == CLIENTS);
    let of_silent = (resident().saturating_sub(begin)) / CLIENTS;
    clients.iter_mut().for_each(|client| drop(read_until(client, "}\n\n")));

    let frame = "x".repeat(FRAME);
    let (start, begin) = (Instant::now(), server.processor_time());
    for n in 1..=FRAMES {
        server.publish(format!("{frame} {n}."));
        let end = format!(" {n}.\n\n");
        clients.iter_mut().for_each(|client| drop(read_until(client, &end)));
        thread::sleep((start + Duration::from_secs(1) * n).saturating_duration_since(Instant::now()));
    }
    let used = server.processor_time() - begin;
    let of_frame = used / FRAMES / CLIENTS as u32;
    let share = used.as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    println!(
        "{CLIENTS} clients of events: {of_silent} bytes each while silent; a frame of {FRAME} bytes a second takes {of_frame:?} \
         of processor time a client, {share:.1} % of a core in all"
    );
    assert_eq!(server.counters().resyncs, 0);
    assert!(of_silent <= 24 * 1024, "{of_silent} bytes");
    assert!(of_frame < Duration::from_micros(250), "{of_frame:?}");
    drop(clients);
    server.wait_for(|counters| counters.connections == 0 && counters.event_clients == 0);
}
