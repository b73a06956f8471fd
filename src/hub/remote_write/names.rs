//! The labels of each series: the names are those of [`crate::metrics`], from the same table.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::protobuf::put_label;
use crate::fleet::{Board, Fleet, Value};
use crate::metrics::boards::traits;
use crate::metrics::family::{Family, Kind};
use crate::metrics::table::{FIGURES, Figure, figure_of, sensor};

/// The label with the board's name.
const INSTANCE: &str = "instance";
/// Series whose labels are remembered. Beyond, all are made anew.
const MOST: usize = 100_000;

/// The labels of a series but the board's name, in the order of their names, as the protocol wants them.
#[derive(Clone, Debug)]
pub struct Labels(Rc<(Vec<u8>, Vec<u8>)>);

impl Labels {
    fn new(family: &Family, more: &mut [(&str, &str)]) -> Self {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        put_label(&mut before, "__name__", family.name);
        more.sort_unstable();
        for (name, value) in more {
            put_label(if *name < INSTANCE { &mut before } else { &mut after }, name, value);
        }
        Self(Rc::new((before, after)))
    }

    /// Those before the board's name.
    pub fn before(&self) -> &[u8] {
        &self.0.0
    }

    /// Those after it.
    pub fn after(&self) -> &[u8] {
        &self.0.1
    }

    /// Of no table.
    #[cfg(test)]
    pub fn of_test() -> Self {
        Self(Rc::default())
    }
}

/// A series that has a metric.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its figure.
    pub figure: &'static Figure,
    /// Its labels.
    pub labels: Labels,
}

impl Known {
    /// Whether it only goes up.
    pub fn is_counter(&self) -> bool {
        self.figure.family.kind == Kind::Counter
    }
}

/// What each path is, as far as it was asked for.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<Box<str>, Option<Known>>,
}

impl Names {
    /// The metric of a board's series; None where it has none.
    pub fn of(&mut self, fleet: &Fleet, board: Option<&Board>, path: &str) -> Option<Known> {
        let Some(sensor) = sensor(path) else { return self.known(path, path, "") };
        let unit = board.and_then(|board| fleet.value(board, &format!("{sensor}unit")));
        let unit = if let Some(Value::Text(unit)) = unit { unit } else { "" };
        self.known(&format!("{path}\0{unit}"), path, unit)
    }

    fn known(&mut self, key: &str, path: &str, unit: &str) -> Option<Known> {
        if let Some(known) = self.known.get(key) {
            return known.clone();
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let known = find(path, unit);
        self.known.insert(key.into(), known.clone());
        known
    }
}

fn find(path: &str, unit: &str) -> Option<Known> {
    let figure = FIGURES.get(usize::from(figure_of(path, unit)?))?;
    let (place, subject) = figure.place(path, unit)?;
    let labels = [(place.label, subject)].into_iter().chain(place.more);
    let mut labels: Vec<_> = labels.filter(|(name, _)| !name.is_empty()).collect();
    Some(Known { figure, labels: Labels::new(&figure.family, &mut labels) })
}

/// The labels of what the hub knows of a board.
pub fn of_fact(family: &Family, board: &Board) -> Labels {
    let traits = if family.kind == Kind::Info { traits(board) } else { Vec::new() };
    let mut labels: Vec<_> = traits.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    Labels::new(family, &mut labels)
}

/// The label with a board's name; None where readers of metrics do not take that name.
pub fn instance(board: &str) -> Option<Arc<[u8]>> {
    let mut label = Vec::new();
    put_label(&mut label, INSTANCE, board);
    (!board.contains('\0')).then(|| label.into())
}
