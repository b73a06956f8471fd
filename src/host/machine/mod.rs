//! The machine that reports and chasar's messages are of: its kernel files are opened once, and what several
//! consumers want of one instant is read once, as a [`Snapshot`].
//!
//! The space of file systems is not in a snapshot: each consumer asks at places of its own, reports once a
//! minute, and reads the table of mounts for those.

pub mod addresses;
pub mod cores;
pub mod hwmon;
pub mod memory;
pub mod numbered;
pub mod processes;
pub mod random;
pub mod snapshot;
pub mod source;
pub mod sys;
pub mod thermometer;
pub mod wanted;

use std::path::Path;

use nix::sys::utsname::uname;

use crate::limits;
use crate::machine::addresses::AddressReader;
use crate::machine::cores::ProcessorReader;
use crate::machine::memory::MemoryReader;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{Root, Source};
use crate::machine::wanted::Wanted;
use psistats_core::kernel::hostname;
use psistats_core::limits::KERNEL_FILE;
use psistats_core::time::Instant;

/// The sources of snapshots, and room to read them. It has one owner.
#[derive(Debug)]
pub struct Machine {
    root: Root,
    hostname: String,
    /// On the heap, once: each future around it would have a copy on the stack.
    text: Box<[u8]>,
    processors: ProcessorReader,
    memory: MemoryReader,
    addresses: AddressReader,
}

impl Machine {
    /// Opens every source under `root`, which is `/` for the running system. Never fails: a source
    /// that is missing costs its figure.
    pub fn open(root: &Path) -> Self {
        let root = Root::open(root);
        Self {
            hostname: hostname(&root),
            text: vec![0; KERNEL_FILE].into_boxed_slice(),
            processors: ProcessorReader::open(&root),
            memory: MemoryReader::open(&root),
            addresses: AddressReader::default(),
            root,
        }
    }

    /// What `proc` and `sys` are below.
    pub const fn root(&self) -> &Root {
        &self.root
    }

    /// The host name: of the root, else of the running system. Never empty.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Takes a snapshot: reads each source of what is wanted once, and no other.
    pub fn read(&mut self, wanted: Wanted, now: Instant) -> Snapshot<'_> {
        let Self { root, hostname, text, processors, memory, addresses } = self;
        processors.read(wanted, root, text);
        memory.read(wanted, root, text);
        addresses.read(wanted, root, text);
        Snapshot {
            now,
            hostname,
            root,
            text,
            cpu: processors.all,
            cores: processors.cores(),
            has_more_cores: processors.has_more_cores,
            memory: memory.memory,
            addresses: addresses.addresses(),
        }
    }
}

/// The host name in `root`; else that of the running system, with `?` for bytes that are no text;
/// else `localhost`.
fn hostname(root: &Root) -> String {
    name_in(root, "proc/sys/kernel/hostname", hostname::parse)
        .or_else(|| {
            let system = uname().ok()?;
            let name = system.nodename().as_encoded_bytes();
            let text: String =
                name.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect();
            hostname::parse(text.as_bytes()).map(ToString::to_string)
        })
        .unwrap_or_else(|| "localhost".into())
}

/// A name that is read once.
pub fn name_in(root: &Root, file: &'static str, parse: fn(&[u8]) -> Option<&str>) -> Option<String> {
    let mut text = [0; limits::KERNEL_VALUE];
    let text = Source::open(root, file).read(&mut text, 0).ok()?;
    parse(text).map(ToString::to_string)
}
