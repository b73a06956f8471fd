//! Start, stop, restart, status: the pidfile and the daemon.
