//! Random octets for keys: `getrandom(2)`, and `/dev/urandom` on kernels before 3.17.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `octets`, at most 256, without waiting.
///
/// # Errors
/// `WouldBlock` soon after boot, while the kernel knows nothing that is random enough; others of the system.
pub fn fill(octets: &mut [u8]) -> io::Result<()> {
    match getrandom(&mut *octets, GetRandomFlags::NONBLOCK) {
        Ok(filled) if filled == octets.len() => Ok(()),
        Ok(_) | Err(Errno::NOSYS) => File::open("/dev/urandom")?.read_exact(octets),
        Err(error) => Err(error.into()),
    }
}
