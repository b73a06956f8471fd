//! A list that is longer than the screen: where the reader is in it, and what is filtered.

/// Most characters of a filter.
const FILTER: usize = 64;

/// A step through a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// The reader's place. It follows the row that was chosen; at the first one it stays there, whichever that is.
#[derive(Debug, Default)]
pub struct List {
    chosen: Option<Box<str>>,
    /// Where that was last: the next row takes its place when it goes.
    place: usize,
    /// The first row on the screen, and how many fit.
    offset: usize,
    height: usize,
    pub filter: String,
    pub is_typing: bool,
}

impl List {
    /// The place of the row that the reader is at.
    pub fn place(&mut self, rows: &[&str]) -> usize {
        if let Some(chosen) = &self.chosen {
            let found = rows.iter().position(|row| **row == **chosen);
            self.place = found.unwrap_or(self.place).min(rows.len().saturating_sub(1));
        } else {
            self.place = 0;
        }
        self.place
    }

    /// Which rows fit into `height`, the one that the reader is at among them; and the place of that.
    pub fn window(&mut self, rows: &[&str], height: usize) -> (std::ops::Range<usize>, usize) {
        let place = self.place(rows);
        self.height = height;
        let last = rows.len().saturating_sub(height);
        self.offset = self.offset.min(place).max((place + 1).saturating_sub(height)).min(last);
        (self.offset..rows.len().min(self.offset + height), place)
    }

    /// Goes on by a step.
    pub fn step(&mut self, step: Step, rows: &[&str]) {
        let (place, page) = (self.place(rows), self.height.max(1));
        let to = match step {
            Step::Up => place.saturating_sub(1),
            Step::Down => place + 1,
            Step::PageUp => place.saturating_sub(page),
            Step::PageDown => place + page,
            Step::Home => 0,
            Step::End => rows.len(),
        };
        let to = to.min(rows.len().saturating_sub(1));
        self.chosen = rows.get(to).filter(|_| to > 0).map(|row| (*row).into());
        self.place = to;
    }

    /// Adds a character to the filter.
    pub fn write(&mut self, c: char) {
        if self.filter.chars().count() < FILTER && !c.is_control() {
            self.filter.push(c);
        }
    }

    /// Shows all rows again. Says whether any were hidden.
    pub fn clear(&mut self) -> bool {
        self.is_typing = false;
        !std::mem::take(&mut self.filter).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_stays_at_a_row_that_moves_and_at_the_top_whatever_comes_there() {
        let mut list = List::default();
        assert_eq!(list.place(&["a", "b", "c"]), 0);
        assert_eq!(list.place(&["b", "a", "c"]), 0);
        list.step(Step::Down, &["a", "b", "c"]);
        assert_eq!(list.place(&["b", "a", "c"]), 0);
        assert_eq!(list.place(&["a", "c", "b"]), 2);
        assert_eq!(list.place(&["a", "c"]), 1);
        assert_eq!(list.place(&[]), 0);
    }

    #[test]
    fn the_row_of_the_reader_is_always_on_the_screen() {
        let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let rows: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut list = List::default();
        assert_eq!(list.window(&rows, 10), (0..10, 0));
        for (step, window, place) in [
            (Step::PageDown, 1..11, 10),
            (Step::Up, 1..11, 9),
            (Step::End, 90..100, 99),
            (Step::Down, 90..100, 99),
            (Step::PageUp, 89..99, 89),
            (Step::Home, 0..10, 0),
            (Step::Up, 0..10, 0),
        ] {
            list.step(step, &rows);
            assert_eq!(list.window(&rows, 10), (window, place), "{step:?}");
        }
        list.step(Step::End, &rows);
        assert_eq!(list.window(&rows[..5], 10), (0..5, 4));
        assert_eq!(list.window(&rows, 0).0.len(), 0);
    }
}
