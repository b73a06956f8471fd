//! How metrics are written: the text format 0.0.4 of Prometheus, and OpenMetrics 1.0.
//!
//! They differ in the names of families (OpenMetrics has them without `_total` and `_info`) and in the last line. Neither
//! has timestamps: a scrape is of now.

use std::fmt::Write as _;

use crate::metrics::family::{Family, Kind};

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// Text that grows.
#[derive(Debug)]
pub struct Page {
    format: Format,
    /// So far.
    pub text: String,
}

impl Page {
    /// Nothing yet, with room for `bytes`.
    pub fn new(format: Format, bytes: usize) -> Self {
        Self { format, text: String::with_capacity(bytes) }
    }

    /// Begins a family. All of its samples have to follow.
    pub fn begin(&mut self, family: &Family) {
        let Family { name, kind, help } = family;
        let (suffix, kind) = match (self.format, kind) {
            (_, Kind::Gauge) => ("", "gauge"),
            (Format::Text, Kind::Info) => ("", "gauge"),
            (Format::Text, Kind::Counter) => ("", "counter"),
            (Format::OpenMetrics, Kind::Info) => ("_info", "info"),
            (Format::OpenMetrics, Kind::Counter) => ("_total", "counter"),
        };
        let name = name.strip_suffix(suffix).unwrap_or(name);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample. `labels` are as [`label`] writes them, and the board's name comes before them where there is one.
    pub fn sample(&mut self, family: &Family, instance: Option<&str>, labels: &str, value: f64) {
        let text = &mut self.text;
        text.push_str(family.name);
        if instance.is_some() || !labels.is_empty() {
            text.push('{');
            if let Some(instance) = instance {
                text.push_str("instance=\"");
                escape(text, instance);
                text.push_str(if labels.is_empty() { "\"" } else { "\"," });
            }
            text.push_str(labels);
            text.push('}');
        }
        let _ = match value.fract() == 0.0 && value.abs() < 1e15 {
            true => writeln!(text, " {value}"),
            // With an exponent where it would be long.
            false => writeln!(text, " {value:?}"),
        };
    }

    /// Writes what comes last.
    pub fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
    }
}

/// Adds a label.
pub fn label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    escape(labels, value);
    labels.push('"');
}

/// The name of a label for a name that somebody chose: other characters than letters, digits and `_` become `_`.
pub fn label_name(prefix: &str, name: &str) -> String {
    let fitting = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    prefix.chars().chain(name.chars().map(fitting)).collect()
}

fn escape(text: &mut String, value: &str) {
    let mut rest = value;
    while let Some(place) = rest.find(['\\', '"', '\n', '\0']) {
        let (plain, special) = rest.split_at(place);
        text.push_str(plain);
        text.push_str(match special.as_bytes().first() {
            Some(b'\\') => "\\\\",
            Some(b'"') => "\\\"",
            Some(b'\n') => "\\n",
            // NUL: readers of metrics do not take it.
            _ => "\u{fffd}",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Family = Family::counter("seen_total", "Seen.");

    fn page(format: Format) -> String {
        let mut page = Page::new(format, 0);
        page.begin(&SEEN);
        let mut labels = String::new();
        label(&mut labels, "a", "x\\\"\n\0ü");
        page.sample(&SEEN, None, "", 1e20);
        page.sample(&SEEN, Some("pi"), "", 0.1);
        page.sample(&SEEN, Some("p\"i"), &labels, 3.0);
        page.begin(&Family::info("board_info", "Board."));
        page.end();
        page.text
    }

    #[test]
    fn names_of_families_and_the_end_depend_on_the_format() {
        assert_eq!(
            page(Format::Text),
            "# HELP seen_total Seen.\n# TYPE seen_total counter\nseen_total 1e20\nseen_total{instance=\"pi\"} 0.1\n\
             seen_total{instance=\"p\\\"i\",a=\"x\\\\\\\"\\n\u{fffd}ü\"} 3\n# HELP board_info Board.\n# TYPE board_info gauge\n"
        );
        assert_eq!(
            page(Format::OpenMetrics),
            "# HELP seen Seen.\n# TYPE seen counter\nseen_total 1e20\nseen_total{instance=\"pi\"} 0.1\n\
             seen_total{instance=\"p\\\"i\",a=\"x\\\\\\\"\\n\u{fffd}ü\"} 3\n# HELP board Board.\n# TYPE board info\n# EOF\n"
        );
    }

    #[test]
    fn a_label_has_a_name_that_is_valid_whatever_was_chosen() {
        assert_eq!(label_name("tag_", "Büro-1 \"x\"\n"), "tag_B_ro_1__x__");
    }
}
