//! Kernel text to counters: one file per source, each with a pure `parse`.
