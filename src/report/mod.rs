//! Counters to figures to JSON.
