//! A terminal: tmux with a server and a pane of its own.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use support::PATIENCE;

/// It ends, with what runs in it, when it is dropped.
pub struct Terminal {
    socket: String,
    folder: TempDir,
}

impl Terminal {
    /// `psistats-hub top` with these arguments, in 80x24.
    pub fn top(arguments: &str) -> Self {
        Self::top_with("", arguments)
    }

    /// The same, with variables as a shell sets them in front of a command.
    ///
    /// Its process id goes to a file. After it comes a line with its exit code, and one with the terminal's settings.
    pub fn top_with(variables: &str, arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_psistats-hub");
        Self::shell(&format!(
            "echo before; {variables} sh -c 'echo $$ >pid; exec {program} top {arguments}'; echo ended $?; stty -a; exec sleep 1000"
        ))
    }

    /// What a shell runs, in a folder of its own.
    pub fn shell(command: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let socket = format!("psistats-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let terminal = Self { socket, folder: tempfile::tempdir().unwrap() };
        let folder = terminal.folder.path().to_str().unwrap();
        // Without a server of its own it would run with the environment of another's.
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            "-c",
            folder,
            command,
        ]);
        terminal
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-L", &self.socket]).args(arguments).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        tmux.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        tmux.output().expect("tmux: apt-get install tmux")
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it shows.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same, with colours and weights as escape sequences.
    pub fn painted(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// What tmux knows of the pane, as `#{cursor_flag}`.
    pub fn property(&self, format: &str) -> String {
        self.tmux(&["display-message", "-p", format]).trim_end().to_owned()
    }

    /// All octets that come from now on go to a file of this path.
    pub fn record(&self) -> std::path::PathBuf {
        let file = self.folder.path().join("octets");
        self.tmux(&["pipe-pane", "-o", &format!("cat >>{}", file.display())]);
        file
    }

    /// Presses keys, by tmux's names, one after the other.
    pub fn press(&self, keys: &[&str]) {
        for key in keys {
            self.tmux(&["send-keys", key]);
        }
    }

    /// Types a text.
    pub fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    pub fn resize(&self, width: u16, height: u16) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// The process id of `top`.
    pub fn pid(&self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = std::fs::read_to_string(self.folder.path().join("pid")).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                return pid;
            }
            assert!(Instant::now() < deadline, "{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The screen, once that is so.
    #[track_caller]
    pub fn wait_until(&self, is_so: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "the terminal shows:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The screen, once it has this text.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_until(|screen| screen.contains(text))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

/// The rows of the wall, from the left: state and name.
pub fn rows(screen: &str) -> Vec<(String, String)> {
    let rows = screen.lines().skip_while(|line| !line.starts_with("STATE")).skip(1);
    let rows = rows.take_while(|line| !line.is_empty() && !line.contains(": "));
    let word = |line: &str, n| line.split_whitespace().nth(n).unwrap_or_default().to_owned();
    rows.map(|line| (word(line, 0), word(line, 1))).collect()
}

/// The row of a board.
#[track_caller]
pub fn row<'s>(screen: &'s str, name: &str) -> &'s str {
    let found =
        screen.lines().find(|line| line.split_whitespace().nth(1) == Some(name) && !line.contains(": "));
    found.unwrap_or_else(|| panic!("no row of {name}:\n{screen}"))
}
