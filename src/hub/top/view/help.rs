//! The keys, and how to read the table.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::Style;
use crate::top::keys::KEYS;

const NOTES: &str = "A figure with ! has reached its limit. A board is lost where the hub has not heard it for 15 seconds \
    or five of its intervals; its figures are the last ones. - is unknown.";

pub fn draw(frame: &mut Frame<'_>, area: Rect, style: Style) {
    let keys = KEYS.iter().filter(|key| !key.keys.is_empty());
    let mut lines = vec![Line::default(), Line::styled("  Keys", Modifier::BOLD)];
    lines.extend(keys.map(|key| {
        Line::from(vec![Span::styled(format!("  {:<18}", key.keys), style.line()), Span::raw(key.help)])
    }));
    lines.extend([Line::default(), Line::raw(format!("  {NOTES}"))]);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }), area);
}
