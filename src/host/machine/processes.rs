//! The processes of this machine, in a table that is allocated once.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::fs::File;
use std::mem::{self, MaybeUninit};
use std::os::fd::OwnedFd;
use std::time::Duration;

use heapless::String;
use log::warn;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::fs::{RawDir, SeekFrom, seek};

use crate::limits;
use crate::machine::source::{ReadError, Root, read_at};
use crate::output::once::Once;
use psistats_core::kernel::process::{self, Status};
use psistats_core::kernel::{Fixed, Tenths};

/// Bytes that the kernel leaves of a name (`TASK_COMM_LEN` - 1).
const CUT: usize = 15;

/// Bytes read of a command line, of which the first word is wanted.
const COMMAND: usize = 512;

/// Bytes of `/proc`'s listing that are looked at in one go: some 250 processes.
const LISTING: usize = 8192;

/// A program's name.
type Name = String<{ limits::PROCESS_NAME }>;

/// One process as it was found.
#[derive(Clone, Debug)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// The program's name; the kernel's, or the whole one where the kernel has cut it.
    pub name: Name,
    /// What it is about.
    pub status: Status,
    /// Percent of one core's time since the scan before; of all its time if it is younger.
    pub cpu: Tenths,
    /// Memory that it holds.
    pub resident_bytes: u64,
    started: u64,
    ticks: u64,
}

impl Process {
    /// By how much it uses: of the processors, then of memory.
    fn usage(&self) -> (Tenths, u64) {
        (self.cpu, self.resident_bytes)
    }
}

/// The processes of the last two scans.
#[derive(Debug)]
pub struct ProcessTable {
    proc: Result<OwnedFd, Errno>,
    /// By process id.
    now: Vec<Process>,
    before: Vec<Process>,
    /// Places in `now`, for [`ProcessTable::distinct`].
    order: Vec<u16>,
    /// When the youngest one ever found has started, as [`process::Process::started`]; none before the first
    /// scan.
    youngest: Option<u64>,
    more: Once,
    ticks_per_second: u64,
    page_bytes: u64,
}

impl ProcessTable {
    /// A table of `capacity` processes below `root`; those that use most of the processors, then of
    /// memory, stand where there are more.
    pub fn open(root: &Root, capacity: usize, ticks_per_second: u64, page_bytes: u64) -> Self {
        let capacity = capacity.min(usize::from(u16::MAX));
        Self {
            proc: root.directory("proc"),
            now: Vec::with_capacity(capacity),
            before: Vec::with_capacity(capacity),
            order: Vec::with_capacity(capacity),
            youngest: None,
            more: Once::default(),
            ticks_per_second: ticks_per_second.max(1),
            page_bytes,
        }
    }

    /// The processes that the last scan found, of those with one name the one with the highest id; at
    /// most so many, which are those that use most.
    pub fn distinct(&mut self, most: usize) -> impl Iterator<Item = &Process> + Clone {
        let Self { now, order, .. } = self;
        let at = |index: &u16| now.get(usize::from(*index));
        let name = |index: &u16| at(index).map(|process| process.name.as_str());
        order.clear();
        order.extend(0..u16::try_from(now.len()).unwrap_or(u16::MAX));
        // By process id in the table, and the later one first here.
        sort(order, &|a, b| name(a).cmp(&name(b)).then(b.cmp(a)));
        order.dedup_by(|later, first| name(later) == name(first));
        if order.len() > most {
            let usage = |index: &u16| at(index).map(Process::usage);
            sort(order, &|a, b| usage(b).cmp(&usage(a)));
            order.truncate(most);
        }
        self.order.iter().filter_map(|index| self.now.get(usize::from(*index)))
    }

    /// Looks at all processes, `elapsed` after the scan before. One that ends meanwhile is left out.
    ///
    /// # Errors
    /// That of reading `/proc` itself.
    pub fn scan(&mut self, text: &mut [u8], elapsed: Duration) -> Result<(), ReadError> {
        mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        let (youngest, mut is_full) = (self.youngest, false);
        let seconds = elapsed.as_secs_f64();
        let directory = self.proc.as_ref().map_err(|errno| *errno)?;
        seek(directory, SeekFrom::Start(0)).map_err(errno)?;
        let mut listing = [MaybeUninit::uninit(); LISTING];
        let mut listing = RawDir::new(directory, &mut listing);
        while let Some(entry) = listing.next() {
            let entry = entry.map_err(errno)?;
            let Some(pid) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(text) = read(directory, pid, "stat", text) else { continue };
            let Some(found) = process::parse(text) else { continue };
            let resident_pages = if found.has_memory { resident_pages(directory, pid) } else { Some(0) };
            let Some(resident_pages) = resident_pages else { continue };
            let old = self.before.binary_search_by_key(&pid, |process| process.pid);
            let old = old.ok().and_then(|at| self.before.get(at)).filter(|old| old.started == found.started);
            let spent = match old {
                Some(old) => found.ticks.saturating_sub(old.ticks),
                // All that a new one has used, it has used since. An older one has not been seen, because there
                // was no room for it, or no descriptor to look at it.
                None if youngest.is_some_and(|youngest| found.started > youngest) => found.ticks,
                None => 0,
            };
            self.youngest = self.youngest.max(Some(found.started));
            let process = Process {
                pid,
                name: name(directory, pid, found.name, old.map(|old| &old.name)),
                status: found.status,
                cpu: cpu_percent(spent, self.ticks_per_second, seconds),
                resident_bytes: resident_pages.saturating_mul(self.page_bytes),
                started: found.started,
                ticks: found.ticks,
            };
            is_full |= !put(&mut self.now, process);
        }
        if is_full && self.more.first() {
            let capacity = self.now.capacity();
            warn!("more than {capacity} processes: messages have those that use most");
        }
        Ok(())
    }
}

/// The system's answer, as everything else has it.
fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// Sorts in place. Not generic: sorting is much code.
fn sort(order: &mut [u16], compare: &dyn Fn(&u16, &u16) -> Ordering) {
    order.sort_unstable_by(compare);
}

/// Puts a process into the table; where that is full, in the place of the one that uses least, which
/// may be itself. False: there was one too many.
fn put(table: &mut Vec<Process>, process: Process) -> bool {
    let is_full = table.len() == table.capacity();
    if is_full {
        let least = table.iter().enumerate().min_by_key(|(_, process)| process.usage());
        match least {
            Some((at, least)) if least.usage() < process.usage() => drop(table.remove(at)),
            _ => return false,
        }
    }
    // By process id, which is the kernel's order too: at the end.
    let at = table.partition_point(|other| other.pid < process.pid);
    table.insert(at, process);
    !is_full
}

/// What a file of a process says, as much as fits.
fn read<'b>(directory: &OwnedFd, pid: u32, file: &str, buf: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    let mut path = String::<{ limits::KERNEL_PATH }>::new();
    let _ = write!(path, "{pid}/{file}");
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let file = File::from(openat(directory, path.as_str(), flags, Mode::empty())?);
    read_at(&file, buf, 0)
}

/// What `statm` says of a process.
fn resident_pages(directory: &OwnedFd, pid: u32) -> Option<u64> {
    process::resident_pages(read(directory, pid, "statm", &mut [0; limits::KERNEL_VALUE]).ok()?)
}

/// The whole name of a program. The kernel cuts it to 15 bytes; where the command line's first word
/// ends in a file name that begins so, that is it (psutil's rule). It is asked for once.
fn name(directory: &OwnedFd, pid: u32, cut: &[u8], known: Option<&Name>) -> Name {
    let cut = lossy(cut);
    if cut.len() < CUT {
        return cut;
    }
    if let Some(known) = known.filter(|known| known.starts_with(cut.as_str())) {
        return known.clone();
    }
    let mut line = [0; COMMAND];
    let line = read(directory, pid, "cmdline", &mut line).unwrap_or_default();
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let whole = lossy(program.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
    if whole.starts_with(cut.as_str()) { whole } else { cut }
}

/// As text, `\u{fffd}` for what is none; cut to its room.
fn lossy(bytes: &[u8]) -> Name {
    let mut name = Name::new();
    for chunk in bytes.utf8_chunks() {
        let replaced = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
        for c in chunk.valid().chars().chain(replaced.chars()) {
            if name.push(c).is_err() {
                return name;
            }
        }
    }
    name
}

/// Percent of one core's time, with one decimal.
#[allow(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer there is")]
fn cpu_percent(ticks: u64, ticks_per_second: u64, seconds: f64) -> Tenths {
    if seconds <= 0.0 {
        return Fixed(0);
    }
    let seconds_spent = ticks as f64 / ticks_per_second as f64;
    Fixed((seconds_spent / seconds * 1000.0).round() as i64)
}
