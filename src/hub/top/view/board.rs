//! A board: facts, every series with its value, and the last hour of the one that the reader is at.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table, Wrap};

use super::Style;
use crate::top::app::{App, Open};
use crate::top::board::{Board, Detail, History, Mark, Value};
use crate::top::fleet::Fleet;
use crate::top::text::{Name, age, number, plural};

/// Lines of the last hour.
const SPARK: u16 = 3;

/// Seconds of the line.
const HOUR: f64 = 3600.0;

pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &mut App, style: Style) {
    let App { fleet, open: Some(open), .. } = app else { return };
    let facts = facts(fleet, open, style);
    let height = u16::try_from(facts.len()).unwrap_or(0);
    // Where there is little room, it is the list's.
    let spark = if area.height >= height + SPARK + 5 { SPARK } else { 0 };
    let [above, list, below] =
        Layout::vertical([Constraint::Length(height), Constraint::Min(3), Constraint::Length(spark)])
            .areas(area);
    frame.render_widget(Paragraph::new(facts), above);
    let Some(chosen) = draw_series(frame, list, open, style) else {
        let text = match &open.detail {
            None => "Asking the hub.",
            Some(detail) if detail.values.is_empty() => "No series yet.",
            Some(_) => "No series matches. Esc shows all.",
        };
        let [_, below] = Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(list);
        frame.render_widget(text, below);
        return;
    };
    let history = open.history.as_ref().filter(|(series, _)| *series == chosen.0.raw);
    draw_line(frame, below, (&chosen.0, &chosen.1), history.map(|(_, history)| history), fleet.now(), style);
}

/// Draws the list. The series that the reader is at; None where there is none.
fn draw_series(frame: &mut Frame<'_>, area: Rect, open: &mut Open, style: Style) -> Option<(Name, Value)> {
    let rows: Vec<Name> = open.rows().into_iter().cloned().collect();
    let keys: Vec<&str> = rows.iter().map(|name| &*name.raw).collect();
    let (window, place) = open.series.window(&keys, usize::from(area.height.saturating_sub(1)));
    let values = &open.detail.as_ref()?.values;
    let shown = rows.get(window.clone()).unwrap_or_default();
    let lines = shown.iter().enumerate().map(|(n, name)| {
        let value = values.get(name).map(ToString::to_string).unwrap_or_default();
        let row =
            Row::new([Cell::from(&*name.shown), Cell::from(Text::from(value).alignment(Alignment::Right))]);
        if window.start + n == place { row.style(style.chosen()) } else { row }
    });
    let titles =
        Row::new([Text::raw("SERIES"), Text::raw("VALUE").alignment(Alignment::Right)]).style(style.titles());
    let table =
        Table::new(lines, [Constraint::Fill(3), Constraint::Fill(2)]).header(titles).column_spacing(1);
    frame.render_widget(table, area);
    let name = rows.into_iter().nth(place)?;
    let value = values.get(&name)?.clone();
    Some((name, value))
}

/// What is known of the board, a line each.
fn facts<'f>(fleet: &'f Fleet, open: &'f Open, style: Style) -> Vec<Line<'f>> {
    let now = fleet.now();
    let name = Span::styled(&*open.name.shown, Modifier::BOLD);
    let Some(board) = fleet.board(&open.name.raw).filter(|_| !open.is_gone) else {
        return vec![Line::from(vec![name, Span::raw("  the hub knows this board no longer")])];
    };
    let sentence = Span::styled(board.sentence(now), style.state(board.state));
    let mut lines = vec![Line::from(vec![name, Span::raw("  "), sentence])];
    let mut fact = |label: &'static str, text: String| {
        lines.push(Line::from(vec![Span::styled(format!("{label:<9}"), style.faint()), Span::raw(text)]));
    };
    let known = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    fact("Model", known(&board.model));
    if let Some(detail) = &open.detail {
        fact("Address", known(&addresses(detail)));
        fact(
            "Tags",
            known(&board.tags.0.iter().map(|tag| &**tag).collect::<Vec<_>>().join(" "))
                .replace("unknown", "none"),
        );
        fact("Up", uptime(board, detail, now));
        fact("Reports", reports(detail));
        fact("Heard", heard(board, detail, now));
        if let Some(conflict) = &detail.conflict {
            let from = conflict.addresses.iter().map(|address| &**address).collect::<Vec<_>>().join(" and ");
            fact("Conflict", format!("two boards of this name report, from {from}: rename one"));
        }
    }
    lines
}

/// `192.0.2.7 by amqp; its own 10.0.0.5, fe80::1`
fn addresses(detail: &Detail) -> String {
    let from = detail.address.as_ref().map(|address| format!("{address} ")).unwrap_or_default();
    let own = detail.addresses.iter().map(|address| &**address).collect::<Vec<_>>().join(", ");
    let own = if own.is_empty() { own } else { format!("; its own {own}") };
    format!("{from}by {}{own}", detail.source)
}

/// `5 d; 2 reboots seen, the last 5 d ago; no restart of the agent seen`
fn uptime(board: &Board, detail: &Detail, now: f64) -> String {
    let up = board.figures.uptime.zip(board.heard);
    let up = up.map_or_else(|| "unknown".to_owned(), |(uptime, heard)| age(uptime + now - heard));
    let seen = |marks: &[Mark], what, of| match marks.last() {
        None => format!("no {what}{of} seen"),
        Some(last) => {
            format!("{}{of} seen, the last {} ago", plural(marks.len() as u64, what), age(now - last.at))
        }
    };
    format!(
        "{up}; {}; {}",
        seen(&detail.boots, "reboot", ""),
        seen(&detail.restarts, "restart", " of the agent")
    )
}

/// `1234, every 1 s; 0 lost, 0 duplicates, 0 late`
fn reports(detail: &Detail) -> String {
    let Detail { reports, lost, duplicates, late, interval, .. } = detail;
    let every = interval
        .filter(|interval| *interval > 0.0)
        .map(|interval| format!(", every {} s", number((interval * 10.0).round() / 10.0)));
    format!("{reports}{}; {lost} lost, {duplicates} duplicate, {late} late", every.unwrap_or_default())
}

fn heard(board: &Board, detail: &Detail, now: f64) -> String {
    let ago = |at: Option<f64>| at.map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(now - at)));
    format!("{}; first {}", ago(board.heard), ago(detail.first_heard))
}

/// The last hour of a series, or the whole of a text.
fn draw_line(
    frame: &mut Frame<'_>,
    area: Rect,
    (name, value): (&Name, &Value),
    history: Option<&History>,
    now: f64,
    style: Style,
) {
    let columns = history.map(|history| columns(history, now, area.width)).unwrap_or_default();
    let Some((low, high)) = history.and_then(range) else {
        let text = format!("{}: {value}", name.shown);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    };
    let [title, line] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let text = format!("{}, last hour: {} to {}", name.shown, number(low), number(high));
    frame.render_widget(Line::styled(text, style.faint()), title);
    let levels = u64::from(line.height) * 8;
    let data = columns.into_iter().map(|mean| mean.map(|mean| level(mean, low, high, levels)));
    frame.render_widget(
        Sparkline::default().data(data).max(levels).absent_value_symbol(" ").style(style.line()),
        line,
    );
}

fn range(history: &History) -> Option<(f64, f64)> {
    let low = history.min.iter().flatten().copied().reduce(f64::min)?;
    let high = history.max.iter().flatten().copied().reduce(f64::max)?;
    Some((low, high))
}

/// From 1, which can be seen.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to `levels`")]
fn level(value: f64, low: f64, high: f64, levels: u64) -> u64 {
    let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
    1 + (share * levels.saturating_sub(1) as f64) as u64
}

/// The mean of what lies within each of `width` equal parts of the hour before `now`. None is a gap.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place that is none is not found"
)]
fn columns(history: &History, now: f64, width: u16) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); usize::from(width)];
    for (at, mean) in history.t.iter().zip(&history.avg) {
        let place = (at - (now - HOUR)) / HOUR * f64::from(width);
        let place = place.min(f64::from(width) - 1.0);
        if let Some((sum, count)) = sums.get_mut(place as usize).filter(|_| place >= 0.0)
            && let Some(mean) = mean
        {
            *sum += mean;
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count)).collect()
}
