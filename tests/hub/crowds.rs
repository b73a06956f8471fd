//! Many peers at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use crate::master::Master;
use support::PATIENCE;
use support::raw;

/// How many connections a test may make: 10,000, or as many as this machine allows. One test at a time has them.
fn many() -> (usize, MutexGuard<'static, ()>) {
    static DESCRIPTORS: Mutex<()> = Mutex::new(());
    let ours = DESCRIPTORS.lock().unwrap();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let many = 10_000.min(most as usize - 500);
    assert!(many >= 3_500, "the limit of open files, {most}, is too low for this test: ulimit -n 20000");
    (many, ours)
}

/// A subscriber to everything.
fn subscriber(master: &Master) -> TcpStream {
    let stream = raw::subscriber(master.publish_port, "");
    master.wait_for("subscribed", |n| n > 0);
    stream
}

#[test]
fn ten_thousand_client_nodes_take_at_most_8_kib_each_and_each_ones_message_arrives() {
    let master = Master::start("");
    let mut subscriber = subscriber(&master);
    let begin = master.process.status("VmRSS");
    let (many, _descriptors) = many();
    let mut clients: Vec<TcpStream> = Vec::new();
    // As many at once as the listen backlog holds.
    while clients.len() < many {
        let mut some: Vec<TcpStream> = (0..1000).map(|_| raw::connect(master.port)).collect();
        for stream in &mut some {
            stream.write_all(&raw::greeting(1, "NULL")).unwrap();
            stream.write_all(&raw::ready("PUB")).unwrap();
        }
        clients.append(&mut some);
    }
    master.wait_for("connections", |n| n == clients.len() as u64 + 1);
    for (n, stream) in clients.iter_mut().enumerate() {
        stream.write_all(&raw::status(format!("{{\"n\":{n}}}").as_bytes())).unwrap();
    }
    let mut heard = vec![false; clients.len()];
    for _ in 0..clients.len() {
        let body: serde_json::Value = serde_json::from_slice(&raw::read_message(&mut subscriber)).unwrap();
        let n = body["n"].as_u64().unwrap() as usize;
        assert!(!std::mem::replace(&mut heard[n], true));
    }
    let each = (master.process.status("VmRSS") - begin) * 1024 / clients.len() as u64;
    println!("{} connections, {each} bytes each", clients.len());
    assert!(each <= 8192, "{each} bytes");
    drop(clients);
    master.wait_for("connections", |n| n == 1);
}

/// Processor time that the master has used, in ticks of 10 ms.
fn ticks(master: &Master) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", master.process.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Processor time, in ticks, for messages from a client node to a subscriber that comes last.
fn cost(master: &Master) -> u64 {
    let mut subscriber = subscriber(master);
    let mut client = raw::client(master.port);
    let begin = ticks(master);
    for _ in 0..200 {
        client.write_all(&raw::status(b"{}").repeat(100)).unwrap();
        (0..100).for_each(|_| assert_eq!(raw::read_message(&mut subscriber), b"{}"));
    }
    ticks(master) - begin
}

#[test]
fn subscribers_without_a_matching_subscription_cost_a_message_nothing_and_a_stop_ends_soon() {
    let alone = cost(&Master::start("messages_per_second=0"));
    let mut master = Master::start("messages_per_second=0");
    let (many, _descriptors) = many();
    let mut idle: Vec<TcpStream> = Vec::new();
    while idle.len() < many {
        let mut some: Vec<TcpStream> = (0..1000).map(|_| raw::connect(master.publish_port)).collect();
        for (n, stream) in some.iter_mut().enumerate() {
            stream.write_all(&raw::greeting(1, "NULL")).unwrap();
            stream.write_all(&raw::ready("SUB")).unwrap();
            if n % 2 == 0 {
                stream.write_all(&raw::frame(4, b"\x09SUBSCRIBEsomething else")).unwrap();
            }
        }
        idle.append(&mut some);
    }
    master.wait_for("subscribers", |n| n == idle.len() as u64);
    let among = cost(&master);
    println!("{alone}0 ms of the processor, among {} idle subscribers {among}0 ms", idle.len());
    assert!(among <= 2 * alone + 50, "{among} ticks, {alone} without");

    let _subscriber = subscriber(&master);
    let mut flood = raw::client(master.port);
    let sender = thread::spawn(move || while flood.write_all(&raw::status(b"{}").repeat(1000)).is_ok() {});
    master.wait_for("messages", |n| n > 30_000);
    let begin = Instant::now();
    master.process.signal(Signal::SIGTERM);
    assert!(master.process.wait(PATIENCE).success());
    println!("stopped after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    sender.join().unwrap();
}

#[test]
fn fault_37_without_descriptors_it_goes_on_logs_it_once_and_accepts_those_who_waited() {
    let master = Master::start("");
    let mut subscriber = subscriber(&master);
    let mut good = raw::client(master.port);
    let limit = |descriptors: usize| {
        let pid = master.process.pid().to_string();
        let limit = format!("--nofile={descriptors}:");
        assert!(Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    };
    limit(5);
    let late: Vec<TcpStream> = [master.port, master.publish_port].map(raw::connect).into();
    // Both listeners retry many times meanwhile.
    master.process.wait_for_line("cannot accept a connection", PATIENCE);
    for n in 0..20 {
        good.write_all(&raw::status(format!("{{\"n\":{n}}}").as_bytes())).unwrap();
        assert_eq!(raw::read_message(&mut subscriber), format!("{{\"n\":{n}}}").as_bytes());
        thread::sleep(Duration::from_millis(50));
    }
    let told = master.process.lines().iter().filter(|line| line.contains("cannot accept")).count();
    assert!(told <= 2, "{told}: once for each listener");
    limit(500);
    master.wait_for("connections", |n| n == 4);
    drop(late);
    raw::client(master.port);
}

#[test]
fn fault_39_ten_thousand_half_open_handshakes_are_capped_and_good_peers_unharmed() {
    let most = 2_000;
    let master = Master::start(&format!("connections={most}"));
    let mut subscriber = subscriber(&master);
    let mut good = raw::client(master.port);
    let (many, _descriptors) = many();
    let begin = Instant::now();
    let mut half_open = Vec::new();
    for n in 0..many {
        let mut stream = raw::connect(if n % 2 == 0 { master.port } else { master.publish_port });
        // Some send nothing, others a part of a greeting.
        stream.write_all(&raw::greeting(1, "NULL")[..n % 64]).unwrap();
        half_open.push(stream);
        if n % 1000 == 999 {
            // Peers that were connected before work, and so do new ones.
            good.write_all(&raw::status(b"{\"was\":\"here\"}")).unwrap();
            assert_eq!(raw::read_message(&mut subscriber), b"{\"was\":\"here\"}");
            let mut comes = raw::client(master.port);
            comes.write_all(&raw::status(b"{\"comes\":\"now\"}")).unwrap();
            assert_eq!(raw::read_message(&mut subscriber), b"{\"comes\":\"now\"}");
        }
    }
    assert!(master.counter("connections") <= most / 4 + 3, "a quarter may be in its handshake");
    assert_eq!(master.counter("refused"), 0);
    // Those that are left are ended by the deadline of the handshake: this test closes none.
    master.wait_for("connections", |n| n == 2);
    println!("{many} connections, all ended after {:?}", begin.elapsed());
    drop(half_open);
    good.write_all(&raw::status(b"{\"still\":\"here\"}")).unwrap();
    assert_eq!(raw::read_message(&mut subscriber), b"{\"still\":\"here\"}");
}

#[test]
fn only_connections_that_did_nothing_since_their_handshake_are_evicted_for_others() {
    let master = Master::start("connections=20");
    let mut subscriber = subscriber(&master);
    let mut good = raw::client(master.port);
    good.write_all(&raw::status(b"{\"is\":\"first\"}")).unwrap();
    assert_eq!(raw::read_message(&mut subscriber), b"{\"is\":\"first\"}");
    let quiet: Vec<TcpStream> = (0..18)
        .map(|n| {
            if n % 2 == 0 {
                raw::client(master.port)
            } else {
                raw::subscriber(master.publish_port, "something else")
            }
        })
        .collect();
    raw::assert_closed(raw::connect(master.port));
    // Ten more are accepted once the quiet ones have been so for long enough.
    let mut come: Vec<TcpStream> = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while come.len() < 10 {
        assert!(Instant::now() < deadline, "{:?}", master.process.lines());
        let mut stream = raw::connect(master.port);
        let handshake =
            [&raw::greeting(1, "NULL")[..], &raw::ready("PUB"), &raw::status(b"{\"comes\":1}")].concat();
        if stream.write_all(&handshake).is_ok() && stream.read_exact(&mut [0; 64]).is_ok() {
            assert_eq!(raw::read_message(&mut subscriber), b"{\"comes\":1}");
            come.push(stream);
        } else {
            thread::sleep(Duration::from_millis(100));
        }
    }
    assert_eq!((master.counter("evicted"), master.counter("connections")), (10, 20));
    good.write_all(&raw::status(b"{\"is\":\"still here\"}")).unwrap();
    assert_eq!(raw::read_message(&mut subscriber), b"{\"is\":\"still here\"}");
    raw::assert_closed(quiet.into_iter().next().unwrap());
}

#[test]
fn beyond_the_maximum_connections_are_refused_and_logged_until_others_disconnect() {
    // A soft limit of 40 is raised to the hard one of 60.
    let master = Master::start_after("ulimit -Sn 40 && ulimit -Hn 60", "");
    let lines = master.process.lines();
    assert!(lines[0].ends_with("room for 28 connections (limit of open files: 60)"), "{lines:?}");
    // Each has finished its handshake before the next connects.
    let mut clients: Vec<TcpStream> = (0..28).map(|_| raw::client(master.port)).collect();
    // Each sends a message, so that none is evicted.
    clients.iter_mut().for_each(|client| client.write_all(&raw::status(b"{}")).unwrap());
    master.wait_for("messages", |n| n == 28);
    raw::assert_closed(raw::connect(master.port));
    raw::assert_closed(raw::connect(master.publish_port));
    master.process.wait_for_line("was refused: the maximum number of connections, 28, is reached", PATIENCE);
    clients.truncate(20);
    master.wait_for("connections", |n| n == 20);
    let mut subscriber = subscriber(&master);
    clients[0].write_all(&raw::status(b"{\"still\":\"here\"}")).unwrap();
    assert_eq!(raw::read_message(&mut subscriber), b"{\"still\":\"here\"}");
    assert_eq!(master.counter("refused"), 2);
}
