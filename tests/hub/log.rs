//! The hub's log, on standard error.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::master::{Master, free_port};
use support::{PATIENCE, raw};

#[test]
fn sighup_logs_what_to_do_and_stops_nothing() {
    let master = Master::start("");
    master.process.signal(Signal::SIGHUP);
    master.process.wait_for_line("SIGHUP changes nothing", PATIENCE);
    assert_eq!(master.counter("connections"), 0);
}

#[test]
fn a_line_has_a_time_in_the_foreground_and_a_priority_instead_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("psistats.conf");
    std::fs::write(&config, format!("[chasar]\npublish_port={}\nnonsense=1\n", free_port())).unwrap();
    let first_line = |named: bool| {
        let (reader, writer) = io::pipe().unwrap();
        let stream = nix::sys::stat::fstat(&writer).unwrap();
        let journal = format!("{}:{}", stream.st_dev, if named { stream.st_ino } else { 1 });
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        command.args(["masternode", "start", "127.0.0.1", &free_port().to_string(), "--config"]).arg(&config);
        command.env("TZ", "<+02>-2").env("JOURNAL_STREAM", journal).stderr(writer);
        let _hub = Hub(command.spawn().unwrap());
        drop(command);
        let line = BufReader::new(reader).lines().next().unwrap().unwrap();
        line.replace(config.to_str().unwrap(), "FILE")
    };
    let text = "FILE:3: [chasar] nonsense: unknown key";
    assert_eq!(first_line(true), format!("<4>{text}"));
    let line = first_line(false);
    let (time, rest) = line.split_at("2003-01-23 00:29:50,411".len());
    assert_eq!(rest, format!(" psistats-hub WARNING {text}"));
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
    assert_eq!(shape, "dddd-dd-dd dd:dd:dd,ddd");
}

/// A hub, which is killed at the end of its test.
struct Hub(Child);

impl Drop for Hub {
    fn drop(&mut self) {
        // Both fail only where it has exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_delays_nothing_and_later_tells_how_many_lines_were_dropped() {
    let (reader, writer) = io::pipe().unwrap();
    let filling = fill(&writer);
    let (port, publish_port, folder) = (free_port(), free_port(), tempfile::tempdir().unwrap());
    let config = folder.path().join("psistats.conf");
    std::fs::write(&config, format!("[chasar]\npublish_port={publish_port}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
    command.args(["masternode", "start", "127.0.0.1", &port.to_string(), "--config"]).arg(&config);
    let hub = Hub(command.stderr(writer).spawn().unwrap());
    drop(command); // and with it the test's own copy of the writing end

    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", publish_port)).is_err() {
        assert!(Instant::now() < deadline, "it does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    // Each is worth a line.
    for _ in 0..3 {
        let mut stray = raw::connect(port);
        stray.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        raw::assert_closed(stray);
    }
    let mut subscriber = raw::subscriber(publish_port, "");
    let mut client = raw::client(port);
    let body = loop {
        client.write_all(&raw::status(b"{}")).unwrap();
        subscriber.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        if subscriber.peek(&mut [0]).is_ok() {
            subscriber.set_read_timeout(Some(PATIENCE)).unwrap();
            break raw::read_message(&mut subscriber);
        }
        assert!(Instant::now() < deadline, "it is stuck");
    };
    assert_eq!(body, b"{}");

    // The log is read again.
    let mut lines = BufReader::new(reader).lines().map(Result::unwrap);
    assert!(lines.by_ref().take(filling).all(|line| line.starts_with('x')));
    let pid = Pid::from_raw(hub.0.id() as i32);
    kill(pid, Signal::SIGTERM).unwrap();
    let missing = lines.next().unwrap();
    assert!(missing.contains("lines were dropped: nobody read standard error"), "{missing}");
    assert!(lines.next().unwrap().contains("stopping; "));
}

/// Fills a pipe. Gives the number of lines that this takes.
fn fill(mut pipe: &io::PipeWriter) -> usize {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL).unwrap());
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let line = [&[b'x'; 4095][..], b"\n"].concat(); // PIPE_BUF: all of it or nothing
    let mut lines = 0;
    while pipe.write(&line).is_ok() {
        lines += 1;
    }
    fcntl(pipe, FcntlArg::F_SETFL(flags)).unwrap();
    lines
}
