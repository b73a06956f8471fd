//! Makes the messages of one machine, in memory that is allocated at the start.

use std::path::Path;
use std::time::{Duration, SystemTime};

use log::warn;

use super::clock::stamp;
use super::interface::Interface;
use crate::agent::addresses::AddressReader;
use crate::agent::cores::Cores;
use crate::agent::figures::mounts::{Space, Table};
use crate::agent::localtime::Zone;
use crate::agent::memory::Memory;
use crate::agent::processes::ProcessTable;
use crate::agent::source::Root;
use crate::agent::{sampler, system};
use crate::limits;
use crate::report::chasar::{self, Cpu, Ipv4Interface, Message, Process, percent_of};
use crate::report::{Members, Sequence, json_of, percent};
use crate::sample::addresses::Addresses;
use crate::sample::meminfo;
use crate::time::Instant;

/// What is told beside the obvious.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The interface; none: that of the default route.
    pub interface: Option<&'a str>,
    /// Most processes in a message; 0: none.
    pub processes: usize,
}

/// Collects what a message tells.
#[derive(Debug)]
pub struct Collector {
    root: Root,
    hostname: String,
    utc: Zone,
    zone: Zone,
    cores: Cores,
    memory: Memory,
    mounts: Table,
    disk: Option<Space>,
    interface: Interface,
    addresses: Option<AddressReader>,
    found: Addresses,
    processes: ProcessTable,
    most: usize,
    cut_told: bool,
    scanned_at: Option<Instant>,
    text: Box<[u8]>,
    json: Box<[u8]>,
}

impl Collector {
    /// Opens every source under `root`, which is `/` for the running system. Never fails: a source that
    /// is missing costs its figure.
    pub fn open(root: &Path, options: Options<'_>) -> Self {
        let root = Root::open(root);
        let capacity = if options.processes == 0 { 0 } else { limits::PROCESSES };
        Self {
            hostname: sampler::machine_name(&root),
            utc: Zone::utc(),
            zone: Zone::local(),
            cores: Cores::open(&root, "cpu"),
            memory: Memory::open(&root),
            mounts: Table::open(&root, "disk"),
            disk: Space::at("/"),
            interface: Interface::open(&root, options.interface),
            addresses: root.is_live().then(AddressReader::default),
            found: Addresses::default(),
            processes: ProcessTable::open(&root, capacity, system::ticks_per_second(), system::page_bytes()),
            most: options.processes,
            cut_told: false,
            scanned_at: None,
            text: vec![0; limits::KERNEL_FILE].into_boxed_slice(),
            json: vec![0; limits::CHASAR_MESSAGE].into_boxed_slice(),
            root,
        }
    }

    /// Reads the counters that the next message is measured against.
    pub fn prime(&mut self, now: Instant) {
        let _ = self.cores.read(&mut self.text);
        self.scan(now);
    }

    /// One message as JSON. `clock` is the wall clock's time, `now` the monotonic one's.
    pub fn message(&mut self, clock: SystemTime, now: Instant) -> &[u8] {
        let _ = self.cores.read(&mut self.text);
        self.scan(now);
        self.interface.find(&self.root, &mut self.text);
        if let Some(addresses) = &mut self.addresses
            && addresses.read(&mut self.text, &mut self.found).is_err()
        {
            self.found.clear();
        }
        let memory = self.read_memory();
        let disk = self.read_disk();
        let mut most = self.most;
        loop {
            match self.encode(clock, memory, disk, most) {
                Some(length) => return self.json.get(..length).unwrap_or_default(),
                // Without processes it fits in any case.
                None if most == 0 => return &[],
                None => most = most.min(limits::PROCESSES) / 2,
            }
            if !self.cut_told {
                self.cut_told = true;
                warn!(
                    "a message has room for {} bytes: it tells of the processes that use most",
                    limits::CHASAR_MESSAGE
                );
            }
        }
    }

    fn scan(&mut self, now: Instant) {
        if self.most > 0 {
            let elapsed = self.scanned_at.replace(now).map_or(Duration::ZERO, |before| now.since(before));
            // Without /proc there are no processes to tell of.
            let _ = self.processes.scan(&mut self.text, elapsed);
        }
    }

    fn read_memory(&mut self) -> Option<chasar::Memory> {
        let (bytes, used) = self.memory.read(&mut self.text, meminfo::used_bytes).ok()?;
        Some(chasar::Memory {
            total_bytes: bytes.total,
            total_bytes_used: used?,
            percent_used: percent(bytes.total.saturating_sub(bytes.available), bytes.total),
        })
    }

    fn read_disk(&mut self) -> Option<chasar::Disk> {
        if !self.mounts.is_live() {
            return None;
        }
        let disk = self.disk.as_mut()?;
        self.mounts.survey(&mut self.text, std::slice::from_mut(disk)).ok()?;
        disk.ask().ok().map(chasar::Disk::from)
    }

    /// The length of the message with at most so many processes, if there is room for it.
    fn encode(
        &mut self,
        clock: SystemTime,
        memory: Option<chasar::Memory>,
        disk: Option<chasar::Disk>,
        most: usize,
    ) -> Option<usize> {
        let total = memory.map_or(0, |memory| memory.total_bytes);
        let number = self.interface.number();
        let ours = self.found.with_networks().filter(|(_, network)| Some(network.interface) == number);
        let message = Message {
            computer_utc_clock: &stamp(clock, &self.utc),
            computer_clock: &stamp(clock, &self.zone),
            hostname: &self.hostname,
            mac_address: self.interface.mac(),
            ipv4_interfaces: Sequence(ours.map(|(addr, network)| Ipv4Interface {
                addr,
                netmask: network.netmask,
                broadcast: network.broadcast,
            })),
            cpu: Cpu { percent_used: Sequence(self.cores.percent()) },
            memory,
            disk,
            process: Members(self.processes.distinct(most).map(|process| {
                let told = Process {
                    pid: process.pid,
                    status: process.status.as_str(),
                    percent_cpu_used: process.cpu,
                    percent_memory_used: percent_of(process.resident_bytes, total),
                };
                (process.name.as_str(), told)
            })),
        };
        json_of(&message, &mut self.json).ok()
    }
}
