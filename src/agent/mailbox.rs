//! The Raspberry Pi's firmware mailbox: one `ioctl(2)` on `/dev/vcio`.
//!
//! The messages are in [`crate::sample::mailbox`].

// The only unsafe code of the project: nix has no safe form of an ioctl, since only its caller
// knows what the request writes, and where.
#![allow(unsafe_code)]

use std::ffi::c_char;
use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use crate::sample::Thousandths;
use crate::sample::mailbox::{self, Message};

/// The device under the root directory.
pub const NAME: &str = "dev/vcio";

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
pub fn temperature(device: &File) -> Result<Option<Thousandths>, Errno> {
    ask(device, mailbox::temperature()).map(|answer| mailbox::parse_temperature(&answer))
}

/// Asks the firmware for the bits of [`crate::sample::throttled`]. None where its answer is no answer.
///
/// # Errors
/// As [`temperature`].
pub fn throttled(device: &File) -> Result<Option<u32>, Errno> {
    ask(device, mailbox::throttled()).map(|answer| mailbox::parse_throttled(&answer))
}

fn ask(device: &File, mut message: Message) -> Result<Message, Errno> {
    // SAFETY: the descriptor is open while `device` is borrowed. The driver reads and writes as
    // many bytes as the message's first word says, and that is at most the size of `message`.
    unsafe { property(device.as_raw_fd(), &raw mut message) }?;
    Ok(message)
}
