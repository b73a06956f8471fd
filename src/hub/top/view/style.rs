//! Colours and weights. Every colour goes with a word or a sign that says the same.

use ratatui::style::{Color, Modifier, Style as Cells};

use crate::top::board::State;

/// Whether there are colours.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    has_colours: bool,
}

impl Style {
    /// As <https://no-color.org> has it: none where the variable is set and not empty.
    pub fn of_environment() -> Self {
        Self { has_colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn colour(self, colour: Color) -> Cells {
        if self.has_colours { Cells::new().fg(colour) } else { Cells::new() }
    }

    /// The colours are those of the terminal's own palette.
    pub fn state(self, state: State) -> Cells {
        match state {
            State::Critical => self.colour(Color::Red).add_modifier(Modifier::BOLD),
            State::Lost => self.colour(Color::Magenta).add_modifier(Modifier::BOLD),
            State::Warning => self.colour(Color::Yellow),
            State::Well => self.colour(Color::Green),
        }
    }

    /// A figure over its limit.
    pub fn over(self) -> Cells {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// That the hub is lost.
    pub fn banner(self) -> Cells {
        self.colour(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Labels, and what is old.
    pub const fn faint(self) -> Cells {
        Cells::new().add_modifier(Modifier::DIM)
    }

    /// The titles of columns.
    pub const fn titles(self) -> Cells {
        Cells::new().add_modifier(Modifier::UNDERLINED)
    }

    /// The title of the column that is sorted by.
    pub const fn sorted(self) -> Cells {
        self.titles().add_modifier(Modifier::BOLD)
    }

    /// The row that the reader is at.
    pub const fn chosen(self) -> Cells {
        Cells::new().add_modifier(Modifier::REVERSED)
    }

    /// A line of a series.
    pub fn line(self) -> Cells {
        self.colour(Color::Cyan)
    }
}
