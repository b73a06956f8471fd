//! Which psistats.conf is used without --config, and by which user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::geteuid;

use crate::place::{Answer, NOBODY, PSISTATS, copy_program};
use crate::process::Process;

const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a psistats.conf with short intervals, in which psistats is run.
struct Here(tempfile::TempDir);

impl Here {
    fn new() -> Self {
        let here = Self(tempfile::tempdir().unwrap());
        set_mode(here.0.path(), 0o755);
        fs::write(here.file(), "[app]\nprimary_timer=0.01\npidfile=/nowhere/psistats.pid\n").unwrap();
        set_mode(&here.file(), 0o600);
        here
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("psistats.conf")
    }

    /// Runs psistats with `words` in this directory, as an unprivileged user.
    fn as_nobody(&self, words: &[&str]) -> Command {
        let program = self.0.path().join("program");
        if !program.exists() {
            copy_program(&program);
        }
        let mut command = Command::new(program);
        command.args(words).current_dir(self.0.path()).env("HOME", "/nowhere").stdin(Stdio::null());
        if geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn without_permission_to_read_the_configuration_commands_that_need_none_work_and_the_others_give_advice() {
    let here = Here::new();
    set_mode(&here.file(), 0);
    let file = "./psistats.conf:";
    for words in ["start", "start-local", "stop", "restart", "check-config"] {
        Answer::of(&mut here.as_nobody(&[words])).complains(
            1,
            &[file, "cannot be read: permission denied; use sudo, or another configuration: --config FILE"],
        );
    }
    let warning = "cannot be read: permission denied; the built-in defaults apply";
    let status = Answer::of(&mut here.as_nobody(&["status"]));
    assert!(status.code != Some(4) && status.stdout.contains("psistats"), "{status:?}");
    assert!(status.stderr.contains(file) && status.stderr.contains(warning), "{status:?}");
    // A file named by --config must be readable, and no other one is tried.
    Answer::of(&mut here.as_nobody(&["status", "--config", "psistats.conf"]))
        .complains(4, &["psistats.conf: cannot be read: permission denied; use sudo"]);

    // These commands run until they are stopped.
    for words in [&["start-local", "--stdout"][..], &["chasar", "clientnode", "start", "127.0.0.1", "1"]] {
        let process = Process::start(&mut here.as_nobody(words));
        process.wait_for_line(warning, PATIENCE);
        let runs = if words.contains(&"--stdout") { "{\"hostname\":" } else { "127.0.0.1:1: " };
        process.wait_for_line(runs, PATIENCE);
    }
}

#[test]
fn an_unreadable_password_file_is_reported_with_its_owner_and_mode() {
    let here = Here::new();
    let password = here.0.path().join("password");
    fs::write(&password, "sesame\n").unwrap();
    set_mode(&password, 0);
    fs::write(here.file(), format!("[server]\npass=@file:{}\n", password.display())).unwrap();
    set_mode(&here.file(), 0o644);
    Answer::of(&mut here.as_nobody(&["check-config"])).complains(
        1,
        &[
            "./psistats.conf:2: [server] pass: expected a password in",
            "chown root:GROUP",
            "psistats",
            "chmod 640",
        ],
    );
    let process = Process::start(&mut here.as_nobody(&["start-local", "--stdout"]));
    process.wait_for_line("{\"hostname\":", PATIENCE);
}

#[test]
fn an_unreadable_credential_is_a_note_of_check_config_and_an_error_for_whatever_publishes() {
    let here = Here::new();
    let credentials = here.0.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    set_mode(&credentials, 0);
    fs::write(here.file(), "[server]\npass=@credential:broker\n").unwrap();
    set_mode(&here.file(), 0o644);
    let answer = Answer::of(here.as_nobody(&["check-config"]).env("CREDENTIALS_DIRECTORY", &credentials));
    answer.says(0, &format!("{}: ok\n", here.file().display()));
    assert!(answer.stderr.contains("./psistats.conf:2: note: [server] pass:"), "{answer:?}");
    Answer::of(here.as_nobody(&["start-local"]).env("CREDENTIALS_DIRECTORY", &credentials))
        .complains(1, &["./psistats.conf:2: [server] pass: expected a password in"]);
}

#[test]
fn a_configuration_in_an_inaccessible_directory_is_not_found() {
    let here = Here::new();
    let mut command = Command::new("sh");
    command.args(["-c", "chmod 0 . && exec \"$@\"", "sh"]).current_dir(here.0.path()).env("HOME", "/nowhere");
    if geteuid().is_root() {
        command.args(["setpriv", "--reuid", &NOBODY.to_string(), "--clear-groups"]);
    }
    // The command is run from another directory, since this one cannot be entered.
    let elsewhere = Here::new();
    let program = elsewhere.0.path().join("program");
    copy_program(&program);
    let status = Answer::of(command.arg(&program).arg("status"));
    set_mode(here.0.path(), 0o755);
    assert!(status.code.is_some_and(|code| code < 4) && !status.stdout.is_empty(), "{status:?}");
    assert!(!status.stderr.contains("./psistats.conf"), "{status:?}");
}

#[test]
#[ignore = "needs root: tests/run"]
fn root_skips_a_configuration_that_another_user_can_write_and_says_why() {
    assert!(geteuid().is_root(), "needs root: run tests/run as root");
    let here = Here::new();
    let check = |invoker: Option<&str>, home: &Path| {
        let mut command = Command::new(PSISTATS);
        command.arg("check-config").current_dir(here.0.path()).env("HOME", home).env_remove("SUDO_UID");
        invoker.map(|invoker| command.env("SUDO_UID", invoker));
        Answer::of(&mut command)
    };
    let nowhere = Path::new("/nowhere");
    let taken = format!("{}: ok\n", here.file().display());
    let is_taken = |invoker, home: &Path| check(invoker, home).stdout == taken;
    let directory = here.0.path();
    let nobody = NOBODY.to_string();
    assert!(is_taken(None, nowhere));

    let of = |path: &Path| format!("others can write to {} (mode", path.display());
    let passed_over = |why: &str| {
        let answer = check(None, nowhere);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        assert!(!answer.stdout.contains(&taken) && answer.stdout.contains("1 warning"), "{answer:?}");
        assert!(answer.stderr.contains("./psistats.conf: warning: passed over: this is root"), "{answer:?}");
        assert!(answer.stderr.contains(why) && answer.stderr.contains("--config"), "{answer:?}");
    };
    for path in [here.file().as_path(), directory] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        passed_over(&of(path));
        assert!(is_taken(Some(&nobody), nowhere), "whoever called sudo owns it");
        assert!(!is_taken(Some("1"), nowhere));
        chown(path, Some(0), Some(0)).unwrap();
        let mode = fs::metadata(path).unwrap().permissions().mode();
        for open in [0o020, 0o002] {
            set_mode(path, mode | open);
            passed_over(&of(path));
        }
        set_mode(path, mode);
    }
    // A file named by --config is used whoever can write to it.
    set_mode(directory, 0o777);
    let mut named = Command::new(PSISTATS);
    Answer::of(named.args(["check-config", "--config"]).arg(here.file())).says(0, &taken);
    set_mode(directory, 0o755);

    // The same applies to a file in the home directory.
    let home = tempfile::tempdir().unwrap();
    let dot = home.path().join(".psistats");
    fs::create_dir(&dot).unwrap();
    fs::rename(here.file(), dot.join("psistats.conf")).unwrap();
    let in_home = || check(None, home.path());
    assert!(in_home().stdout.contains(&*dot.to_string_lossy()));
    chown(home.path(), Some(NOBODY), None).unwrap();
    let answer = in_home();
    assert!(answer.stderr.contains(&of(home.path())) && !answer.stdout.contains(&*dot.to_string_lossy()));
}
