//! What is worth one line in the log, however often it happens.

use std::cell::Cell;

/// Whether something has been said since it last began.
#[derive(Debug, Default)]
pub struct Once(Cell<bool>);

impl Once {
    /// Whether this is the first time: then it is to be said.
    pub fn first(&self) -> bool {
        !self.0.replace(true)
    }

    /// Whether it was said, and is not over.
    pub const fn is_said(&self) -> bool {
        self.0.get()
    }

    /// From now on it is worth a line again. Whether it was said, so that its end is worth one, too.
    pub fn over(&self) -> bool {
        self.0.replace(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_until_it_is_over() {
        let once = Once::default();
        assert_eq!([once.first(), once.first(), once.over(), once.over()], [true, false, true, false]);
        assert!(once.first());
    }
}
