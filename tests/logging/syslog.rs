//! Syslog over real sockets.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use psistats_host::conf::logging::SyslogAddress;

use super::*;

pub fn to_syslog(path: &Path) -> Logging {
    root(vec![handler(Target::Syslog { address: SyslogAddress::Path(path.into()), facility: 3 })])
}

pub fn listen(path: &Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

pub fn received(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let n = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}

#[test]
fn syslog_gets_one_datagram_a_record_even_after_its_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = listen(&path);
    let mut loggers = open(&to_syslog(&path));
    say(&mut loggers, "psistats", Rust::Error, "first", 0);
    say(&mut loggers, "psistats", Rust::Info, "sec\nond", 0);
    assert_eq!(received(&daemon), "<27>first");
    assert_eq!(received(&daemon), "<30>sec\\nond");
    drop(daemon);
    fs::remove_file(&path).unwrap();
    let daemon = listen(&path);
    say(&mut loggers, "psistats", Rust::Warn, "third", 0);
    assert_eq!(received(&daemon), "<28>third");
}

#[test]
fn a_syslog_that_does_not_read_does_not_block_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = listen(&path);
    let mut loggers = open(&to_syslog(&path));
    for n in 0..10_000 {
        info(&mut loggers, &format!("line {n}"));
    }
    assert_eq!(received(&daemon), "<30>line 0");
}

#[test]
fn syslog_over_udp_goes_on_after_the_daemon_was_unreachable() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = daemon.local_addr().unwrap().port();
    let address = SyslogAddress::Udp("localhost".into(), port);
    let ipv4 = SyslogAddress::Udp("127.0.0.1".into(), port);
    open(&root(vec![handler(Target::Syslog { address, facility: 1 })]));
    let mut loggers = open(&root(vec![handler(Target::Syslog { address: ipv4, facility: 1 })]));
    drop(daemon);
    info(&mut loggers, "lost");
    let daemon = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    daemon.set_read_timeout(Some(DEADLINE)).unwrap();
    info(&mut loggers, "heard");
    let mut buffer = [0; 4096];
    let n = daemon.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"<14>heard");
}
