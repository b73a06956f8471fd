//! The wall: a row for each board, and a sentence on the one that the reader is at.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Wrap};

use super::{Style, draw_foot};
use crate::top::app::App;
use crate::top::board::{Board, State};
use crate::top::columns::{COLUMNS, Column, Kind, WHY, is_over};
use crate::top::fleet::Fleet;
use crate::top::text::Name;

const KEYS: &str = "Enter board  < > sort  / filter  ? keys  q quit";

/// Draws the wall in `area`, and its keys in `foot`.
pub fn draw(frame: &mut Frame<'_>, area: Rect, foot: Rect, app: &mut App, style: Style) {
    let column = app.column();
    let App { fleet, wall, is_reversed, .. } = app;
    let [table, sentence] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
    let rows = fleet.rows(&wall.filter, column, *is_reversed);
    let names: Vec<&str> = rows.iter().map(|(name, _)| &*name.raw).collect();
    let (window, place) = wall.window(&names, usize::from(table.height.saturating_sub(1)));
    let shown = rows.get(window.clone()).unwrap_or_default();

    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| column.from <= area.width).collect();
    let has_why = area.width >= WHY;
    let titles = columns.iter().map(|each| title(each, std::ptr::eq(*each, column), *is_reversed, style));
    let why = has_why.then(|| Cell::from(" WHY, MODEL, TAGS"));
    let mut widths: Vec<Constraint> = columns.iter().map(|column| width(column, has_why)).collect();
    widths.extend(has_why.then_some(Constraint::Fill(3)));
    let lines = shown.iter().enumerate().map(|(n, (name, board))| {
        let cells = columns.iter().map(|column| cell(column, name, board, fleet, style));
        let why = has_why.then(|| {
            let sentence = board.sentence(fleet.now());
            Cell::from(format!(" {}", about(if board.state == State::Well { "" } else { &sentence }, board)))
        });
        let row = Row::new(cells.chain(why));
        if window.start + n == place { row.style(style.chosen()) } else { row }
    });
    let header = Row::new(titles.chain(why)).style(style.titles());
    let mut drawn = Table::new(lines, widths).header(header).column_spacing(0);
    if fleet.lost.is_some() {
        drawn = drawn.style(style.faint());
    }
    frame.render_widget(drawn, table);

    if let Some((name, board)) = rows.get(place) {
        let line = vec![
            Span::raw(format!("{}: ", name.shown)),
            Span::styled(board.sentence(fleet.now()), style.state(board.state)),
            Span::raw(format!("  {}", about("", board))),
        ];
        frame.render_widget(Line::from(line), sentence);
    } else {
        draw_nothing(frame, table, fleet, &wall.filter);
    }
    let order = format!("{}{}", if *is_reversed { "reversed: " } else { "" }, column.order);
    let of = if wall.filter.is_empty() { String::new() } else { format!("{} of ", rows.len()) };
    let all: u64 = fleet.counts().iter().map(|(_, count)| count).sum();
    draw_foot(frame, foot, wall, KEYS, &format!("{of}{all},"), &order);
}

fn draw_nothing(frame: &mut Frame<'_>, table: Rect, fleet: &Fleet, filter: &str) {
    let text = if filter.is_empty() || fleet.counts().iter().all(|(_, count)| *count == 0) {
        "No board has reported yet. To add one, set [server] host= in its psistats.conf to the hub's address; see \
         psistats-hub(1)."
    } else {
        "No board matches. Esc shows all boards."
    };
    let [_, below] = Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(table);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), below);
}

/// `critical for 3 min: Power: under-voltage  Raspberry Pi 3 Model B  #site=garage`
fn about(sentence: &str, board: &Board) -> String {
    let tags = board.tags.0.iter().map(|tag| &**tag);
    let parts = [sentence, &board.model].into_iter().chain(tags);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

const fn width(column: &Column, has_why: bool) -> Constraint {
    match column.kind {
        Kind::Name if has_why => Constraint::Fill(2),
        Kind::Name => Constraint::Fill(1),
        // A cell more, for what separates columns, or for the sign behind a figure.
        Kind::State | Kind::Figure { .. } => Constraint::Length(column.width + 1),
    }
}

/// Figures are to the right, with a cell behind them for the sign of a limit that is reached.
fn title(column: &Column, is_sorted: bool, is_reversed: bool, style: Style) -> Cell<'static> {
    let arrow = match (is_sorted, is_reversed) {
        (false, _) => " ",
        (true, false) => "↓",
        (true, true) => "↑",
    };
    let text = Line::styled(
        format!("{}{arrow}", column.title),
        if is_sorted { style.sorted() } else { style.titles() },
    );
    Cell::from(if let Kind::Figure { .. } = column.kind { text.alignment(Alignment::Right) } else { text })
}

fn cell<'f>(column: &Column, name: &'f Name, board: &'f Board, fleet: &Fleet, style: Style) -> Cell<'f> {
    match &column.kind {
        Kind::State => Cell::from(board.state.word()).style(style.state(board.state)),
        Kind::Name => Cell::from(&*name.shown),
        Kind::Figure { value, show, limit } => {
            let value = value(board, fleet.now());
            // Of a lost board the figures are the last ones, and are no news.
            let is_over = is_over(limit, value) && board.state != State::Lost;
            let text = format!("{}{}", show(value), if is_over { "!" } else { " " });
            let cell = Cell::from(Text::from(text).alignment(Alignment::Right));
            match (is_over, board.state) {
                (true, _) => cell.style(style.over()),
                (false, State::Lost) if column.title != "HEARD" => cell.style(style.faint()),
                _ => cell,
            }
        }
    }
}
