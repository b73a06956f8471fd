//! The machine as reports and chasar's messages see it: what both are made of is opened once, and read at
//! most once at a time.
//!
//! The space of file systems is not here: each who tells of it asks at places of its own, reports once a
//! minute, and looks at the table of mounts for those.

pub mod addresses;
pub mod cores;
pub mod hwmon;
pub mod memory;
pub mod numbered;
pub mod processes;
pub mod source;
pub mod sys;
pub mod thermometer;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use nix::sys::utsname::uname;

use crate::machine::addresses::AddressReader;
use crate::machine::cores::Processors;
use crate::machine::memory::Memory;
use crate::machine::source::{Root, Source};
use psistats_core::kernel::hostname;
use psistats_core::limits;
use psistats_core::time::Instant;

/// The sources, and room to read them.
#[derive(Debug)]
pub struct Machine {
    /// What `proc` and `sys` are below.
    pub root: Root,
    /// The host name: of the root, else of the running system. Never empty.
    pub hostname: String,
    /// Room for kernel text. On the heap, once: each future around it would have a copy on the stack.
    pub text: Box<[u8]>,
    /// `/proc/stat`
    pub processors: Processors,
    /// `/proc/meminfo`
    pub memory: Memory,
    /// None under another root than `/`: addresses are not a file.
    pub addresses: Option<AddressReader>,
}

/// Who asks a source.
#[derive(Clone, Copy, Debug)]
pub enum Asker {
    /// A report's own figures.
    Report,
    /// Its further figures.
    Figure,
    /// A message of chasar.
    Message,
}

/// Whom a reading has served: it serves those who ask at the same instant, each once.
#[derive(Debug, Default)]
pub struct Served {
    at: Instant,
    askers: u8,
}

impl Served {
    /// Whether the reading is not for `asker` at `now`, so that there has to be another, which is then.
    pub fn is_over(&mut self, asker: Asker, now: Instant) -> bool {
        let asker = 1 << asker as u8;
        let over = self.askers == 0 || self.at != now || self.askers & asker != 0;
        *self = Self { at: now, askers: if over { asker } else { self.askers | asker } };
        over
    }
}

impl Machine {
    /// Opens every source under `root`, which is `/` for the running system. Never fails: a source
    /// that is missing costs its figure.
    pub fn open(root: &Path) -> Rc<RefCell<Self>> {
        let root = Root::open(root);
        Rc::new(RefCell::new(Self {
            hostname: hostname(&root),
            text: vec![0; limits::KERNEL_FILE].into_boxed_slice(),
            processors: Processors::open(&root),
            memory: Memory::open(&root),
            addresses: root.is_live().then(AddressReader::default),
            root,
        }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_serves_each_who_asks_at_its_instant_once() {
        let mut served = Served::default();
        let [first, second] = [0, 1].map(Instant::from_nanos);
        assert!(served.is_over(Asker::Report, first), "there is none yet");
        assert!(!served.is_over(Asker::Message, first));
        assert!(!served.is_over(Asker::Figure, first));
        assert!(served.is_over(Asker::Message, first), "who asks again wants another");
        assert!(!served.is_over(Asker::Report, first));
        assert!(served.is_over(Asker::Figure, second));
    }
}
