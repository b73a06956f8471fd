//! `net`: what each network interface received and sent.

use std::ops::ControlFlow;

use crate::figures::Options;
use crate::figures::figure::{Crowd, Figure};
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::net_dev::Columns;
use psistats_core::limits::COUNTED;
use psistats_core::report::deltas::Deltas;
use psistats_core::report::rates::NetRates;
use psistats_core::report::{Members, json_of};

#[derive(Debug)]
pub struct Net {
    source: Source,
    interfaces: Deltas,
    crowd: Crowd,
    with_counters: bool,
}

impl Net {
    /// Opens `/proc/net/dev`.
    pub fn open(root: &Root, options: &Options) -> Self {
        Self {
            source: Source::open(root, "proc/net/dev"),
            interfaces: Deltas::default(),
            crowd: Crowd::default(),
            with_counters: options.net_counters,
        }
    }
}

impl Figure for Net {
    fn source(&self) -> &str {
        self.source.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn prime(&mut self, snapshot: &mut Snapshot<'_>) {
        // What fails is told when it is due.
        let _ = self.read(snapshot);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let Self { source, interfaces, crowd, .. } = self;
        interfaces.begin();
        let mut columns = None;
        source.pieces(snapshot.text, limits::COUNTERS, |text| {
            // The head is in the first piece.
            if columns.is_none() {
                columns = Columns::of(text);
            }
            let Some(columns) = columns else { return ControlFlow::Break(()) };
            for interface in columns.interfaces(text).filter(|interface| interface.name != "lo") {
                let counters = NetRates::counters(&interface);
                if interfaces.add(interface.name, counters, snapshot.now).is_err() {
                    crowd.tell("net", COUNTED);
                }
            }
            ControlFlow::Continue(())
        })?;
        columns.ok_or(ReadError::Content)?;
        interfaces.end();
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let rows = self.interfaces.rows();
        json_of(&Members(rows.map(|row| (row.name(), NetRates::of(row, self.with_counters)))), buf)
    }
}
