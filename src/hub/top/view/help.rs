//! The keys, and how to read the table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Style;
use crate::top::keys::KEYS;

const NOTES: &str = "A figure with ! has reached its limit. A board that the hub has not heard for 15 seconds, or for \
    five of its intervals, is lost; its figures are the last ones. A dash stands for what is unknown.";

pub fn draw(frame: &mut Frame<'_>, area: Rect, style: Style) {
    let mut lines = vec![Line::default()];
    let keys = KEYS.iter().filter(|key| !key.keys.is_empty());
    lines.extend(keys.map(|key| {
        let keys = Span::styled(format!("{:<18}", key.keys), style.line());
        Line::from(vec![keys, Span::raw(key.help)])
    }));
    lines.extend([Line::default(), Line::styled("How to read it", Modifier::BOLD), Line::raw(NOTES)]);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), area);
}
