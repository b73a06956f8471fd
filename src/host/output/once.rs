//! Log lines that appear once for a condition, however often it is met.

use std::cell::Cell;

/// Whether a condition has been logged since it last began.
#[derive(Debug, Default)]
pub struct Once(Cell<bool>);

impl Once {
    /// Records that the condition is met. Returns true the first time: then it is to be logged.
    pub fn first(&self) -> bool {
        !self.0.replace(true)
    }

    /// Whether it has been logged, and is not over.
    pub const fn is_said(&self) -> bool {
        self.0.get()
    }

    /// Records that the condition is over, so that it will be logged again. Returns whether it was logged: then its
    /// end may be logged, too.
    pub fn over(&self) -> bool {
        self.0.replace(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_logged_once_until_it_is_over() {
        let once = Once::default();
        assert_eq!([once.first(), once.first(), once.over(), once.over()], [true, false, true, false]);
        assert!(once.first());
    }
}
