//! `psistats-hub alerts try`: what rules would have said over the kept history of a running hub.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::alerts::Message;
use crate::alerts::alert::Turn;
use crate::alerts::replay::{Minute, Replay, is_tried, is_wanted};
use crate::alerts::rules::Rule;
use crate::history::MINUTE_DAYS;
use crate::settings::{self, Needs};
use crate::top::client::{Client, DEFAULT, Trouble, encode};
use psistats_host::output::complain;
use psistats_host::output::localtime::Zone;

/// Minutes that are asked for at once: a day, unless that were too many values for the memory.
const MINUTES: usize = 1_440;
const VALUES: usize = 4 << 20;
const MINUTE_MS: i64 = 60_000;
/// Minutes that the oldest may go while others are asked for.
const SLACK: i64 = 30;

#[derive(Deserialize)]
struct Hosts {
    now: f64,
    hosts: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    name: String,
    tags: BTreeMap<String, String>,
    values: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Columns {
    t: Vec<f64>,
    avg: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

/// A series of a board, with what it said in each minute of a stretch.
struct Series {
    path: String,
    is_truth: bool,
    minutes: Vec<Option<f64>>,
}

struct Board {
    name: String,
    tags: Vec<(String, Value)>,
    series: Vec<Series>,
}

/// Prints what the rules of a file would have said.
///
/// # Errors
/// The file is wrong, or the hub at `url` does not answer.
pub fn run(file: &Path, url: Option<&str>) -> Result<(), String> {
    let (settings, warnings) =
        settings::load(Some(file), Needs::NoPassword).map_err(|problems| problems.to_string())?;
    warnings.iter().for_each(|warning| complain(format_args!("{warning:#}")));
    let client = Client::new(url.unwrap_or(DEFAULT))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let tried = runtime.block_on(replay(&client, &settings.alerts.rules));
    runtime.shutdown_background();
    tried.map_err(|trouble| trouble.to_string())
}

async fn replay(client: &Client, rules: &[Rule]) -> Result<(), Trouble> {
    let Hosts { now, hosts } = client.ask("/api/v1/hosts").await?;
    let mut boards: Vec<_> = hosts.into_iter().map(|host| board(host, rules)).collect();
    let count: usize = boards.iter().map(|board| board.series.len()).sum();
    let window = (VALUES / count.max(1)).clamp(60, MINUTES);
    let end = milliseconds(now) / MINUTE_MS;
    let mut begin = end - i64::from(MINUTE_DAYS) * 24 * 60 + SLACK;
    let (zone, mut replay, mut raised) = (Zone::local(), None, 0_u64);
    while begin < end {
        let length = window.min(usize::try_from(end - begin).unwrap_or(window));
        for board in &mut boards {
            for series in &mut board.series {
                series.minutes =
                    minutes(client, &board.name, &series.path, series.is_truth, begin, length).await?;
            }
        }
        for (place, minute) in (begin..).take(length).enumerate() {
            let said: Vec<_> = boards.iter().filter_map(|board| said(board, place)).collect();
            // Nothing happened before the first report.
            if said.is_empty() && replay.is_none() {
                continue;
            }
            let from_ms = minute * MINUTE_MS;
            let replay = replay.get_or_insert_with(|| Replay::new(rules, from_ms));
            for message in replay.live(&said, from_ms) {
                raised += u64::from(message.state == Turn::Raised);
                print(&message, &zone);
            }
        }
        begin += i64::try_from(length).unwrap_or(i64::MAX);
    }
    let left_out: Vec<_> = rules.iter().filter(|rule| !is_tried(rule)).map(|rule| &*rule.name).collect();
    complain(format_args!(
        "raised={raised} boards={}, of the last {MINUTE_DAYS} days by minutes; the history cannot tell of: {}",
        boards.len(),
        left_out.join(", ")
    ));
    Ok(())
}

fn board(host: Host, rules: &[Rule]) -> Board {
    let Host { name, tags, values } = host;
    let wanted = values.into_iter().filter(|(path, value)| !value.is_string() && is_wanted(rules, path));
    let series =
        wanted.map(|(path, value)| Series { path, is_truth: value.is_boolean(), minutes: Vec::new() });
    let tags = tags.into_iter().map(|(key, value)| (format!("tags.{key}"), value.into()));
    Board { name, series: series.collect(), tags: tags.collect() }
}

/// What a series was in each minute: its average; of truth values, whether it was true at all.
async fn minutes(
    client: &Client,
    board: &str,
    path: &str,
    is_truth: bool,
    begin: i64,
    length: usize,
) -> Result<Vec<Option<f64>>, Trouble> {
    let end = begin + i64::try_from(length).unwrap_or(0);
    let question = format!(
        "/api/v1/hosts/{}/history?series={}&from={}&to={}&points={length}",
        encode(board),
        encode(path),
        begin * 60,
        end * 60
    );
    let mut minutes = vec![None; length];
    let columns: Columns = match client.ask(&question).await {
        Ok(columns) => columns,
        // The board was forgotten meanwhile.
        Err(Trouble::Unknown) => return Ok(minutes),
        Err(trouble) => return Err(trouble),
    };
    let values = if is_truth { columns.max } else { columns.avg };
    for (time, value) in columns.t.into_iter().zip(values) {
        let place = usize::try_from(milliseconds(time) / MINUTE_MS - begin).ok();
        if let (Some(minute), Some(value)) = (place.and_then(|place| minutes.get_mut(place)), value) {
            *minute = Some(value);
        }
    }
    Ok(minutes)
}

/// What a board said in a minute; None: nothing.
fn said(board: &Board, place: usize) -> Option<Minute<'_>> {
    let of = |series: &Series| {
        let value = series.minutes.get(place).copied().flatten()?;
        Some(if series.is_truth { (value > 0.0).into() } else { value.into() })
    };
    let mut values: Vec<(&str, Value)> =
        board.series.iter().filter_map(|series| Some((series.path.as_str(), of(series)?))).collect();
    if values.is_empty() {
        return None;
    }
    values.extend(board.tags.iter().map(|(path, value)| (path.as_str(), value.clone())));
    Some(Minute { board: &board.name, values })
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer that there is")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// One line: time, board, rule, what has changed, and the sentence.
fn print(message: &Message, zone: &Zone) {
    let at = zone.at(milliseconds(message.at) / 1000);
    let time = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        at.month(),
        at.month_day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    let state = if message.state == Turn::Raised { "raised" } else { "cleared" };
    let board = message.board.as_deref().map_or_else(|| "-".to_owned(), crate::alerts::message::shown);
    let text = message.text.strip_prefix(&format!("{board}: ")).unwrap_or(&message.text);
    let _ = super::answer(format_args!("{time}  {board:<20}  {:<14}  {state:<7}  {text}", message.alert));
}
