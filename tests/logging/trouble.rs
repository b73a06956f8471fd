//! Failures of handlers: the program goes on, and reports each failure once.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::{env, thread};

use super::syslog::{listen, received, to_syslog};
use super::*;

/// The directory to work in, in the child process. None in the test itself.
fn child_folder() -> Option<PathBuf> {
    env::var_os("PSISTATS_LOGGING_CHILD").map(PathBuf::from)
}

/// Runs test `name` as a child process, which must succeed in time. The child finds `folder` by
/// [`child_folder`], writes its standard error to `stderr`, and can write files of at most 1024 bytes.
/// `journal` is its `$JOURNAL_STREAM`.
fn run_child(name: &str, folder: &Path, stderr: impl Into<Stdio>, journal: &str) {
    // A limit on the size of files stands in for a full disk. With the signal ignored, write(2) fails.
    let limits = "trap '' XFSZ; ulimit -f 2; exec \"$@\"";
    let mut child = Command::new("/bin/sh")
        .args(["-c", limits, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("trouble::{name}"), "--nocapture"])
        .env("PSISTATS_LOGGING_CHILD", folder)
        .env("JOURNAL_STREAM", journal)
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    let (ended, end) = mpsc::channel();
    let waiter = thread::spawn(move || ended.send(child.wait().unwrap()).unwrap());
    let status = end.recv_timeout(DEADLINE);
    if status.is_err() {
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    waiter.join().unwrap();
    assert!(status.expect("the child hangs").success());
}

/// Runs a child as [`run_child`] does, and returns its standard error.
fn child_stderr(name: &str, folder: &Path) -> String {
    child_stderr_in_journal(name, folder, 1)
}

/// The same, where the journal reads the child's standard error if `off` is 0, and another stream otherwise.
fn child_stderr_in_journal(name: &str, folder: &Path, off: u64) -> String {
    let (mut reader, writer) = io::pipe().unwrap();
    let stream = nix::sys::stat::fstat(&writer).unwrap();
    run_child(name, folder, writer, &format!("{}:{}", stream.st_dev, stream.st_ino + off));
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn a_full_disk_is_reported_once_and_the_other_handlers_go_on() {
    let name = "a_full_disk_is_reported_once_and_the_other_handlers_go_on";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().unwrap();
        let said = child_stderr(name, folder.path());
        let expected = "psistats: cannot log to /dev/full: no space left on device; \
                        further failures are suppressed until it recovers\n";
        assert_eq!(said, expected);
        assert_eq!(fs::read_to_string(folder.path().join("x.log")).unwrap(), "line\n".repeat(100));
        return;
    };
    let handlers = vec![handler(file(Path::new("/dev/full"))), handler(file(&folder.join("x.log")))];
    logging::install(Some(&root(handlers)), Fallback::Stderr).unwrap();
    for _ in 0..100 {
        log::info!("line");
    }
    log::logger().flush();
}

#[test]
fn a_closed_standard_error_stops_no_other_handler() {
    let name = "a_closed_standard_error_stops_no_other_handler";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        run_child(name, folder.path(), writer, "");
        assert_eq!(fs::read_to_string(folder.path().join("x.log")).unwrap(), "line\n".repeat(100));
        return;
    };
    let handlers = vec![handler(Target::Stderr), handler(file(&folder.join("x.log")))];
    logging::install(Some(&root(handlers)), Fallback::Stderr).unwrap();
    for _ in 0..100 {
        log::info!("line");
    }
    log::logger().flush();
}

#[test]
fn a_standard_error_that_nobody_reads_does_not_block_the_program() {
    let name = "a_standard_error_that_nobody_reads_does_not_block_the_program";
    if child_folder().is_some() {
        logging::install(Some(&root(vec![handler(Target::Stderr)])), Fallback::Stderr).unwrap();
        for n in 0..10_000 {
            log::info!("line {n:0>95}");
        }
        return;
    }
    // child_stderr reads only after the child has ended. The pipe holds 64 KiB, and the child writes 1 MB.
    let said = child_stderr(name, Path::new("/"));
    assert!(said.len() >= 4096, "{} bytes", said.len());
    assert!(said.ends_with('\n') && said.lines().all(|line| line.len() == 100), "a torn line");
}

#[test]
fn without_configuration_the_foreground_logs_to_standard_error() {
    let name = "without_configuration_the_foreground_logs_to_standard_error";
    if child_folder().is_some() {
        logging::install(None, Fallback::Stderr).unwrap();
        log::warn!("text");
        log::debug!("never");
        return;
    }
    let said = child_stderr(name, Path::new("/"));
    let shape: String = said.chars().map(|c| if c.is_ascii_digit() { 'd' } else { c }).collect();
    assert_eq!(shape, "dddd-dd-dd dd:dd:dd,ddd psistats WARNING text\n");
}

#[test]
fn in_the_journal_a_line_begins_with_its_priority_and_has_a_time_only_if_configured() {
    let name = "in_the_journal_a_line_begins_with_its_priority_and_has_a_time_only_if_configured";
    if let Some(folder) = child_folder() {
        logging::install(None, Fallback::Stderr).unwrap();
        log::error!("first\nline");
        log::warn!("second");
        log::info!("third");
        let pieces = vec![field(Field::Levelname, 0, 's'), text(" "), field(Field::Message, 0, 's')];
        let stderr = Handler { format: Format { pieces, datefmt: None }, ..handler(Target::Stderr) };
        let full = handler(file(Path::new("/dev/full")));
        logging::install(
            Some(&root(vec![stderr, handler(file(&folder.join("x.log"))), full])),
            Fallback::Stderr,
        )
        .unwrap();
        log::warn!("fourth");
        log::logger().flush();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let said = child_stderr_in_journal(name, folder.path(), 0);
    let trouble = "<3>psistats: cannot log to /dev/full: no space left on device; further failures are suppressed until it recovers";
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["<3>first\\nline", trouble, "<4>WARNING fourth", "<4>second", "<6>third"]);
    assert_eq!(fs::read_to_string(folder.path().join("x.log")).unwrap(), "fourth\n", "a file is no journal");
}

#[test]
fn a_rotation_that_fails_loses_no_line() {
    let folder = tempfile::tempdir().unwrap();
    // A directory that is not empty is in the way of the rotated file.
    fs::create_dir_all(folder.path().join("x.log.1/full")).unwrap();
    let path = folder.path().join("x.log");
    let target = Target::RotatingFile { path: path.clone(), max_bytes: 8, backups: 1 };
    let mut loggers = open(&root(vec![handler(target)]));
    info(&mut loggers, "one");
    info(&mut loggers, "two");
    info(&mut loggers, "three");
    assert_eq!(fs::read_to_string(path).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn the_time_of_a_rotation_depends_on_the_number_of_old_files_and_not_on_backup_count() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.log.7"), "old\n").unwrap();
    let path = folder.path().join("x.log");
    // Renaming as many files as backupCount allows would take hours.
    let target = Target::RotatingFile { path, max_bytes: 1, backups: u32::MAX };
    let mut loggers = open(&root(vec![handler(target)]));
    info(&mut loggers, "one");
    info(&mut loggers, "two");
    info(&mut loggers, "three");
    let left = [
        ("x.log", "three\n"),
        ("x.log.1", "two\n"),
        ("x.log.2", "one\n"),
        ("x.log.3", ""),
        ("x.log.10", "old\n"),
    ];
    assert_eq!(files(folder.path()), left.map(|(name, text)| (name.into(), text.into())).into());
}

#[test]
fn a_new_log_file_is_not_readable_by_everyone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    info(&mut open(&root(vec![handler(file(&path))])), "line");
    assert_eq!(path.metadata().unwrap().mode() & 0o137, 0, "owner and group alone, nothing to execute");
    assert_ne!(path.metadata().unwrap().mode() & 0o600, 0);
}

#[test]
fn an_absent_syslog_is_reported_once_for_each_time_that_it_goes_away() {
    let name = "an_absent_syslog_is_reported_once_for_each_time_that_it_goes_away";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().unwrap();
        let said = child_stderr(name, folder.path());
        let path = folder.path().join("log");
        let count = said.lines().filter(|line| line.contains(path.to_str().unwrap())).count();
        assert_eq!((count, said.lines().count()), (2, 2), "{said}");
        return;
    };
    let path = folder.join("log");
    logging::install(Some(&to_syslog(&path)), Fallback::Stderr).unwrap();
    log::info!("lost");
    log::info!("lost");
    let daemon = listen(&path);
    log::info!("heard");
    assert_eq!(received(&daemon), "<30>heard");
    drop(daemon);
    fs::remove_file(&path).unwrap();
    log::info!("lost");
    log::info!("lost");
}

#[test]
fn a_line_cut_by_a_full_disk_does_not_merge_with_the_next() {
    let name = "a_line_cut_by_a_full_disk_does_not_merge_with_the_next";
    let Some(folder) = child_folder() else {
        let folder = tempfile::tempdir().unwrap();
        let said = child_stderr(name, folder.path());
        assert_eq!(said.lines().count(), 1, "{said}");
        let written = fs::read_to_string(folder.path().join("x.log")).unwrap();
        let lengths: Vec<_> = written.lines().map(str::len).collect();
        assert_eq!(lengths, [99, 99, 99, 99, 99, 99, 50, 10], "{written}");
        assert!(written.ends_with("\nroom again\n"), "{written}");
        return;
    };
    let path = folder.join("x.log");
    logging::install(Some(&root(vec![handler(file(&path))])), Fallback::Stderr).unwrap();
    for _ in 0..40 {
        log::info!("{:099}", 0);
    }
    log::logger().flush();
    assert_ne!(path.metadata().unwrap().len() % 100, 0, "no line was torn");
    // The disk has room again.
    fs::File::options().write(true).open(&path).unwrap().set_len(650).unwrap();
    log::info!("room again");
    log::logger().flush();
}

#[test]
fn a_log_file_that_was_moved_or_removed_is_created_again_and_no_line_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
    let mut loggers = open(&root(vec![handler(file(&path))]));
    info(&mut loggers, "one");
    // What logrotate does by default, with `create` and with `copytruncate`.
    fs::rename(&path, &old).unwrap();
    info(&mut loggers, "two");
    assert_eq!([&old, &path].map(|p| fs::read_to_string(p).unwrap()), ["one\n", "two\n"]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    info(&mut loggers, "three");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    info(&mut loggers, "four");
    assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
}

#[test]
fn a_log_file_whose_directory_was_moved_is_still_written_until_it_can_be_created_again() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, aside) = (dir.path().join("logs"), dir.path().join("aside"));
    fs::create_dir(&folder).unwrap();
    let mut loggers = open(&root(vec![handler(file(&folder.join("log")))]));
    info(&mut loggers, "one");
    fs::rename(&folder, &aside).unwrap();
    info(&mut loggers, "two");
    fs::create_dir(&folder).unwrap();
    info(&mut loggers, "three");
    assert_eq!(fs::read_to_string(aside.join("log")).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(folder.join("log")).unwrap(), "three\n");
}

#[test]
#[ignore = "needs logrotate: tests/run"]
fn logrotate_with_our_example_rotates_the_log_and_no_line_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (path, config) = (dir.path().join("psistats.log"), dir.path().join("logrotate"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/psistats.logrotate");
    let example = fs::read_to_string(example).unwrap();
    assert!(example.contains("\n/var/log/psistats/*.log {"), "{example}");
    let example = example.replace("su psistats psistats", "su root root");
    fs::write(&config, example.replace("/var/log/psistats", dir.path().to_str().unwrap())).unwrap();
    let mut loggers = open(&root(vec![handler(file(&path))]));
    for line in ["one", "two", "three"] {
        info(&mut loggers, line);
        let mut logrotate = Command::new("/usr/sbin/logrotate");
        let output =
            logrotate.args(["-f", "-s"]).arg(dir.path().join("state")).arg(&config).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    info(&mut loggers, "four");
    let gz = Command::new("zcat").arg(dir.path().join("psistats.log.2.gz")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&gz.stdout), "two\n");
    let left = ["psistats.log", "psistats.log.1"].map(|f| fs::read_to_string(dir.path().join(f)).unwrap());
    assert_eq!(left, ["four\n", "three\n"]);
}
