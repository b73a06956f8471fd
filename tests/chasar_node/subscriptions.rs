//! Messages are for those that want them: subscriptions of ZMTP 3.0 and 3.1, by hand.

use std::io::{ErrorKind, Read as _, Write as _, copy, sink};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Node, node_with, stop};
use support::PATIENCE;
use support::raw::{frame, greeting, read_frame, ready};

/// Milliseconds from one message to the next.
const INTERVAL_MS: u64 = 20;

/// A client node, and the SUB by hand that it has connected to.
fn connected(minor: u8) -> (Node, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let node = node_with(listener.local_addr().unwrap().port(), &format!("interval=0.0{INTERVAL_MS}"));
    let (mut sub, _) = listener.accept().unwrap();
    sub.set_read_timeout(Some(PATIENCE)).unwrap();
    sub.write_all(&[&greeting(minor, "NULL")[..], &ready("SUB")].concat()).unwrap();
    sub.read_exact(&mut [0; 64]).unwrap();
    assert_eq!(read_frame(&mut sub).0, 4, "READY");
    (node, sub)
}

/// Reads one message, which is whole.
fn read_message(sub: &mut TcpStream) {
    assert_eq!(read_frame(sub), (1, b"status".to_vec()));
    let (flags, body) = read_frame(sub);
    assert_eq!(flags, 0);
    assert!(serde_json::from_slice::<serde_json::Value>(&body).unwrap().is_object());
}

#[test]
fn messages_begin_with_a_subscription_of_either_kind_however_late_and_end_with_it() {
    let message = |flag: u8, prefix: &[u8]| frame(0, &[&[flag], prefix].concat());
    let command = |name: &[u8], prefix: &[u8]| frame(4, &[name, prefix].concat());
    for (minor, subscribe, cancel) in [
        (0, message(1, b"sta"), message(0, b"sta")),
        (1, command(b"\x09SUBSCRIBE", b""), command(b"\x06CANCEL", b"")),
    ] {
        let (mut node, mut sub) = connected(minor);
        node.wait_for_line("connected to the master node", PATIENCE);
        // For ten intervals, and with a subscription to something else.
        sub.write_all(&message(1, b"else")).unwrap();
        sub.set_read_timeout(Some(Duration::from_millis(10 * INTERVAL_MS))).unwrap();
        assert_eq!(sub.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "nobody wants it");
        sub.set_read_timeout(Some(PATIENCE)).unwrap();
        for turn in 0..2 {
            let seen = node.lines().len();
            sub.write_all(&subscribe).unwrap();
            node.wait_for_line_after(seen, "wants messages", PATIENCE);
            (0..3).for_each(|_| read_message(&mut sub));
            if turn == 0 {
                let seen = node.lines().len();
                sub.write_all(&cancel).unwrap();
                node.wait_for_line_after(seen, "no longer wants messages", PATIENCE);
                // What was on the way is whole, and there is an end of it.
                sub.set_read_timeout(Some(Duration::from_millis(10 * INTERVAL_MS))).unwrap();
                while sub.peek(&mut [0]).is_ok() {
                    read_message(&mut sub);
                }
                sub.set_read_timeout(Some(PATIENCE)).unwrap();
            }
        }
        stop(&mut node);
    }
}

#[test]
fn a_master_that_changes_its_mind_without_end_is_told_of_a_few_times_a_second_and_keeps_no_stop_waiting() {
    let (mut node, mut sub) = connected(1);
    let both = [frame(4, b"\x09SUBSCRIBE"), frame(4, b"\x06CANCEL")].concat().repeat(1000);
    let begin = Instant::now();
    // What it sends meanwhile is of no interest.
    let mut reader = sub.try_clone().unwrap();
    thread::spawn(move || copy(&mut reader, &mut sink()));
    let flood = thread::spawn(move || while sub.write_all(&both).is_ok() {});
    node.wait_for_line(" more lines like these were suppressed", PATIENCE);
    stop(&mut node);
    flood.join().unwrap();
    let lines = node.lines();
    let about = lines.iter().filter(|line| line.contains("messages")).count();
    assert!(about as u64 <= 5 * (begin.elapsed().as_secs() + 2), "{about} lines");
}
