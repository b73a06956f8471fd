//! What is not confirmed yet: a fixed ring of encoded reports.
