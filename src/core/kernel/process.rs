//! `/proc/PID/stat` and `statm`: one process (proc_pid_stat(5), proc_pid_statm(5)).

use crate::kernel::{decimal, words};

/// What is wanted of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process<'t> {
    /// The program's name, cut by the kernel to 15 bytes. Any bytes.
    pub name: &'t [u8],
    /// What it is about.
    pub status: Status,
    /// Clock ticks spent in user mode and in the kernel.
    pub ticks: u64,
    /// Clock ticks from the machine's start to its own: two processes that had one number have not
    /// both started then.
    pub started: u64,
    /// Whether it has memory of its own, which a thread of the kernel or a zombie has not.
    pub has_memory: bool,
}

/// A process's state, by its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    /// As psutil says it.
    pub const fn as_str(self) -> &'static str {
        match self.0 {
            b'R' => "running",
            b'S' => "sleeping",
            b'D' => "disk-sleep",
            b'T' => "stopped",
            b't' => "tracing-stop",
            b'Z' => "zombie",
            b'X' | b'x' => "dead",
            b'K' => "wake-kill",
            b'W' => "waking",
            b'P' => "parked",
            b'I' => "idle",
            _ => "?",
        }
    }
}

/// Reads `/proc/PID/stat`.
pub fn parse(text: &[u8]) -> Option<Process<'_>> {
    // The name may hold anything, parentheses and line ends too; nothing after it has a parenthesis.
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let name = text.get(open + 1..close)?;
    // Field 3 is the first here, and state the only one that is no number.
    let mut fields = words(text.get(close + 1..)?);
    let [state] = fields.next()? else { return None };
    let mut number = |field: usize, before: usize| decimal(fields.nth(field - before - 1)?);
    let user = number(14, 3)?;
    let system = number(15, 14)?;
    let started = number(22, 15)?;
    let virtual_bytes = number(23, 22)?;
    Some(Process {
        name,
        status: Status(*state),
        ticks: user.saturating_add(system),
        started,
        has_memory: virtual_bytes > 0,
    })
}

/// Reads the pages of memory that a process holds from its `statm`, as psutil does: `rss` of `stat` is
/// without what its processors have not added up yet, up to a tenth of a small process (proc_pid_stat(5):
/// "This value is inaccurate").
pub fn resident_pages(statm: &[u8]) -> Option<u64> {
    decimal(words(statm).nth(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: &[u8] = b"1 (systemd) S 0 1 1 0 -1 4194560 24112 1301345 121 1133 111 302 3571 1475 20 0 1 0 19 172384256 3113 18446744073709551615 1 1 0 0 0 0 671173123 4096 1260 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn fields_are_counted_from_the_last_parenthesis() {
        let init = parse(INIT).unwrap();
        assert_eq!((init.name, init.status.as_str()), (&b"systemd"[..], "sleeping"));
        assert_eq!((init.ticks, init.started, init.has_memory), (111 + 302, 19, true));
        for name in [&b"a) R 9 9 (b"[..], b"", b" ", b")", b"x\n)(y", b"\xff\xfe"] {
            let text = [b"1 (", name, b") ", &INIT[12..]].concat();
            assert_eq!(parse(&text), Some(Process { name, ..init }), "{:?}", name.escape_ascii());
        }
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        for text in
            [&b""[..], b"1 systemd S 0", b"1 (a", b"1 )a( S", b"1 (a)", b"1 (a) S", b"1 (a) Sleeping 0 1"]
        {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
        for cut in 0..INIT.len() - 135 {
            assert_eq!(parse(&INIT[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn memory_is_the_second_number_of_statm() {
        assert_eq!(resident_pages(b"41976 4367 2130 12 0 4991 0\n"), Some(4367));
        for text in [&b""[..], b"41976", b"41976 x 1"] {
            assert_eq!(resident_pages(text), None, "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn an_unknown_state_is_told_as_such() {
        let text = [&INIT[..12], b"N", &INIT[13..]].concat();
        assert_eq!(parse(&text).unwrap().status.as_str(), "?");
    }
}
