//! What the screen shows of an [`App`]: the head, the wall or a board, and the foot.

mod board;
mod help;
mod style;
mod wall;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Position, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

pub use self::style::Style;
use super::app::App;
use super::list::List;
use super::text::{Text, age, plural};

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, app: &mut App, style: Style) {
    let banner = banner(app);
    // Words that do not fit into the rest of a line begin the next.
    let lines = (banner.width() * 9 / 8).div_ceil(usize::from(frame.area().width).max(1));
    let heights = [1, u16::try_from(lines.min(4)).unwrap_or(0)].map(Constraint::Length);
    let [head, lost, main, foot] =
        Layout::vertical([heights[0], heights[1], Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    draw_head(frame, head, app, style);
    frame.render_widget(Paragraph::new(banner).style(style.banner()).wrap(Wrap { trim: true }), lost);
    if app.is_help {
        help::draw(frame, main, style);
        ends(frame, foot, "Any key goes back".into(), Line::default());
    } else if app.open.is_some() {
        board::draw(frame, main, app, style);
        let Some(open) = &app.open else { return };
        draw_foot(
            frame,
            foot,
            &open.series,
            "Esc back  ↑↓ series  / filter  ? keys  q quit",
            &open.rows().len().to_string(),
            "series",
        );
    } else {
        wall::draw(frame, main, foot, app, style);
    }
}

/// A text at the left, and one at the right where there is room for both.
fn ends(frame: &mut Frame<'_>, area: Rect, left: Line<'_>, right: Line<'_>) {
    let room = left.width() + right.width() + 2 <= usize::from(area.width);
    frame.render_widget(left, area);
    if room {
        frame.render_widget(right.alignment(Alignment::Right), area);
    }
}

/// `psistats  3 boards: 1 lost, 2 well          127.0.0.1:8666  live`
fn draw_head(frame: &mut Frame<'_>, area: Rect, app: &App, style: Style) {
    let counts = app.fleet.counts();
    let all = counts.iter().map(|(_, count)| count).sum();
    let mut left = vec![
        Span::styled("psistats", Modifier::BOLD),
        Span::raw(format!("  {}{}", plural(all, "board"), if all > 0 { ": " } else { "" })),
    ];
    let present = counts.into_iter().filter(|(_, count)| *count > 0);
    for (n, (state, count)) in present.enumerate() {
        if n > 0 {
            left.push(Span::raw(", "));
        }
        left.push(Span::styled(format!("{count} {}", state.word()), style.state(state)));
    }
    if app.fleet.is_full {
        left.push(Span::raw(", more are not shown"));
    }
    let live = if app.fleet.lost.is_some() { "not live" } else { "live" };
    ends(frame, area, left.into(), Line::from(format!("{}  {live}", app.hub)));
}

/// Says that the hub is not heard, where it is so.
fn banner(app: &App) -> Line<'static> {
    let Some(lost) = &app.fleet.lost else { return Line::default() };
    let ago = age(lost.since.elapsed().as_secs_f64());
    Line::raw(format!("HUB LOST {ago} ago; trying again, figures are as of then: {}", lost.why))
}

/// The foot of a list: its keys, or the filter that is typed.
fn draw_foot(frame: &mut Frame<'_>, area: Rect, list: &List, keys: &str, rows: &str, right: &str) {
    let filter = Text::of(&list.filter);
    if list.is_typing {
        let left = Line::from(format!("/{filter}"));
        let x = area
            .x
            .saturating_add(u16::try_from(left.width()).unwrap_or(area.width))
            .min(area.right().saturating_sub(1));
        ends(frame, area, left, format!("Enter keeps, Esc clears  {rows} {right}").into());
        frame.set_cursor_position(Position::new(x, area.y));
    } else if filter.is_empty() {
        ends(frame, area, keys.into(), format!("{rows} {right}").into());
    } else {
        ends(frame, area, format!("/{filter}  (Esc shows all)").into(), format!("{rows} {right}").into());
    }
}
