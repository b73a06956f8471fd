//! Every capacity of the program, with its unit and its reason.
//!
//! Fixed memory means that each buffer has a size that somebody chose; here they are all chosen.

/// Bytes of one encoded report. A report of the seed is about 120 bytes; the rest is room for
/// [`ADDRESSES`] addresses and the further figures of a board.
pub const REPORT: usize = 4096;

/// IPv4 addresses in one report. A board has two or three; a host of containers a few dozen.
pub const ADDRESSES: usize = 32;

/// Bytes of a host name: Linux's `HOST_NAME_MAX` is 64 (`gethostname(2)`).
pub const HOSTNAME: usize = 64;

/// Bytes of an AMQP short string (AMQP 0-9-1 §4.2.5.3): one length octet.
pub const SHORTSTR: usize = 255;

/// Bytes received from the broker and not yet looked at. Longer frames are read in pieces, so
/// that this bounds memory and not what a broker may say.
pub const AMQP_RECV: usize = 4096;

/// Bytes waiting for the socket. Holds at least one whole publish ([`REPORT`] and its envelope);
/// more of it lets one system call carry many publishes when a backlog is sent.
pub const AMQP_SEND: usize = 32 * 1024;

/// Bytes of the largest frame that we offer to receive or send (Tune-Ok). RabbitMQ 4.1 and later
/// refuse less than 8192.
pub const AMQP_FRAME: u32 = 131_072;

/// Bytes of any kernel file that is read whole (`/proc/meminfo` is about 1.5 KB; the lines that
/// are wanted of longer files come first).
pub const KERNEL_FILE: usize = 8192;

/// Bytes of the backlog ring unless `[backlog] bytes=` says otherwise: about ten minutes of
/// reports of a second.
pub const BACKLOG_DEFAULT: usize = 131_072;

/// Fewest bytes of the backlog ring: it must hold the largest report.
pub const BACKLOG_MIN: usize = 8192;

/// Most bytes of the backlog ring: more than this is a board's whole memory.
pub const BACKLOG_MAX: usize = 64 * 1024 * 1024;
