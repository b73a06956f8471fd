//! What is wrong with a file, where, and what to do about it.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// One error or warning. Shown as `FILE:LINE: text`; the text never holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// What was expected, what came, what to do.
    pub text: String,
}

impl Problem {
    /// A problem of one line.
    pub(super) fn at(file: &Path, line: usize, text: impl Into<String>) -> Self {
        Self { file: file.into(), line: Some(line), text: text.into() }
    }

    /// A problem of the whole file.
    pub(super) fn of(file: &Path, text: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.text)
    }
}

impl Error for Problem {}

/// Every error of a file, in the order of its lines; at least one. Shown one a line.
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
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}
