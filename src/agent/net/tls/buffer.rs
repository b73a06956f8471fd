//! Octets that wait, in memory that somebody else owns.

/// Octets that wait, in memory that somebody else owns.
pub struct Buffer<'b> {
    memory: &'b mut [u8],
    start: usize,
    end: usize,
}

impl<'b> Buffer<'b> {
    /// An empty one.
    pub fn new(memory: &'b mut [u8]) -> Self {
        Self { memory, start: 0, end: 0 }
    }

    /// What waits.
    pub fn waiting(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// The same, to be changed in place.
    pub fn waiting_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room behind what waits, which moves to the front for that.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.memory.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.memory.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `n` octets of the room wait from now on.
    pub fn add(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.memory.len());
    }

    /// The first `n` octets do not wait any more.
    pub fn take(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }
}
