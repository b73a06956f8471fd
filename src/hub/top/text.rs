//! Texts from elsewhere as a terminal may have them, and numbers and times in few characters.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use ratatui::text::Span;
use serde::{Deserialize, Deserializer};

/// Most characters of a text.
const LENGTH: usize = 160;

/// Most marks that one character bears.
const MARKS: usize = 2;

/// What is not there.
pub const NONE: &str = "-";

/// A text of which a terminal shows every character, each in the cells that are counted for it.
///
/// It is made of anything: a control or format character, with which an escape sequence or a change of direction
/// begins, becomes U+FFFD, and so does what takes another number of cells from one terminal to the next. The length is
/// bounded. All texts of the hub's answers are read as this.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Box<str>);

impl Text {
    /// What may be shown of a text.
    pub fn of(text: &str) -> Self {
        let (mut plain, mut marks) = (String::new(), MARKS);
        for (n, c) in text.chars().enumerate() {
            if n == LENGTH {
                plain.push('…');
                break;
            }
            // A first mark would join what stands before the text.
            let shown = match cells(c) {
                _ if c.is_control() || is_hidden(c) => '\u{fffd}',
                0 if marks == MARKS => '\u{fffd}',
                _ => c,
            };
            marks = if cells(shown) == 0 { marks + 1 } else { 0 };
            plain.push(shown);
        }
        Self(plain.into())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::of(&text))
    }
}

/// What something is called at the hub, which is asked for it so, and how that is shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// At the hub.
    pub raw: Box<str>,
    /// In the terminal.
    pub shown: Text,
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.raw
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<str>::deserialize(deserializer)?;
        Ok(Self { shown: Text::of(&raw), raw })
    }
}

/// The cells that a character takes. ratatui counts the same.
fn cells(c: char) -> usize {
    Span::raw(c.encode_utf8(&mut [0; 4]) as &str).width()
}

/// Whether a character is one of format or none at all (Unicode's Cf, Zl, Zp, Default_Ignorable), or changes the width
/// of its neighbours: variation selectors, skin tones, the letters of flags, and the vowels and finals of Hangul.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{115f}'..='\u{11ff}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{d7b0}'..='\u{d7ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// By the letters, and by the value of digits in a row: pi-2 before pi-10.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (next, other) = (first(&mut left), first(&mut right));
        if next.is_empty() || other.is_empty() {
            return next.len().cmp(&other.len()).then_with(|| a.cmp(b));
        }
        let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
        let order = if is_number(next) && is_number(other) {
            let (n, m) = (next.trim_start_matches('0'), other.trim_start_matches('0'));
            n.len().cmp(&m.len()).then_with(|| n.cmp(m))
        } else {
            next.cmp(other)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes all digits that a text begins with, or all that are none.
fn first<'t>(text: &mut &'t str) -> &'t str {
    let is_digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len());
    let (part, rest) = text.split_at(end);
    *text = rest;
    part
}

/// With so many decimals.
pub fn fixed(value: Option<f64>, decimals: usize) -> String {
    match value {
        Some(value) if value.abs() < 1e9 => format!("{value:.decimals$}"),
        Some(value) => format!("{value:.1e}"),
        None => NONE.into(),
    }
}

/// As many decimals as tell something.
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        format!("{value:.0}")
    } else if value.abs() < 1e9 {
        let decimals = if value.abs() < 10.0 { 3 } else { 1 };
        format!("{value:.decimals$}").trim_end_matches('0').trim_end_matches('.').into()
    } else {
        format!("{value:.3e}")
    }
}

/// A span of seconds in one unit, in at most 5 cells: 3s, 45m, 19h, 5d.
pub fn short(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) else { return NONE.into() };
    match seconds.max(0.0) {
        s if s < 99.5 => format!("{s:.0}s"),
        s if s < 5400.0 => format!("{:.0}m", s / 60.0),
        s if s < 172_800.0 => format!("{:.0}h", s / 3600.0),
        s if s < 8.64e8 => format!("{:.0}d", s / 86400.0),
        _ => NONE.into(),
    }
}

/// The same in words: 3 s, 45 min, 19 h, 5 d.
pub fn age(seconds: f64) -> String {
    let short = short(Some(seconds));
    match short.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => {
            let (count, unit) = short.split_at(at);
            format!("{count} {}", if unit == "m" { "min" } else { unit })
        }
        None => "unknown".into(),
    }
}

/// `1 board`, `2 boards`.
pub fn plural(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        let hostile = "a\u{1b}[2J\u{7}\u{9b}31m\r\n\u{202e}b\u{200d}\u{feff}\u{2028}\u{7f}\u{fe0f}";
        assert_eq!(
            &*Text::of(hostile),
            "a\u{fffd}[2J\u{fffd}\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"
        );
        assert_eq!(&*Text::of("\u{301}a"), "\u{fffd}a");
        let pile = Text::of(&format!("a{}", "\u{301}".repeat(50)));
        assert!(!pile.contains(&"\u{301}".repeat(MARKS + 1)), "{pile}");
    }

    #[test]
    fn letters_of_every_script_stay() {
        for text in ["Büro", "Bu\u{308}ro", "测试板", "ห้อง", "हिन्दी", "日本語の基板", "한국", "naïve 🙂"]
        {
            assert_eq!(&*Text::of(text), text);
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(Text::of(&"x".repeat(100_000)).chars().count(), LENGTH + 1);
    }

    #[test]
    fn digits_in_a_row_are_a_number() {
        let mut names = ["pi-10", "pi-2", "pi", "pi-02", "a", "pi-2b", "10", "9"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["9", "10", "a", "pi", "pi-02", "pi-2", "pi-2b", "pi-10"]);
    }

    #[test]
    fn spans_of_time_fit_five_cells() {
        for (seconds, text) in [
            (-3.0, "0s"),
            (3.2, "3s"),
            (99.6, "2m"),
            (2700.0, "45m"),
            (68_400.0, "19h"),
            (1e6, "12d"),
            (8e8, "9259d"),
        ] {
            assert_eq!(short(Some(seconds)), text);
        }
        assert_eq!(
            (short(None), short(Some(f64::NAN)), short(Some(1e300))),
            ("-".into(), "-".into(), "-".into())
        );
        assert_eq!((age(2700.0), age(3.0)), ("45 min".into(), "3 s".into()));
    }

    #[test]
    fn numbers_have_the_decimals_that_tell_something() {
        for (value, text) in
            [(12.0, "12"), (0.123_456, "0.123"), (41.25, "41.2"), (-0.5, "-0.5"), (1e300, "1.000e300")]
        {
            assert_eq!(number(value), text);
        }
        assert_eq!((fixed(Some(1.26), 1), fixed(None, 0)), ("1.3".into(), "-".into()));
    }
}
