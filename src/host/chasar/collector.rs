//! Makes the messages of one machine, in memory that is allocated at the start.

use std::time::{Duration, SystemTime};

use log::warn;

use crate::chasar::clock::stamp;
use crate::chasar::interface::Interface;
use crate::figures::mounts::{Space, Table};
use crate::limits;
use crate::machine::Machine;
use crate::machine::cores::CoreRates;
use crate::machine::processes::ProcessTable;
use crate::machine::snapshot::Snapshot;
use crate::machine::sys;
use crate::machine::wanted::Wanted;
use crate::output::localtime::Zone;
use crate::output::once::Once;
use psistats_core::kernel::addresses::{Addresses, Network};
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
    utc: Zone,
    zone: Zone,
    cores: CoreRates,
    mounts: Table,
    disk: Option<Space>,
    interface: Interface,
    processes: ProcessTable,
    most: usize,
    cut: Once,
    scanned_at: Option<Instant>,
    json: Box<[u8]>,
    length: usize,
}

impl Collector {
    /// What [`Collector::prime`] takes from a snapshot.
    pub const COUNTERS: Wanted = Wanted::CORES;
    /// What [`Collector::message`] takes from a snapshot.
    pub const WANTED: Wanted = Wanted::CORES.and(Wanted::MEMORY).and(Wanted::USED_MEMORY).and(Wanted::IPV4);

    /// Opens every source that no snapshot has. Never fails: a source that is missing costs its figure.
    pub fn open(machine: &Machine, options: Options<'_>) -> Self {
        let root = machine.root();
        let capacity = if options.processes == 0 { 0 } else { limits::PROCESSES };
        let processes = ProcessTable::open(root, capacity, sys::ticks_per_second(), sys::page_bytes());
        if capacity > 0 && root.is_live() && root.file_of(&["proc/1/stat"]).is_none() {
            warn!(
                "messages tell of this user's processes alone, the others are hidden: by ProtectProc= of the unit (systemctl edit), or by hidepid of /proc"
            );
        }
        Self {
            utc: Zone::utc(),
            zone: Zone::local(),
            cores: CoreRates::new("cpu"),
            mounts: Table::open(root, "disk"),
            disk: Space::at("/"),
            interface: Interface::open(root, options.interface),
            processes,
            most: options.processes,
            cut: Once::default(),
            scanned_at: None,
            json: vec![0; limits::CHASAR_MESSAGE].into_boxed_slice(),
            length: 0,
        }
    }

    /// Reads the counters that the next message is measured against.
    pub fn prime(&mut self, snapshot: &mut Snapshot<'_>) {
        // Where it fails each core is null.
        let _ = self.cores.update(snapshot);
        if self.most > 0 {
            let before = self.scanned_at.replace(snapshot.now);
            let elapsed = before.map_or(Duration::ZERO, |before| snapshot.now.since(before));
            // Without /proc there are no processes to tell of.
            let _ = self.processes.scan(snapshot.text, elapsed);
        }
    }

    /// The last message.
    pub fn last(&self) -> &[u8] {
        self.json.get(..self.length).unwrap_or_default()
    }

    /// One message as JSON. `clock` is the wall clock's time.
    pub fn message(&mut self, clock: SystemTime, snapshot: &mut Snapshot<'_>) -> &[u8] {
        self.prime(snapshot);
        self.interface.find(snapshot.root, snapshot.text);
        let disk = self.read_disk(snapshot.text);
        let mut most = self.most;
        loop {
            let length = self.encode(clock, snapshot, disk, most);
            // Without processes it fits in any case.
            if length.is_some() || most == 0 {
                self.length = length.unwrap_or_default();
                return self.last();
            }
            most = most.min(limits::PROCESSES) / 2;
            if self.cut.first() {
                warn!(
                    "a message has room for {} bytes: it tells of the processes that use most",
                    limits::CHASAR_MESSAGE
                );
            }
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
        snapshot: &Snapshot<'_>,
        disk: Option<chasar::Disk>,
        most: usize,
    ) -> Option<usize> {
        let memory = memory(snapshot);
        let total = memory.map_or(0, |memory| memory.total_bytes);
        let (number, has_peers) = (self.interface.number(), self.interface.has_peers());
        let found = snapshot.addresses.into_iter().flat_map(Addresses::with_networks);
        let ours = found.filter(|(_, network)| Some(network.interface) == number);
        let message = Message {
            computer_utc_clock: &stamp(clock, &self.utc),
            computer_clock: &stamp(clock, &self.zone),
            hostname: snapshot.hostname,
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

fn memory(snapshot: &Snapshot<'_>) -> Option<chasar::Memory> {
    let memory = snapshot.memory.ok()?;
    let bytes = memory.bytes?;
    Some(chasar::Memory {
        total_bytes: bytes.total,
        total_bytes_used: memory.used_bytes?,
        percent_used: bytes.percent_used(),
    })
}
