//! What a process has of the machine's memory.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::process::Process;

/// In KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident, as the page tables have it: `VmRSS` of some kernels is off by 128 KiB a core.
    pub resident: u64,
    /// Of that, what is not of a shared library. How many pages of libc a process has is not its own doing:
    /// around each that it touches the kernel maps those that the page cache happens to have.
    pub own: u64,
    /// Of that, what belongs to no file.
    pub anonymous: u64,
    /// Address space of the heap and of threads' stacks.
    pub data: u64,
}

impl Memory {
    /// That of `process`.
    pub fn of(process: &Process) -> Self {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid())).unwrap();
        let figure = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let resident = figure("Rss");
        Self {
            resident,
            own: resident - of_libraries(process),
            anonymous: figure("Anonymous"),
            data: process.status("VmData"),
        }
    }

    /// No more than `before`, but for two pages: where a heap's free room lies is chance.
    #[track_caller]
    pub fn assert_not_above(self, before: Self) {
        let grown = self.anonymous > before.anonymous + 8 || self.data > before.data;
        assert!(!grown, "{before:?} KiB became {self:?}");
    }
}

/// KiB that are resident of files other than the program.
fn of_libraries(process: &Process) -> u64 {
    let proc = Path::new("/proc").join(process.pid().to_string());
    let program = fs::read_link(proc.join("exe")).unwrap();
    let smaps = fs::read_to_string(proc.join("smaps")).unwrap();
    let (mut of_library, mut kib) = (false, 0);
    for line in smaps.lines() {
        // A mapping's own line ends with the file that it maps, its figures follow.
        if let Some((_, file)) = line.split_once(" /") {
            of_library = Path::new("/").join(file) != program;
        } else if !line.contains(": ") {
            of_library = false;
        } else if let Some(resident) = line.strip_prefix("Rss:").filter(|_| of_library) {
            kib += resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        }
    }
    kib
}

/// How often `text` stands in the memory that a process can write to. For tests, which run as root.
pub fn occurrences(pid: u32, text: &str) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw"));
    let parts = writable.map(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut part = vec![0; usize::try_from(to - from).unwrap()];
        memory.read_exact_at(&mut part, from).unwrap();
        part.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
    });
    parts.sum()
}

/// KiB that this process has.
pub fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
