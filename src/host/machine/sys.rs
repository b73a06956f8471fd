//! What is asked of the system that is in no file: `sysconf(3)`, `adjtimex(2)`, and the Raspberry Pi's
//! firmware by its mailbox, which is one `ioctl(2)` on `/dev/vcio`.
//!
//! The messages to the firmware are in [`psistats_core::kernel::mailbox`].

// The only unsafe code of the project. nix has no safe form of an ioctl, since only its caller knows what the
// request writes, and where; nor has nix or rustix one of adjtimex.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_long, c_uint};
use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{SysconfVar, sysconf};

use psistats_core::kernel::Thousandths;
use psistats_core::kernel::clock::Clock;
use psistats_core::kernel::mailbox::{self, Message};

/// Bytes of a page of memory.
pub fn page_bytes() -> u64 {
    configured(SysconfVar::PAGE_SIZE).unwrap_or(4096)
}

/// Clock ticks a second, in which `/proc` counts processor time.
pub fn ticks_per_second() -> u64 {
    configured(SysconfVar::CLK_TCK).unwrap_or(100)
}

fn configured(what: SysconfVar) -> Option<u64> {
    sysconf(what).ok().flatten().and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0)
}

/// The head of `struct timex`. It goes on with what nobody here reads.
#[repr(C)]
struct Timex {
    modes: c_uint,
    offset: c_long,
    freq: c_long,
    maxerror: c_long,
    esterror: c_long,
    status: c_int,
    rest: [c_long; 40],
}

/// Asks the kernel for the state of the clock. It changes nothing, and needs no privilege.
///
/// By the system call: libc's function takes 1 KB, for the time in 64 bits, which is not wanted.
///
/// # Errors
/// As `adjtimex(2)`: `EPERM` in a sandbox that forbids it.
pub fn clock() -> Result<Clock, Errno> {
    let mut timex =
        Timex { modes: 0, offset: 0, freq: 0, maxerror: 0, esterror: 0, status: 0, rest: [0; 40] };
    // SAFETY: the kernel fills at most 208 bytes (128 on 32 bits) of this structure, which has more, while it is
    // borrowed. `modes` of 0 is a question.
    Errno::result(unsafe { libc::syscall(libc::SYS_adjtimex, &raw mut timex) })?;
    let Timex { status, maxerror, offset, .. } = timex;
    // On 32 bits they have fewer.
    #[allow(clippy::useless_conversion)]
    Ok(Clock::of(status, maxerror.into(), offset.into()))
}

/// The mailbox's device under the root directory.
pub const MAILBOX: &str = "dev/vcio";

// _IOWR(100, 0, char *): drivers/char/broadcom/vcio.c. The size in its number is a pointer's, the
// argument is the message itself.
nix::ioctl_readwrite_bad!(
    /// Sends a message to the firmware, which writes its answer over it.
    property,
    nix::request_code_readwrite!(100, 0, size_of::<*mut c_char>()),
    Message
);

/// Asks the firmware for the temperature, in degrees Celsius. None where its answer is no answer.
///
/// # Errors
/// As `ioctl(2)`: `ENOTTY` on a file that is not this device.
pub fn firmware_temperature(device: &File) -> Result<Option<Thousandths>, Errno> {
    ask(device, mailbox::temperature()).map(|answer| mailbox::parse_temperature(&answer))
}

/// Asks the firmware for the bits of [`psistats_core::kernel::throttled`]. None where its answer is no answer.
///
/// # Errors
/// As [`firmware_temperature`].
pub fn firmware_throttled(device: &File) -> Result<Option<u32>, Errno> {
    ask(device, mailbox::throttled()).map(|answer| mailbox::parse_throttled(&answer))
}

fn ask(device: &File, mut message: Message) -> Result<Message, Errno> {
    // SAFETY: the descriptor is open while `device` is borrowed. The driver reads and writes as
    // many bytes as the message's first word says, and that is at most the size of `message`.
    unsafe { property(device.as_raw_fd(), &raw mut message) }?;
    Ok(message)
}
