//! `cpu_freq`: how fast each core runs.

use std::fmt::Write;
use std::fs::File;

use heapless::{String, Vec};
use log::warn;
use nix::errno::Errno;
use serde::{Serialize, Serializer};

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source, read_at};
use crate::output::once::Once;
use psistats_core::bytes::Short;
use psistats_core::kernel::{Thousandths, cpufreq, cpulist};
use psistats_core::report::json_of;

#[derive(Debug)]
pub struct CpuFreq {
    /// Cores that share a clock show it also while they are offline: only this tells.
    online: Source,
    /// By number, as far as one was ever online.
    cores: Vec<Core, { limits::CORES }>,
    more: Once,
}

#[derive(Debug)]
struct Core {
    online: bool,
    file: Result<File, Errno>,
    mhz: Option<Thousandths>,
}

impl Serialize for Core {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.mhz.serialize(serializer)
    }
}

impl CpuFreq {
    /// Opens `cpuN/cpufreq/scaling_cur_freq` of every core that is online. Since 4.3 `cpufreq` there is a
    /// link to the policy that the core belongs to (kernel document "CPU Performance Scaling").
    pub fn open(root: &Root, _: &Options) -> Self {
        let online = Source::open(root, "sys/devices/system/cpu/online");
        let mut cores = Self { online, cores: Vec::new(), more: Once::default() };
        cores.reopen(root);
        cores
    }

    /// Finds which cores are online.
    fn find_online(&mut self, buf: &mut [u8]) -> Result<(), ReadError> {
        for core in &mut self.cores {
            (core.online, core.mhz) = (false, None);
        }
        let text = self.online.read(buf, 0)?;
        for number in cpulist::ranges(text).flatten() {
            let offline = || Core { online: false, file: Err(Errno::ENOENT), mhz: None };
            while self.cores.len() <= number && self.cores.push(offline()).is_ok() {}
            let Some(core) = self.cores.get_mut(number) else {
                if self.more.first() {
                    warn!("cpu_freq: cores from number {} on are left out", limits::CORES);
                }
                break;
            };
            core.online = true;
        }
        Ok(())
    }
}

impl Figure for CpuFreq {
    fn source(&self) -> &str {
        if self.cores.is_empty() {
            self.online.name()
        } else {
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
        }
    }

    fn reopen(&mut self, root: &Root) {
        self.online.reopen(root);
        // A failure shows when it is read.
        let _ = self.find_online(&mut [0; limits::KERNEL_VALUE]);
        for (number, core) in self.cores.iter_mut().enumerate().filter(|(_, core)| core.online) {
            let mut name = String::<{ limits::KERNEL_PATH }>::new();
            let written = write!(name, "sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
            core.file = written.map_err(|_| Errno::ENAMETOOLONG).and_then(|()| root.file(&name));
        }
    }

    fn is_incomplete(&self) -> bool {
        self.cores.iter().any(|core| core.online && core.mhz.is_none())
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.find_online(snapshot.text)?;
        let mut outcome = Err(ReadError::Content);
        for core in self.cores.iter_mut().filter(|core| core.online) {
            match core.read(snapshot.text) {
                Ok(mhz) => (core.mhz, outcome) = (Some(mhz), Ok(())),
                Err(failure) => outcome = outcome.or(Err(failure)),
            }
        }
        outcome
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(self.cores.as_slice(), buf)
    }
}

impl Core {
    fn read(&self, buf: &mut [u8]) -> Result<Thousandths, ReadError> {
        let file = self.file.as_ref().map_err(|errno| *errno)?;
        cpufreq::parse(read_at(file, buf, 0)?).ok_or(ReadError::Content)
    }
}
