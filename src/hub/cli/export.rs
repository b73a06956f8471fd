//! `psistats-hub export`: the history as files, by the API of a hub that runs.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use serde::Deserialize;

use crate::clock::unix_ms;
use crate::top::client::{self, Client, Trouble, encode};

const DAY_MS: i64 = 86_400_000;
/// What is asked for at a time: the hub gives no more.
const PART_MS: i64 = DAY_MS / 4;

/// What the options say.
#[derive(Debug, Default)]
pub struct Options {
    /// `--from`, `--to`: see [`time`].
    pub from: Option<String>,
    /// See `from`.
    pub to: Option<String>,
    /// `--board`
    pub board: Option<String>,
    /// `--to-folder`
    pub folder: Option<PathBuf>,
    /// `--format`
    pub format: Option<String>,
}

impl Options {
    /// Whether there are none.
    pub const fn are_none(&self) -> bool {
        let Self { from, to, board, folder, format } = self;
        from.is_none() && to.is_none() && board.is_none() && folder.is_none() && format.is_none()
    }
}

/// What is exported.
#[derive(Debug)]
pub struct Export {
    url: Option<String>,
    from_ms: i64,
    to_ms: i64,
    board: Option<String>,
    folder: PathBuf,
    /// As the API has it, and the end of files' names.
    format: (&'static str, &'static str),
}

impl Export {
    /// Of the words after `export`, and the options.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(words: &[&str], options: Options) -> Result<Self, String> {
        let url = match words {
            [] => None,
            [url] => Some((*url).to_owned()),
            [_, word, ..] => return Err(format!("expected no more than a URL, got {word}")),
        };
        let now_ms = unix_ms();
        let time = |option: &str, text: Option<String>, usual| {
            text.map_or(Ok(usual), |text| time(&text, now_ms).map_err(|why| format!("--{option}: {why}")))
        };
        let from_ms = time("from", options.from, now_ms - 14 * DAY_MS)?;
        let to_ms = time("to", options.to, now_ms)?;
        if from_ms >= to_ms {
            return Err("expected --from to be before --to".into());
        }
        let format = match options.format.as_deref() {
            None | Some("csv") => ("csv", "csv"),
            Some("influx") => ("influx", "lp"),
            Some(_) => return Err("--format: expected csv or influx".into()),
        };
        let folder = options.folder.ok_or("expected --to-folder FOLDER, where the files go")?;
        Ok(Self { url, from_ms, to_ms, board: options.board, folder, format })
    }
}

/// Unix seconds, or so many days, hours or minutes before now: `7d`, `12h`, `30m`.
fn time(text: &str, now_ms: i64) -> Result<i64, &'static str> {
    let expected = "expected Unix seconds, or a time before now as 7d, 12h or 30m";
    let (digits, unit_ms) = match text.char_indices().next_back() {
        Some((end, 'd')) => (text.get(..end), Some(DAY_MS)),
        Some((end, 'h')) => (text.get(..end), Some(3_600_000)),
        Some((end, 'm')) => (text.get(..end), Some(60_000)),
        _ => (Some(text), None),
    };
    let number: i64 = digits.and_then(|digits| digits.parse::<u32>().ok()).ok_or(expected)?.into();
    Ok(unit_ms.map_or(number * 1000, |unit_ms| (now_ms - number * unit_ms).max(0)))
}

/// Writes a file for each board, and says which on standard output.
///
/// # Errors
/// The hub does not answer, or a file cannot be written. Files of boards before that are whole.
pub fn run(export: &Export) -> Result<(), String> {
    let client = Client::new(export.url.as_deref().unwrap_or(client::DEFAULT))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ended = runtime.block_on(all(export, &client));
    // A host name that is being looked up is not waited for.
    runtime.shutdown_background();
    ended
}

async fn all(export: &Export, client: &Client) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Hosts {
        hosts: Vec<Host>,
    }
    #[derive(Deserialize)]
    struct Host {
        name: String,
    }
    let boards = match &export.board {
        Some(board) => vec![board.clone()],
        None => {
            let hosts: Hosts = client.ask("/api/v1/hosts").await.map_err(|trouble| trouble.to_string())?;
            hosts.hosts.into_iter().map(|host| host.name).collect()
        }
    };
    let folder = &export.folder;
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    for board in boards {
        // A name may have slashes.
        let name = format!("{}.{}", encode(&board), export.format.1);
        match one(export, client, &board, &name).await? {
            0 => super::answer(format_args!("{}: nothing in this time", board.escape_debug()))?,
            lines => super::answer(format_args!("{}: {lines} lines", folder.join(name).display()))?,
        }
    }
    Ok(())
}

/// Writes the file of a board, and gives its number of lines; without any, there is no file.
async fn one(export: &Export, client: &Client, board: &str, name: &str) -> Result<usize, String> {
    let (path, part) = (export.folder.join(name), export.folder.join(format!("{name}.part")));
    let failed = |error: io::Error| format!("cannot write {}: {error}", part.display());
    let mut file = BufWriter::new(File::create(&part).map_err(failed)?);
    let (mut from_ms, mut lines) = (export.from_ms, 0);
    while from_ms < export.to_ms {
        // In steps that begin where a quarter of an hour does.
        let to_ms = ((from_ms.div_euclid(PART_MS) + 1) * PART_MS).min(export.to_ms);
        let (from, to) = (from_ms as f64 / 1000.0, to_ms as f64 / 1000.0);
        let path =
            format!("/api/v1/hosts/{}/export?from={from}&to={to}&format={}", encode(board), export.format.0);
        let text = client.text(&path).await.map_err(|trouble| match trouble {
            Trouble::Unknown => format!("no board is called {}", board.escape_debug()),
            trouble => trouble.to_string(),
        })?;
        let (head, rows) = if export.format.0 == "csv" {
            text.split_at(text.find('\n').map_or(0, |end| end + 1))
        } else {
            ("", &*text)
        };
        if lines == 0 && !rows.is_empty() {
            file.write_all(head.as_bytes()).map_err(failed)?;
        }
        lines += rows.bytes().filter(|byte| *byte == b'\n').count();
        file.write_all(rows.as_bytes()).map_err(failed)?;
        from_ms = to_ms;
    }
    file.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    if lines == 0 { fs::remove_file(&part) } else { fs::rename(&part, path) }.map_err(failed)?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_unix_seconds_or_before_now() {
        let now = 1_700_000_000_000;
        assert_eq!(time("1600000000", now), Ok(1_600_000_000_000));
        assert_eq!(time("2d", now), Ok(now - 2 * DAY_MS));
        assert_eq!(time("12h", now), Ok(now - DAY_MS / 2));
        assert_eq!(time("30m", now), Ok(now - 1_800_000));
        for wrong in ["", "d", "-1", "1.5h", "2026-11-29", "7 d", "ü"] {
            assert!(time(wrong, now).is_err(), "{wrong}");
        }
    }
}
