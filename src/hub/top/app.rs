//! What the reader sees and has chosen: events change it, and the views are drawn of it.

use ratatui::crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};

use super::board::{Detail, History};
use super::columns::{COLUMNS, Column};
use super::feed::{Answer, Event, Question};
use super::fleet::Fleet;
use super::keys::{self, Action};
use super::list::{List, Step};
use super::text::{Name, Text};

/// What only the terminal's owner can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    Quit,
    Suspend,
}

/// A board that is looked at.
#[derive(Debug)]
pub struct Open {
    pub name: Name,
    /// None until the hub has answered.
    pub detail: Option<Detail>,
    /// Whether the hub knows it no more.
    pub is_gone: bool,
    pub series: List,
    /// Of a series.
    pub history: Option<(Box<str>, History)>,
}

impl Open {
    fn of(name: Name) -> Self {
        Self { name, detail: None, is_gone: false, series: List::default(), history: None }
    }

    /// The series that match the filter, by name.
    pub fn rows(&self) -> Vec<&Name> {
        let filter = self.series.filter.to_lowercase();
        let names = self.detail.iter().flat_map(|detail| detail.values.keys());
        names.filter(|name| filter.is_empty() || name.shown.to_lowercase().contains(&filter)).collect()
    }

    fn take(&mut self, question: Question, answer: Answer) {
        if question.board != self.name.raw {
            return;
        }
        self.is_gone = answer.detail.is_none();
        self.detail = answer.detail.or(self.detail.take());
        if let Some((series, history)) = question.series.zip(answer.history) {
            self.history = Some((series, history));
        }
    }
}

/// All that is shown.
#[derive(Debug)]
pub struct App {
    /// The hub's address.
    pub hub: Text,
    pub fleet: Fleet,
    pub wall: List,
    /// The place in [`COLUMNS`] of the one that boards are sorted by.
    pub sorted: usize,
    pub is_reversed: bool,
    pub open: Option<Open>,
    pub is_help: bool,
}

impl App {
    pub fn new(hub: &str) -> Self {
        let (hub, fleet, wall) = (Text::of(hub), Fleet::default(), List::default());
        Self { hub, fleet, wall, sorted: 0, is_reversed: false, open: None, is_help: false }
    }

    /// Takes over what has happened.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn take(&mut self, event: Event) -> Result<Option<Demand>, std::io::Error> {
        match event {
            Event::Input(Input::Key(key)) => return Ok(self.press(key)),
            Event::Input(_) => {}
            Event::Snapshot(hosts) => self.fleet.replace(hosts),
            Event::Changes(hosts) => self.fleet.change(hosts),
            Event::Lost(why) => self.fleet.lose(&why),
            Event::Answer(question, answer) => {
                if let Some(open) = &mut self.open {
                    open.take(question, answer);
                }
            }
            Event::Stop => return Ok(Some(Demand::Quit)),
            Event::Unreadable(error) => return Err(error),
        }
        Ok(None)
    }

    /// What the hub should be asked.
    pub fn question(&mut self) -> Option<Question> {
        let open = self.open.as_mut()?;
        let rows: Vec<Box<str>> = open.rows().into_iter().map(|name| name.raw.clone()).collect();
        let keys: Vec<&str> = rows.iter().map(|row| &**row).collect();
        let place = open.series.place(&keys);
        Some(Question { board: open.name.raw.clone(), series: rows.get(place).cloned() })
    }

    /// The column that boards are sorted by.
    pub fn column(&self) -> &'static Column {
        let [first, ..] = &COLUMNS;
        COLUMNS.get(self.sorted).unwrap_or(first)
    }

    fn list(&mut self) -> &mut List {
        match &mut self.open {
            Some(open) => &mut open.series,
            None => &mut self.wall,
        }
    }

    /// The names of the rows in the list that the reader is in.
    fn rows(&self) -> Vec<Name> {
        match &self.open {
            Some(open) => open.rows().into_iter().cloned().collect(),
            None => {
                let rows = self.fleet.rows(&self.wall.filter, self.column(), self.is_reversed);
                rows.into_iter().map(|(name, _)| name.clone()).collect()
            }
        }
    }

    fn press(&mut self, key: KeyEvent) -> Option<Demand> {
        // A terminal sends the same for Alt and a key as for Escape and that key soon after.
        if key.modifiers.contains(KeyModifiers::ALT) {
            let _ = self.press(KeyCode::Esc.into());
            return self.press(KeyEvent { modifiers: key.modifiers - KeyModifiers::ALT, ..key });
        }
        if self.list().is_typing && keys::control(key).is_none() {
            self.edit(key);
            return None;
        }
        let action = keys::action(key);
        if self.is_help && !matches!(action, Some(Action::Quit | Action::Suspend)) {
            self.is_help = false;
            return None;
        }
        match action? {
            Action::Quit => return Some(Demand::Quit),
            Action::Suspend => return Some(Demand::Suspend),
            Action::Help => self.is_help = true,
            Action::Step(step) => self.step(step),
            Action::Open => self.open(),
            Action::Back => self.back(),
            Action::Next => self.sort(1),
            Action::Previous => self.sort(COLUMNS.len() - 1),
            Action::Reverse => self.is_reversed = !self.is_reversed,
            Action::Filter => self.list().is_typing = true,
        }
        None
    }

    fn step(&mut self, step: Step) {
        let rows = self.rows();
        let rows: Vec<&str> = rows.iter().map(|name| &*name.raw).collect();
        self.list().step(step, &rows);
    }

    fn open(&mut self) {
        if self.open.is_none() {
            let rows = self.rows();
            let names: Vec<&str> = rows.iter().map(|name| &*name.raw).collect();
            let place = self.wall.place(&names);
            self.open = rows.get(place).cloned().map(Open::of);
        }
    }

    fn back(&mut self) {
        if !self.list().clear() {
            self.open = None;
        }
    }

    fn sort(&mut self, by: usize) {
        if self.open.is_none() {
            self.sorted = (self.sorted + by) % COLUMNS.len();
            self.is_reversed = false;
        }
    }

    /// Changes the filter.
    fn edit(&mut self, key: KeyEvent) {
        let list = self.list();
        match key.code {
            KeyCode::Char('u') if key.modifiers == KeyModifiers::CONTROL => list.filter.clear(),
            KeyCode::Char(c) if keys::is_plain(key) => list.write(c),
            KeyCode::Backspace => drop(list.filter.pop()),
            KeyCode::Enter => list.is_typing = false,
            KeyCode::Esc => drop(list.clear()),
            _ => {
                if let Some(Action::Step(step)) = keys::action(key) {
                    self.step(step);
                }
            }
        }
    }
}
