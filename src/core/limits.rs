//! The capacities of what is measured and of what is sent, each with its unit and its reason.
//!
//! Fixed memory means that each buffer has a size that somebody chose. Some of these are built in (a short string of
//! AMQP, the addresses of a report); the others are sizes that work, for callers to give to buffers of their own:
//! [`AMQP_RECV`] and [`AMQP_SEND`], [`ZMTP_RECV`], [`REPORT`], [`KERNEL_FILE`].

/// Bytes of one encoded report. One of the basic figures is about 120 bytes, one with every further
/// figure of a board about 2,000; the rest is room for [`ADDRESSES`] addresses and for what a server
/// has more of.
pub const REPORT: usize = 6144;

/// IPv4 addresses in one report, and likewise IPv6 addresses. A board has two or three; a host of containers a few dozen.
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

/// Bytes of the body of a message of several reports. The hub takes messages of 16 KiB, of which 2 KiB are left for
/// headers.
pub const AMQP_BATCH: usize = 14 * 1024;

/// Bytes of the largest frame that we offer to receive or send (Tune-Ok). RabbitMQ 4.1 and later
/// refuse less than 8192.
pub const AMQP_FRAME: u32 = 131_072;

/// Bytes of any kernel file that is read whole (`/proc/meminfo` is about 1.5 KB; the lines that
/// are wanted of longer files come first).
pub const KERNEL_FILE: usize = 8192;

/// Bytes received from a master node and not yet looked at. The longest subscription or command.
pub const ZMTP_RECV: usize = 2048;

/// Bytes of the name of a file system's type that are shown (`fuse.gvfsd-fuse`).
pub const FILE_SYSTEM: usize = 24;

/// Disks in `diskio`, network interfaces in `net`: a board has two or three, a router or a host of
/// containers some thirty interfaces. Each takes up to 75 bytes of a report.
pub const COUNTED: usize = 32;

/// Bytes of the name of such a thing: Linux's `DISK_NAME_LEN` is 32, `IFNAMSIZ` 16.
pub const COUNTED_NAME: usize = 32;

/// Bytes of a card's name or type: the register has room for 7 of the name, the type is 7 (`SDcombo`).
pub const CARD_TEXT: usize = 16;
