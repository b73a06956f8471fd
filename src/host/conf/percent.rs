//! Python's percent formats, taken apart: `%(asctime)s %(levelname)-8s %(message)s`.

use std::mem;

use crate::conf::logging::{Field, Format, Piece};
use crate::conf::reading::Expected;

/// Widest field, in characters: a line of the log is written in bounded space.
const WIDTH: i16 = 255;

/// The fields by name, and the letters that Python can write them with.
const FIELDS: [(&str, Field, &str); 17] = [
    ("asctime", Field::Asctime, "s"),
    ("created", Field::Created, "sdf"),
    ("filename", Field::Filename, "s"),
    ("funcName", Field::FuncName, "s"),
    ("levelname", Field::Levelname, "s"),
    ("levelno", Field::Levelno, "sd"),
    ("lineno", Field::Lineno, "sd"),
    ("message", Field::Message, "s"),
    ("module", Field::Module, "s"),
    ("msecs", Field::Msecs, "sdf"),
    ("name", Field::Name, "s"),
    ("pathname", Field::Pathname, "s"),
    ("process", Field::Process, "sd"),
    ("processName", Field::ProcessName, "s"),
    ("relativeCreated", Field::RelativeCreated, "sdf"),
    ("thread", Field::Thread, "sd"),
    ("threadName", Field::ThreadName, "s"),
];

impl Format {
    /// A format that is known to be one, without a `datefmt`.
    pub fn of(format: &str) -> Self {
        Self { pieces: pieces(format).unwrap_or_default(), datefmt: None }
    }
}

/// Takes a format apart.
pub(super) fn pieces(format: &str) -> Result<Vec<Piece>, Expected> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            text.push('%');
            rest = after;
            continue;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(mem::take(&mut text)));
        }
        let (field, after) = field(after)?;
        pieces.push(field);
        rest = after;
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// One field after its percent sign, and what follows: `(name)`, then `-` or `0`, width, and a letter (Python's
/// "printf-style String Formatting"). Not supported: a precision.
fn field(text: &str) -> Result<(Piece, &str), Expected> {
    const FORM: &str = "fields as %(message)s or %(levelname)-8s, and %% for a percent sign";
    let (name, rest) = text.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or(FORM)?;
    let (_, field, letters) = FIELDS.iter().find(|(known, ..)| *known == name).ok_or_else(unknown)?;
    let unsigned = rest.strip_prefix('-');
    let digits = unsigned.unwrap_or(rest);
    let (width, rest) = number(digits).ok_or(FORM)?;
    let kind =
        rest.chars().next().filter(|&kind| letters.contains(kind)).ok_or_else(|| letter(name, letters))?;
    let piece = Piece::Field {
        field: *field,
        width: if unsigned.is_some() { -width } else { width },
        zeros: digits.starts_with('0') && unsigned.is_none() && kind != 's',
        kind,
    };
    Ok((piece, rest.get(1..).unwrap_or_default()))
}

/// The digits at the start as a number, none as 0.
fn number(text: &str) -> Option<(i16, &str)> {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let add = |number: i16, digit: u8| Some(number * 10 + i16::from(digit - b'0')).filter(|n| *n <= WIDTH);
    let number = text.strip_suffix(rest)?.bytes().try_fold(0, add)?;
    Some((number, rest))
}

fn unknown() -> Expected {
    let names: Vec<&str> = FIELDS.iter().map(|(name, ..)| *name).collect();
    format!("fields among {}", names.join(", ")).into()
}

fn letter(name: &str, letters: &str) -> Expected {
    let forms: Vec<String> = letters.chars().map(|c| format!("%({name}){c}")).collect();
    format!("{} with a width up to {WIDTH}", forms.join(" or ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(field: Field) -> Piece {
        Piece::Field { field, width: 0, zeros: false, kind: 's' }
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn a_format_is_its_fields_and_the_text_between_them() {
        assert_eq!(
            pieces("%(asctime)s %(name)s 100%% %(message)s").unwrap(),
            [plain(Field::Asctime), text(" "), plain(Field::Name), text(" 100% "), plain(Field::Message)]
        );
        assert_eq!(pieces("").unwrap(), []);
    }

    #[test]
    fn width_zeros_and_letter_are_kept() {
        let one = |format| pieces(format).unwrap();
        let field = |field, width, zeros, kind| [Piece::Field { field, width, zeros, kind }];
        assert_eq!(one("%(levelname)-8s"), field(Field::Levelname, -8, false, 's'));
        assert_eq!(one("%(msecs)03d"), field(Field::Msecs, 3, true, 'd'));
        assert_eq!(one("%(created)f"), field(Field::Created, 0, false, 'f'));
        assert_eq!(one("%(process)10d"), field(Field::Process, 10, false, 'd'));
    }

    #[test]
    fn what_python_could_not_format_is_an_error() {
        for (wrong, expected) in [
            ("100%", "%%"),
            ("%s", "%%"),
            ("%(message", "%%"),
            ("%(nonsense)s", "relativeCreated"),
            ("%(message)d", "%(message)s"),
            ("%(message)", "%(message)s"),
            ("%(lineno)x", "%(lineno)d"),
            ("%(lineno)f", "%(lineno)d"),
            ("%(message)999s", "%%"),
            ("%(created).3f", "%(created)s"),
        ] {
            let error = pieces(wrong).unwrap_err();
            assert!(error.contains(expected), "{wrong}: {error}");
        }
    }
}
