//! The keys, and what each is for: one table for the program and its help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::list::Step;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Step(Step),
    /// Enter: the board in every detail.
    Open,
    /// Escape: back by one step.
    Back,
    /// The column that boards are sorted by: the next one, the one before, the other way round.
    Next,
    Previous,
    Reverse,
    Filter,
    Help,
    Suspend,
    Quit,
}

/// A line of the help, and its keys.
#[derive(Debug)]
pub struct Key {
    codes: &'static [KeyCode],
    action: Action,
    /// As the help shows them; empty where the line before has said it.
    pub keys: &'static str,
    pub help: &'static str,
}

const fn key(codes: &'static [KeyCode], action: Action, keys: &'static str, help: &'static str) -> Key {
    Key { codes, action, keys, help }
}

/// All keys but Ctrl-C and Ctrl-Z.
pub const KEYS: [Key; 14] = [
    key(&[KeyCode::Up, KeyCode::Char('k')], Action::Step(Step::Up), "↑ ↓ or k j", "go up, down"),
    key(&[KeyCode::Down, KeyCode::Char('j')], Action::Step(Step::Down), "", ""),
    key(&[KeyCode::PageUp], Action::Step(Step::PageUp), "PgUp PgDn", "go by a screen"),
    key(&[KeyCode::PageDown, KeyCode::Char(' ')], Action::Step(Step::PageDown), "", ""),
    key(
        &[KeyCode::Home, KeyCode::Char('g')],
        Action::Step(Step::Home),
        "Home End or g G",
        "go to the first, the last",
    ),
    key(&[KeyCode::End, KeyCode::Char('G')], Action::Step(Step::End), "", ""),
    key(&[KeyCode::Enter], Action::Open, "Enter", "show the board with all of its series"),
    key(&[KeyCode::Esc], Action::Back, "Esc", "show all again, or go back"),
    key(
        &[KeyCode::Right, KeyCode::Char('>'), KeyCode::Char('s')],
        Action::Next,
        "→ or > or s",
        "sort by the next column",
    ),
    key(&[KeyCode::Left, KeyCode::Char('<')], Action::Previous, "← or <", "sort by the column before"),
    key(&[KeyCode::Char('r')], Action::Reverse, "r", "sort the other way round"),
    key(
        &[KeyCode::Char('/')],
        Action::Filter,
        "/",
        "show only what has a text: name, state, why, model, tags",
    ),
    key(&[KeyCode::Char('?')], Action::Help, "?", "show the keys"),
    key(&[KeyCode::Char('q')], Action::Quit, "q or Ctrl-C", "quit; Ctrl-Z stops it until fg"),
];

/// What a key asks for, where no text is typed.
pub fn action(event: KeyEvent) -> Option<Action> {
    control(event).or_else(|| {
        let key = KEYS.iter().find(|key| key.codes.contains(&event.code));
        key.filter(|_| is_plain(event)).map(|key| key.action)
    })
}

/// What a key asks for that is none of a text.
pub fn control(event: KeyEvent) -> Option<Action> {
    let is_control = event.kind != KeyEventKind::Release && event.modifiers == KeyModifiers::CONTROL;
    match event.code {
        KeyCode::Char('c') if is_control => Some(Action::Quit),
        KeyCode::Char('z') if is_control => Some(Action::Suspend),
        _ => None,
    }
}

/// Whether no other key is held with it, but shift.
pub fn is_plain(event: KeyEvent) -> bool {
    event.kind != KeyEventKind::Release && (event.modifiers - KeyModifiers::SHIFT).is_empty()
}
