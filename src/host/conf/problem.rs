//! What is wrong with a file, where, and what to do about it.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file is not used.
    Error,
    /// The file is used; it may mean something else than was meant.
    Warning,
    /// What could not be checked here.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// One error, warning or note. Shown as `FILE:LINE: text`, and with `{:#}` as `FILE:LINE: warning: text` where
/// it is no error; the text never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it matters.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// What was expected, what came, what to do.
    pub text: String,
}

impl Problem {
    /// An error of one line.
    pub fn at(file: &Path, line: usize, text: impl Into<String>) -> Self {
        Self { line: Some(line), ..Self::of(file, text) }
    }

    /// An error of the whole file.
    pub fn of(file: &Path, text: impl Into<String>) -> Self {
        Self { severity: Severity::Error, file: file.into(), line: None, text: text.into() }
    }

    /// The same, and no error.
    pub fn but(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if f.alternate() && self.severity != Severity::Error {
            write!(f, " {}:", self.severity)?;
        }
        write!(f, " {}", self.text)
    }
}

impl Error for Problem {}

/// Every error of a file, at least one, and then its warnings; either in the order of their lines. Shown one a
/// line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl From<Problem> for Problems {
    fn from(only: Problem) -> Self {
        Self(Vec::from([only]))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem:#}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// How many of them are of a severity, in words: `2 errors`.
pub fn count(problems: &[Problem], severity: Severity) -> String {
    let count = problems.iter().filter(|problem| problem.severity == severity).count();
    format!("{count} {severity}{}", if count == 1 { "" } else { "s" })
}
