//! Names of boards and of series, and the numbers that stand for them in the files.

use std::collections::HashMap;
use std::sync::Arc;

/// Names by number and numbers by name, at most so many.
#[derive(Debug)]
pub struct Names {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    limit: usize,
}

impl Names {
    pub fn new(limit: usize) -> Self {
        Self { numbers: HashMap::new(), names: Vec::new(), limit }
    }

    /// How many numbers are given away.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(usize::try_from(number).ok()?).filter(|name| !name.is_empty())
    }

    /// The number of `name`, a new one where it has none; `None` where there are too many.
    pub fn number_or_new(&mut self, name: &str) -> Option<u32> {
        if let Some(number) = self.number(name) {
            return Some(number);
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.learn(number, name).then_some(number)
    }

    /// Takes over a pair from a file. False where it does not fit with what is known, or is beyond the limit.
    pub fn learn(&mut self, number: u32, name: &str) -> bool {
        if let Some(known) = self.number(name) {
            return known == number;
        }
        let Ok(index) = usize::try_from(number) else { return false };
        if name.is_empty() || index >= self.limit || self.name(number).is_some() {
            return false;
        }
        if self.names.len() <= index {
            self.names.resize(index + 1, Arc::default());
        }
        let name: Arc<str> = name.into();
        if let Some(place) = self.names.get_mut(index) {
            *place = name.clone();
        }
        self.numbers.insert(name, number);
        true
    }

    /// Pairs from number `first` on.
    pub fn since(&self, first: usize) -> impl Iterator<Item = (u32, &str)> {
        let named = self.names.iter().zip(0_u32..).skip(first);
        named.filter(|(name, _)| !name.is_empty()).map(|(name, number)| (number, &**name))
    }
}
