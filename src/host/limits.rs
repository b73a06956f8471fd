//! The capacities of what is read of a machine and of its configuration, each with its unit and its reason. Those of
//! what is sent are in [`psistats_core::limits`].

/// Bytes read of `/proc/stat`: its first line holds at most 218 (`cpu` and ten numbers of 64 bits).
pub const CPU_LINE: usize = 256;

/// Bytes read of `/proc/stat` for a line of each core, a `KERNEL_FILE` at a time: room for thousands.
pub const CPU_LINES: u64 = 256 * 1024;

/// Bytes read of `/proc/cpuinfo`, a `KERNEL_FILE` at a time: up to 1.5 KB for each core, the board last.
pub const CPUINFO: u64 = 1024 * 1024;

/// Cores that a report has figures of, up to 9 bytes each. Boards have 1 to 8, servers of ARM 128.
pub const CORES: usize = 128;

/// Bytes read of a file that holds one name or number (`uptime`, `temp`, `type`, `hostname`), and of a
/// name in a report.
pub const KERNEL_VALUE: usize = 128;

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

/// Bytes read of `/proc/zoneinfo` in all, a `KERNEL_FILE` at a time: a zone takes about 1.5 KB,
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

/// Bytes read of `/proc/self/mountinfo` in all, a `KERNEL_FILE` at a time: a mount takes 100 to 200,
/// one of a container up to 4,500.
pub const MOUNTINFO: u64 = 1024 * 1024;

/// Bytes read of `/etc/fstab` in all, a `KERNEL_FILE` at a time: a line takes about 100.
pub const FSTAB: u64 = 64 * 1024;

/// Bytes read of `/proc/diskstats` or `/proc/net/dev` in all, a `KERNEL_FILE` at a time: each of the
/// devices, of which hosts have hundreds, takes about 100.
pub const COUNTERS: u64 = 256 * 1024;

/// Interfaces in `wifi`: a board has one or two radios, which may have a few virtual interfaces each.
pub const WIFI: usize = 8;

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

/// Datagrams of one address dump. Each holds some 90 addresses, so that `ADDRESSES` come in one;
/// the rest is room for what an abandoned dump left behind.
pub const ADDRESS_DATAGRAMS: usize = 64;

/// Bytes of an outbox: about ten minutes of reports of a second.
pub const BACKLOG_DEFAULT: usize = 131_072;

/// Fewest bytes of an outbox: it must hold the largest report.
pub const BACKLOG_MIN: usize = 8192;

/// Most bytes of an outbox: more than this is a board's whole memory.
pub const BACKLOG_MAX: usize = 64 * 1024 * 1024;
