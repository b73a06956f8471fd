//! Makes the messages of one machine, in memory that is allocated at the start.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use log::warn;

use crate::chasar::clock::stamp;
use crate::chasar::interface::Interface;
use crate::figures::mounts::{Space, Table};
use crate::machine::cores::Cores;
use crate::machine::processes::ProcessTable;
use crate::machine::sys;
use crate::machine::{Asker, Machine};
use crate::output::localtime::Zone;
use psistats_core::kernel::addresses::{Addresses, Network};
use psistats_core::limits;
use psistats_core::report::chasar::{self, Cpu, Ipv4Interface, Message, Process, percent_of};
use psistats_core::report::{Members, Sequence, json_of};
use psistats_core::time::Instant;

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
    machine: Rc<RefCell<Machine>>,
    utc: Zone,
    zone: Zone,
    cores: Cores,
    mounts: Table,
    disk: Option<Space>,
    interface: Interface,
    processes: ProcessTable,
    most: usize,
    cut_told: bool,
    scanned_at: Option<Instant>,
    json: Box<[u8]>,
    length: usize,
}

impl Collector {
    /// One of the machine under `root`, which is `/` for the running system, that shares it with nobody.
    pub fn open(root: &Path, options: Options<'_>) -> Self {
        Self::of(Machine::open(root), options)
    }

    /// Opens every further source of `shared`. Never fails: a source that is missing costs its figure.
    pub fn of(shared: Rc<RefCell<Machine>>, options: Options<'_>) -> Self {
        let mut borrowed = shared.borrow_mut();
        let Machine { root, processors, memory, .. } = &mut *borrowed;
        memory.with_used = true;
        let cores = Cores::of(processors, Asker::Message, "cpu");
        let mounts = Table::open(root, "disk");
        let interface = Interface::open(root, options.interface);
        let capacity = if options.processes == 0 { 0 } else { limits::PROCESSES };
        let processes = ProcessTable::open(root, capacity, sys::ticks_per_second(), sys::page_bytes());
        if capacity > 0 && root.is_live() && root.file_of(&["proc/1/stat"]).is_none() {
            warn!(
                "messages tell of this user's processes alone, the others are hidden: by ProtectProc= of the unit (systemctl edit), or by hidepid of /proc"
            );
        }
        drop(borrowed);
        Self {
            machine: shared,
            utc: Zone::utc(),
            zone: Zone::local(),
            cores,
            mounts,
            disk: Space::at("/"),
            interface,
            processes,
            most: options.processes,
            cut_told: false,
            scanned_at: None,
            json: vec![0; limits::CHASAR_MESSAGE].into_boxed_slice(),
            length: 0,
        }
    }

    /// Reads the counters that the next message is measured against.
    pub fn prime(&mut self, now: Instant) {
        let machine = self.machine.clone();
        self.count(&mut machine.borrow_mut(), now);
    }

    /// The last message.
    pub fn last(&self) -> &[u8] {
        self.json.get(..self.length).unwrap_or_default()
    }

    /// One message as JSON. `clock` is the wall clock's time, `now` the monotonic one's.
    pub fn message(&mut self, clock: SystemTime, now: Instant) -> &[u8] {
        let machine = self.machine.clone();
        let machine = &mut *machine.borrow_mut();
        self.count(machine, now);
        self.interface.find(&machine.root, &mut machine.text);
        let disk = self.read_disk(&mut machine.text);
        let mut most = self.most;
        let memory = read_memory(machine, now);
        let Machine { hostname, addresses, text, .. } = machine;
        let found = addresses.as_mut().and_then(|addresses| addresses.ask(Asker::Message, now, text).ok());
        loop {
            let length = self.encode(clock, hostname, memory, disk, found, most);
            // Without processes it fits in any case.
            if length.is_some() || most == 0 {
                self.length = length.unwrap_or_default();
                return self.last();
            }
            most = most.min(limits::PROCESSES) / 2;
            if !self.cut_told {
                self.cut_told = true;
                warn!(
                    "a message has room for {} bytes: it tells of the processes that use most",
                    limits::CHASAR_MESSAGE
                );
            }
        }
    }

    /// Reads what is told as the difference to the message before.
    fn count(&mut self, machine: &mut Machine, now: Instant) {
        let Machine { processors, text, .. } = machine;
        // Where it fails each core is null.
        let _ = self.cores.read(processors, now, text);
        if self.most > 0 {
            let elapsed = self.scanned_at.replace(now).map_or(Duration::ZERO, |before| now.since(before));
            // Without /proc there are no processes to tell of.
            let _ = self.processes.scan(text, elapsed);
        }
    }

    fn read_disk(&mut self, text: &mut [u8]) -> Option<chasar::Disk> {
        if !self.mounts.is_live() {
            return None;
        }
        let disk = self.disk.as_mut()?;
        self.mounts.survey(text, std::slice::from_mut(disk)).ok()?;
        disk.ask().ok().map(chasar::Disk::from)
    }

    /// The length of the message with at most so many processes, if there is room for it.
    fn encode(
        &mut self,
        clock: SystemTime,
        hostname: &str,
        memory: Option<chasar::Memory>,
        disk: Option<chasar::Disk>,
        found: Option<&Addresses>,
        most: usize,
    ) -> Option<usize> {
        let total = memory.map_or(0, |memory| memory.total_bytes);
        let (number, has_peers) = (self.interface.number(), self.interface.has_peers());
        let found = found.into_iter().flat_map(Addresses::with_networks);
        let ours = found.filter(|(_, network)| Some(network.interface) == number);
        let message = Message {
            computer_utc_clock: &stamp(clock, &self.utc),
            computer_clock: &stamp(clock, &self.zone),
            hostname,
            mac_address: self.interface.mac(),
            ipv4_interfaces: Sequence(ours.map(|(addr, network)| {
                let Network { netmask, broadcast_or_peer, .. } = network;
                let (broadcast, peer) =
                    if has_peers { (None, broadcast_or_peer) } else { (broadcast_or_peer, None) };
                Ipv4Interface { addr, netmask, broadcast, peer }
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

fn read_memory(machine: &mut Machine, now: Instant) -> Option<chasar::Memory> {
    let read = machine.memory.ask(Asker::Message, now, &mut machine.text).ok()?;
    let bytes = read.bytes?;
    Some(chasar::Memory {
        total_bytes: bytes.total,
        total_bytes_used: read.used_bytes?,
        percent_used: bytes.percent_used(),
    })
}
