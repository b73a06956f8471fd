//! `[tags]`: fixed texts that every report has.

use crate::conf::reading::Reading;
use crate::conf::values::text;
use crate::limits;

/// Keys and values, in the order of the file: at most [`limits::TAGS`], each of at most [`limits::TAG_NAME`] and
/// [`limits::TAG`] bytes.
pub type Tags = Vec<(String, String)>;

/// Reads the section, whose keys are anybody's.
pub(super) fn tags(r: &mut Reading<'_>) -> Tags {
    const NAME: &str = "tags";
    let mut tags = Tags::new();
    for entry in r.entries(NAME) {
        if !is_name(&entry.key) {
            let text = format_args!("[{NAME}]: expected keys of {}", expected_name());
            r.error(entry.line, text);
            continue;
        }
        match text(&(1..=limits::TAG))(&entry.value) {
            Ok(value) => tags.push((entry.key.clone(), value)),
            Err(expected) => r.wrong(NAME, entry, &expected),
        }
        if tags.len() > limits::TAGS {
            r.error(entry.line, format_args!("[{NAME}]: expected at most {} tags", limits::TAGS));
            break;
        }
    }
    tags
}

/// Whether a report may have it as a key that is somebody's own.
pub(super) fn is_name(name: &str) -> bool {
    (1..=limits::TAG_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// What [`is_name`] expects.
pub(super) fn expected_name() -> String {
    format!("1 to {} letters, digits, _, - and .", limits::TAG_NAME)
}
