//! What a process has of the machine's memory.

use super::process::Process;

/// In KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident, as the page tables have it: `VmRSS` of some kernels is off by 128 KiB a core.
    pub resident: u64,
    /// Of that, what belongs to no file.
    pub anonymous: u64,
    /// Address space of the heap and of threads' stacks.
    pub data: u64,
}

impl Memory {
    /// That of `process`.
    pub fn of(process: &Process) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid())).unwrap();
        let figure = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self { resident: figure("Rss"), anonymous: figure("Anonymous"), data: process.status("VmData") }
    }

    /// No more than `before`, but for two pages: where a heap's free room lies is chance.
    #[track_caller]
    pub fn assert_not_above(self, before: Self) {
        let grown = self.anonymous > before.anonymous + 8 || self.data > before.data;
        assert!(!grown, "{before:?} KiB became {self:?}");
    }
}
