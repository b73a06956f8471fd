//! The alerting rules and the dashboard.
