//! The spool against a list of what was pushed, over any kill, torn write or damage.

use std::collections::BTreeMap;

use proptest::prelude::*;
use psistats_core::outbox::{Outbox, Record, Run};
use psistats_core::spool::{Flush, PAGE, Restored, Spool, pages, restore};

/// At most so many reports come between two writes.
const AT_RISK: u64 = 12;

const IDS: [&str; 3] = ["one", "two-1f", "a-run-whose-id-is-as-long-as-those-are-that-psistats-gives-itself"];

#[derive(Clone, Debug, PartialEq)]
struct Report {
    run: String,
    number: u64,
    sampled_ms: i64,
    body: Vec<u8>,
}

type Reports = BTreeMap<u64, Report>;

/// A program with its outbox, and the disk.
struct World {
    bytes: usize,
    outbox: Outbox<Vec<u8>>,
    spool: Spool,
    runs: Vec<(u64, String)>,
    file: Vec<u8>,
    /// Everything that was ever pushed.
    pushed: Reports,
    /// What the previous write that was not torn has made safe.
    safe: Vec<u64>,
    ticket: u64,
}

impl World {
    fn new(bytes: usize) -> Self {
        Self {
            bytes,
            outbox: Outbox::new(vec![0; bytes]),
            spool: Spool::new(bytes),
            runs: vec![(1, IDS[0].into())],
            file: vec![0; pages(bytes) * PAGE],
            pushed: Reports::new(),
            safe: Vec::new(),
            ticket: 0,
        }
    }

    fn push(&mut self, length: usize) {
        let sequence = self.outbox.last() + 1;
        let body: Vec<u8> = (0..length).map(|at| (at as u64 * 7 + sequence) as u8).collect();
        let sampled_ms = sequence as i64 * 1000 - 5000;
        assert_eq!(self.outbox.push(sampled_ms, &body), Ok(sequence));
        let (first, run) = self.runs.last().unwrap().clone();
        self.pushed.insert(sequence, Report { run, number: sequence - first + 1, sampled_ms, body });
    }

    /// Confirms so many of those that were not sent; but the oldest, where `but_first`.
    fn confirm(&mut self, count: usize, but_first: bool) {
        let first = self.ticket + 1;
        for _ in 0..count {
            if self.outbox.unsent().is_some() {
                self.ticket += 1;
                self.outbox.mark_sent(self.ticket);
            }
        }
        for ticket in first + u64::from(but_first)..=self.ticket {
            // Those that were dropped meanwhile are known, too.
            self.outbox.confirm(ticket, false).unwrap();
        }
    }

    fn pending(&self) -> Vec<u64> {
        self.outbox.pending_from(Default::default()).map(|(place, _)| place.sequence()).collect()
    }

    /// The pages that change, and where they go.
    fn write(&mut self, at_risk: u64, between: &mut dyn FnMut(&mut Self)) -> (Vec<(usize, Vec<u8>)>, Spool) {
        let flush = self.spool.begin(&self.outbox, at_risk);
        self.pages(flush, between)
    }

    fn pages(
        &mut self,
        mut flush: Flush,
        between: &mut dyn FnMut(&mut Self),
    ) -> (Vec<(usize, Vec<u8>)>, Spool) {
        let mut written = Vec::new();
        loop {
            let mut page = [0xAA; PAGE];
            let runs: Vec<_> = self.runs.iter().map(|(first, id)| Run { first: *first, id }).collect();
            let at = flush.page(&self.outbox, &runs, &mut page);
            written.push((at.at as usize, page.to_vec()));
            if at.is_last {
                return (written, flush.end());
            }
            between(self);
        }
    }

    /// Writes all of it.
    fn flush(&mut self, at_risk: u64) -> usize {
        let (written, spool) = self.write(at_risk, &mut |_| ());
        for (at, page) in &written {
            self.file[*at..][..PAGE].copy_from_slice(page);
        }
        self.spool = spool;
        self.safe = self.pending();
        written.len()
    }

    /// Whether what the file has is what was pushed, in order; and which reports they are.
    fn read(&self) -> (Vec<u64>, Restored) {
        let mut sequences = Vec::new();
        let restored = restore(&self.file, &mut |run, record| {
            let (number, Record { sequence, sampled_ms, body }) = (run.number(record.sequence), record);
            let report = Report { run: run.id.into(), number, sampled_ms, body: body.to_vec() };
            assert_eq!(self.pushed.get(&sequence), Some(&report), "report {sequence}");
            assert!(sequences.last().is_none_or(|last| *last < sequence), "{sequence} after {sequences:?}");
            sequences.push(sequence);
        });
        let restored = restored.unwrap_or_default();
        assert_eq!(restored.reports, sequences.len() as u64);
        (sequences, restored)
    }

    /// Whether everything that was safe, and is not confirmed or dropped since, can be read.
    fn check(&self) -> (Vec<u64>, Restored) {
        let (read, restored) = self.read();
        let pending = self.pending();
        for sequence in self.safe.iter().filter(|sequence| pending.contains(sequence)) {
            assert!(read.contains(sequence), "{sequence} of {:?} is lost, {read:?}", self.safe);
        }
        (read, restored)
    }

    /// Dies, and starts again.
    fn restart(&mut self) {
        let mut next = Self { runs: Vec::new(), ..Self::new(self.bytes) };
        let (outbox, runs) = (&mut next.outbox, &mut next.runs);
        restore(&self.file, &mut |run, record| {
            outbox.restore(record.sequence, record.sampled_ms, record.body).unwrap();
            if runs.last().is_none_or(|(_, id)| *id != run.id) {
                runs.push((run.first, run.id.to_owned()));
            }
        });
        next.pushed = std::mem::take(&mut self.pushed);
        next.pushed.retain(|sequence, _| *sequence <= next.outbox.last());
        // The ids differ from run to run.
        let id = IDS.iter().find(|id| runs.iter().all(|(_, run)| run != *id));
        if let Some(id) = id {
            runs.push((next.outbox.last() + 1, (*id).to_owned()));
        } else if let Some((first, _)) = runs.last().cloned() {
            // One that goes on, for want of ids.
            assert!(first <= next.outbox.last());
        }
        *self = next;
        self.flush(AT_RISK);
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Push {
        length: usize,
    },
    Confirm {
        count: usize,
        but_first: bool,
    },
    Rewind,
    /// Between two pages a report comes, and others are confirmed.
    Flush {
        busy: bool,
    },
    /// Nothing that was written is needed any more, where that is so.
    Clear,
    /// The power goes: of the pages that are written, those are whole of which `which` has the bit, and one more has
    /// `cut` new bytes.
    Tear {
        which: u64,
        cut: usize,
    },
    Restart,
}

fn operation(longest: usize) -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => (0..=longest).prop_map(|length| Operation::Push { length }),
        4 => (1..6_usize, any::<bool>()).prop_map(|(count, but_first)| Operation::Confirm { count, but_first }),
        1 => Just(Operation::Rewind),
        3 => any::<bool>().prop_map(|busy| Operation::Flush { busy }),
        2 => Just(Operation::Clear),
        2 => (any::<u64>(), 0..PAGE).prop_map(|(which, cut)| Operation::Tear { which, cut }),
        1 => Just(Operation::Restart),
    ]
}

fn operations() -> impl Strategy<Value = (usize, Vec<Operation>)> {
    // From reports of which many are in a page to such as take two.
    (prop_oneof![Just(8192_usize), Just(20_000)], prop_oneof![Just(200_usize), Just(1500), Just(6144)])
        .prop_flat_map(|(bytes, longest)| (Just(bytes), prop::collection::vec(operation(longest), 1..120)))
}

/// Reports of `length` octets, some of them written a while ago, and nothing torn.
fn written(bytes: usize, length: usize) -> World {
    let mut world = World::new(bytes);
    for n in 0..40 {
        world.push(length + n % 7);
        if n % AT_RISK as usize == 0 {
            world.flush(AT_RISK);
        }
    }
    world.flush(AT_RISK);
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_safe_comes_back_in_order_and_intact_over_any_kill_or_torn_write((bytes, operations) in operations()) {
        let mut world = World::new(bytes);
        for operation in operations {
            match operation {
                Operation::Push { length } => world.push(length),
                Operation::Confirm { count, but_first } => world.confirm(count, but_first),
                Operation::Rewind => {
                    world.outbox.rewind();
                    world.ticket = 0;
                }
                Operation::Flush { busy } => {
                    let before = world.pending();
                    let (pages, spool) = world.write(AT_RISK, &mut |world| {
                        if busy {
                            world.push(300);
                            world.confirm(1, false);
                        }
                    });
                    for (at, page) in &pages {
                        world.file[*at..][..PAGE].copy_from_slice(page);
                    }
                    (world.spool, world.safe) = (spool, before.clone());
                    let (read, restored) = world.check();
                    if !busy {
                        // A full page is not written again for reports in it that are confirmed before older ones.
                        let is_early = |sequence: &u64| !before.contains(sequence) && *sequence > before[0];
                        let is_known = |sequence: &u64| before.contains(sequence) || is_early(sequence);
                        prop_assert!(read.iter().all(is_known), "{read:?} of {before:?}");
                        prop_assert_eq!((restored.damaged, restored.at_risk), (0, AT_RISK));
                    }
                }
                Operation::Clear if world.spool.is_outdated(&world.outbox) => {
                    let flush = world.spool.clear(AT_RISK);
                    let (pages, spool) = world.pages(flush, &mut |_| ());
                    prop_assert_eq!(pages.len(), 1);
                    world.file[pages[0].0..][..PAGE].copy_from_slice(&pages[0].1);
                    (world.spool, world.safe) = (spool, Vec::new());
                    prop_assert_eq!(world.read(), (Vec::new(), Restored { at_risk: AT_RISK, ..Restored::default() }));
                }
                Operation::Clear => {}
                Operation::Tear { which, cut } => {
                    let (pages, _) = world.write(AT_RISK, &mut |_| ());
                    let torn = which as usize % pages.len();
                    for (n, (at, page)) in pages.iter().enumerate() {
                        let length = if n == torn { cut } else { PAGE * usize::from(which >> (n % 64) & 1 == 1) };
                        world.file[*at..][..length].copy_from_slice(&page[..length]);
                    }
                    world.check();
                }
                Operation::Restart => {
                    world.check();
                    world.restart();
                }
            }
            // Torn or not, it stays readable, and later writes mend it.
            world.read();
        }
    }

    #[test]
    fn a_byte_that_changes_anywhere_costs_at_most_what_is_said_and_changes_no_report(
        length in prop_oneof![20..300_usize, 1000..2000_usize], at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let mut world = written(65536, length);
        let (before, _) = world.read();
        let at = at.index(world.file.len());
        world.file[at] ^= 1 << bit;
        let (after, restored) = world.read();
        prop_assert!(after.iter().all(|sequence| before.contains(sequence)));
        let lost = (before.len() - after.len()) as u64;
        prop_assert!(lost <= restored.damaged + restored.at_risk, "{lost} of {restored:?}");
    }

    #[test]
    fn a_file_that_somebody_forged_is_no_more_than_no_reports(
        contents in prop::collection::vec(any::<u8>(), 0..200), head in prop::collection::vec(any::<u8>(), 56),
        is_small in any::<bool>(), pages in 1..6_usize,
    ) {
        let mut file = vec![0; pages * PAGE + 17];
        for page in file.as_chunks_mut::<PAGE>().0 {
            page[..4].copy_from_slice(b"psS1");
            page[8..64].copy_from_slice(&head);
            if is_small {
                // A head that is believed, of reports from 0 on.
                page[8..64].fill(0);
                page[39] = 200;
                page[62..64].copy_from_slice(&(contents.len() as u16).to_be_bytes());
            }
            page[64..][..contents.len()].copy_from_slice(&contents);
            let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISCSI).checksum(&page[8..]);
            page[4..8].copy_from_slice(&sum.to_be_bytes());
        }
        let mut last = 0;
        restore(&file, &mut |run, record| {
            assert!(record.sequence > last && run.first <= record.sequence);
            last = record.sequence;
        });
    }
}

#[test]
fn a_write_is_of_what_has_changed_and_of_one_page_where_that_is_nothing() {
    let mut world = World::new(131_072);
    assert_eq!(world.flush(AT_RISK), 1);
    // A minute of reports of a second.
    let minute = |world: &mut World| {
        (0..60).for_each(|_| world.push(200));
        world.flush(AT_RISK)
    };
    let written: Vec<usize> = (0..100).map(|_| minute(&mut world)).collect();
    assert!(written.iter().all(|pages| (4..=5).contains(pages)), "{written:?}");
    assert!(world.outbox.counters().dropped > 1000, "the ring was full");
    assert!(!world.spool.is_outdated(&world.outbox) && world.spool.unwritten(&world.outbox).is_none());

    world.push(200);
    assert_eq!(world.spool.unwritten(&world.outbox), Some(world.outbox.last()));
    world.confirm(10_000, false);
    assert!(world.spool.is_outdated(&world.outbox) && world.spool.unwritten(&world.outbox).is_none());
    assert_eq!(world.flush(0), 1);
    assert!(!world.spool.is_outdated(&world.outbox));
    assert_eq!(world.read(), (Vec::new(), Restored::default()));
}

#[test]
fn what_is_no_spool_is_said_to_be_none() {
    let world = written(8192, 100);
    let another_version: Vec<u8> = world.file.iter().map(|byte| byte ^ u8::from(*byte == b'1')).collect();
    for file in
        [&[][..], &world.file[..PAGE], &vec![0; 10 * PAGE], b"[server]\nhost=localhost\n", &another_version]
    {
        assert_eq!(restore(file, &mut |_, _| panic!()), None);
    }
}
