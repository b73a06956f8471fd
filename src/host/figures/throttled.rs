//! `throttled`: which limits hold a Raspberry Pi back.
//!
//! Each bit is that of the first source that has it: the firmware's driver (4.14 and later, not on
//! a Pi 5), which has all; the chip `rpi_volt`, which has under-voltage; the firmware itself.

use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::numbered::CHIPS;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source, read_at};
use crate::machine::sys;
use psistats_core::bytes::Short;
use psistats_core::kernel::throttled::{KNOWN, UNDER_VOLTAGE, parse, parse_alarm};
use psistats_core::report::{Throttled as Bits, json_of};

#[derive(Debug)]
pub struct Throttled {
    driver: Source,
    alarm: Result<File, Errno>,
    mailbox: Result<File, Errno>,
    bits: Bits,
    /// What became of each source that was asked, in that order.
    asked: [Result<(), ReadError>; 3],
}

impl Throttled {
    /// Opens what there is.
    pub fn open(root: &Root, _: &Options) -> Self {
        Self::find(root)
    }

    fn find(root: &Root) -> Self {
        let driver = Source::open(root, "sys/devices/platform/soc/soc:firmware/get_throttled");
        Self {
            driver,
            alarm: alarm(root),
            mailbox: root.file(sys::MAILBOX),
            bits: Bits::default(),
            asked: [Ok(()); 3],
        }
    }

    /// What is read, in the order of `asked`.
    fn names(&self) -> [&str; 3] {
        [self.driver.name(), "sys/class/hwmon (rpi_volt)", sys::MAILBOX]
    }

    /// Adds the bits of `mask` that a source has.
    fn take(&mut self, mask: u32, bits: Result<u32, ReadError>) -> Result<(), ReadError> {
        self.bits.add(mask, bits?);
        Ok(())
    }

    fn alarm(&self, buf: &mut [u8]) -> Result<u32, ReadError> {
        let file = self.alarm.as_ref().map_err(|errno| *errno)?;
        let low = parse_alarm(read_at(file, buf, 0)?).ok_or(ReadError::Content)?;
        Ok(u32::from(low) * UNDER_VOLTAGE)
    }

    fn firmware(&self) -> Result<u32, ReadError> {
        let device = self.mailbox.as_ref().map_err(|errno| *errno)?;
        sys::firmware_throttled(device)?.ok_or(ReadError::Content)
    }
}

impl Figure for Throttled {
    fn source(&self) -> &str {
        self.driver.name()
    }

    /// The first that answers; else each with its error, but for the last one's, which follows.
    fn place(&self, root: &Root) -> PathBuf {
        let mut failed = String::new();
        let [.., last] = self.names();
        for (name, asked) in self.names().into_iter().zip(self.asked) {
            match asked {
                Err(failure) if name != last => {
                    let _ = write!(failed, "{}: {failure}, ", root.path(name).display());
                }
                Err(_) => {
                    let _ = write!(failed, "{}", root.path(name).display());
                }
                Ok(()) => return root.path(name),
            }
        }
        failed.into()
    }

    fn reopen(&mut self, root: &Root) {
        *self = Self::find(root);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.bits = Bits::default();
        let driver =
            self.driver.read(snapshot.text, 0).and_then(|text| parse(text).ok_or(ReadError::Content));
        let driver = self.take(KNOWN, driver);
        if driver.is_ok() {
            self.asked = [Ok(()); 3];
            return Ok(());
        }
        let alarm = self.alarm(snapshot.text);
        let alarm = self.take(UNDER_VOLTAGE, alarm);
        let firmware = self.firmware();
        let firmware = self.take(KNOWN, firmware);
        self.asked = [driver, alarm, firmware];
        if self.bits.known == 0 { firmware } else { Ok(()) }
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.bits, buf)
    }
}

/// The under-voltage alarm of the chip `rpi_volt`.
fn alarm(root: &Root) -> Result<File, Errno> {
    let mut found = Err(Errno::ENOENT);
    CHIPS.each(root, &mut |number, name| {
        if name == "rpi_volt" {
            found = root.file(&CHIPS.file(number, "in0_lcrit_alarm"));
        }
    });
    found
}
