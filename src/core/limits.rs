//! The capacities of what is measured and of what is sent, each with its unit and its reason.
//!
//! Fixed memory means that each buffer has a size that somebody chose. Some of these are built in (a short string of
//! AMQP, the addresses of a report); the others are sizes that work, for callers to give to buffers of their own:
//! [`AMQP_RECV`] and [`AMQP_SEND`], [`ZMTP_RECV`] and [`ZMTP_SEND`], [`REPORT`], [`KERNEL_FILE`] and so on.

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

/// Bytes of the largest frame that we offer to receive or send (Tune-Ok). RabbitMQ 4.1 and later
/// refuse less than 8192.
pub const AMQP_FRAME: u32 = 131_072;

/// Bytes of any kernel file that is read whole (`/proc/meminfo` is about 1.5 KB; the lines that
/// are wanted of longer files come first).
pub const KERNEL_FILE: usize = 8192;

/// Bytes read of `/proc/stat`: its first line holds at most 218 (`cpu` and ten numbers of 64 bits).
pub const CPU_LINE: usize = 256;

/// Bytes read of `/proc/stat` for a line of each core, a [`KERNEL_FILE`] at a time: room for thousands.
pub const CPU_LINES: u64 = 256 * 1024;

/// Bytes read of `/proc/cpuinfo`, a [`KERNEL_FILE`] at a time: up to 1.5 KB for each core, the board last.
pub const CPUINFO: u64 = 1024 * 1024;

/// Cores that a report has figures of, up to 9 bytes each. Boards have 1 to 8, servers of ARM 128.
pub const CORES: usize = 128;

/// Bytes read of a file that holds one name or number (`uptime`, `temp`, `type`, `hostname`), and of a
/// name in a report.
pub const KERNEL_VALUE: usize = 128;

/// Bytes received from a master node and not yet looked at. The longest subscription or command.
pub const ZMTP_RECV: usize = 2048;

/// Bytes waiting for a master node, which are the high-water mark: two of the largest messages, some twenty of a
/// board's.
pub const ZMTP_SEND: usize = 2 * CHASAR_MESSAGE;

/// Fewest bytes of that: one of the largest messages with its topic, and room for a PONG.
pub const ZMTP_SEND_MIN: usize = CHASAR_MESSAGE + 512;

/// Bytes of the name of a network interface (`IFNAMSIZ` is 16, its end with it).
pub const INTERFACE_NAME: usize = 15;

/// Processes that a chasar client node keeps account of: a board has 100 to 200.
pub const PROCESSES: usize = 1024;

/// Bytes of a chasar message: a process takes about 100.
pub const CHASAR_MESSAGE: usize = 128 * 1024;

/// Bytes of a program's name: the kernel's have 15, whole ones of files up to 255, of which few are
/// longer than this.
pub const PROCESS_NAME: usize = 128;

/// Bytes of the path of a kernel file under the root (`sys/class/hwmon/hwmon255/temp1_input`).
pub const KERNEL_PATH: usize = 64;

/// Bytes read of `/proc/zoneinfo` in all, a [`KERNEL_FILE`] at a time: a zone takes about 1.5 KB,
/// and 0.1 KB for each core.
pub const ZONEINFO: u64 = 256 * 1024;

/// Temperature sensors that are kept open, best first. Most boards have one or two of the CPU.
pub const SENSORS: usize = 8;

/// Bytes of a sensor's name: Linux's `THERMAL_NAME_LENGTH` is 20, chips of hwmon have up to 32.
pub const SENSOR_LABEL: usize = 32;

/// Sensors and fans in a report: a board has ten, a server with 32 cores 40.
pub const LISTED_SENSORS: usize = 64;

/// Bytes of a chip's name: a [`SENSOR_LABEL`], and where it is (`-scsi-10-100`).
pub const CHIP_NAME: usize = SENSOR_LABEL + 16;

/// Numbers tried in `thermal_zoneN` and `hwmonN`.
pub const SENSOR_NUMBERS: u32 = 256;

/// Missing numbers in a row that end the search for sensors: a driver that was unloaded leaves a
/// hole, not a desert, and so do cores that are counted by fours.
pub const SENSOR_GAP: u32 = 8;

/// Mount points in `disk` and `hddspace`: a board has two to four, and each takes up to 100 bytes of a
/// report beside its name.
pub const MOUNTS: usize = 16;

/// Bytes of a mount point. The longest usual ones are `/media/USER/LABEL` of desktops.
pub const MOUNT_POINT: usize = 128;

/// Bytes of the name of a file system's type that are shown (`fuse.gvfsd-fuse`).
pub const FILE_SYSTEM: usize = 24;

/// Bytes read of `/proc/self/mountinfo` in all, a [`KERNEL_FILE`] at a time: a mount takes 100 to 200,
/// one of a container up to 4,500.
pub const MOUNTINFO: u64 = 1024 * 1024;

/// Bytes read of `/etc/fstab` in all, a [`KERNEL_FILE`] at a time: a line takes about 100.
pub const FSTAB: u64 = 64 * 1024;

/// Disks in `diskio`, network interfaces in `net`: a board has two or three, a router or a host of
/// containers some thirty interfaces. Each takes up to 75 bytes of a report.
pub const COUNTED: usize = 32;

/// Bytes of the name of such a thing: Linux's `DISK_NAME_LEN` is 32, `IFNAMSIZ` 16.
pub const COUNTED_NAME: usize = 32;

/// Bytes read of `/proc/diskstats` or `/proc/net/dev` in all, a [`KERNEL_FILE`] at a time: each of the
/// devices, of which hosts have hundreds, takes about 100.
pub const COUNTERS: u64 = 256 * 1024;

/// Interfaces in `wifi`: a board has one or two radios, which may have a few virtual interfaces each.
pub const WIFI: usize = 8;

/// Bytes of a card's name or type: the register has room for 7 of the name, the type is 7 (`SDcombo`).
pub const CARD_TEXT: usize = 16;

/// Drives in `hddtemp`, up to 45 bytes each.
pub const DRIVES: usize = 16;

/// Fixed texts in a report that tell boards apart, together up to 1.3 KB of it.
pub const TAGS: usize = 8;
/// Bytes of the name of such a text, and of an external value.
pub const TAG_NAME: usize = 32;
/// Bytes of such a text.
pub const TAG: usize = 64;

/// Values in a report that other programs supply.
pub const EXTERNALS: usize = 8;
/// Bytes of such a value.
pub const EXTERNAL: usize = 512;

/// Datagrams of one address dump. Each holds some 90 addresses, so that [`ADDRESSES`] come in one;
/// the rest is room for what an abandoned dump left behind.
pub const ADDRESS_DATAGRAMS: usize = 64;

/// Bytes of an [outbox](crate::outbox): about ten minutes of reports of a second.
pub const BACKLOG_DEFAULT: usize = 131_072;

/// Fewest bytes of an outbox: it must hold the largest report.
pub const BACKLOG_MIN: usize = 8192;

/// Most bytes of an outbox: more than this is a board's whole memory.
pub const BACKLOG_MAX: usize = 64 * 1024 * 1024;
