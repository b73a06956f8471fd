//! Python logging configuration at work behind the `log` facade.
