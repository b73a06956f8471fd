//! `/proc/meminfo`: how much memory there is, and how much of it could be had.

use crate::kernel::{decimal, lines, words};

/// What is wanted of `/proc/meminfo`, in bytes, each at most 2^60.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meminfo {
    /// `MemTotal`
    pub total_bytes: u64,
    /// `MemFree`
    pub free_bytes: u64,
    /// `MemAvailable`: since 3.14. 0 counts as absent.
    pub available_bytes: Option<u64>,
    /// `Cached`; 0 where absent.
    pub cached_bytes: u64,
    /// What an estimate without `MemAvailable` needs: since 2.6.28.
    pub reclaimable: Option<Reclaimable>,
}

/// Memory that the kernel gives back under pressure, down to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reclaimable {
    /// `Active(file)` and `Inactive(file)`
    pub page_cache_bytes: u64,
    /// `SReclaimable`
    pub slab_bytes: u64,
}

/// An exbibyte: sums of a few of these stay within an `i64`.
const MAX_BYTES: u64 = 1 << 60;

impl Meminfo {
    /// Whether [`Meminfo::available`] is an estimate that is better with the low watermark.
    pub fn wants_low_watermark(&self) -> bool {
        self.available_bytes.is_none() && self.reclaimable.is_some()
    }

    /// Bytes that programs could have without swapping: `MemAvailable`, or psutil's estimate of it
    /// (`calculate_avail_vmem`, after kernel commit 34e431b0ae39), or free and cached.
    ///
    /// `low_watermark_bytes` is the sum over all zones, see [`crate::kernel::zoneinfo`].
    pub fn available(&self, low_watermark_bytes: Option<u64>) -> u64 {
        let bytes = |value: u64| value.min(MAX_BYTES).cast_signed();
        let available = match (self.available_bytes, self.reclaimable, low_watermark_bytes) {
            (Some(available), _, _) => bytes(available),
            (None, Some(reclaimable), Some(low)) => {
                let low = bytes(low);
                let kept = |value: i64| value - (value / 2).min(low);
                bytes(self.free_bytes) - low
                    + kept(bytes(reclaimable.page_cache_bytes))
                    + kept(bytes(reclaimable.slab_bytes))
            }
            _ => bytes(self.free_bytes) + bytes(self.cached_bytes),
        };
        // In a container either may be nonsense.
        let available = available.max(0).cast_unsigned();
        if available > self.total_bytes { self.free_bytes } else { available }
    }
}

/// Reads the lines `Name: value kB`. None where `MemTotal` or `MemFree` is missing, or a wanted
/// value is not a number.
pub fn parse(text: &[u8]) -> Option<Meminfo> {
    let [mut total, mut free, mut available, mut cached] = [None; 4];
    let [mut active_file, mut inactive_file, mut slab] = [None; 3];
    for line in lines(text) {
        let mut words = words(line);
        let field = match words.next() {
            Some(b"MemTotal:") => &mut total,
            Some(b"MemFree:") => &mut free,
            Some(b"MemAvailable:") => &mut available,
            Some(b"Cached:") => &mut cached,
            Some(b"Active(file):") => &mut active_file,
            Some(b"Inactive(file):") => &mut inactive_file,
            Some(b"SReclaimable:") => &mut slab,
            _ => continue,
        };
        *field = Some(kibibytes(words.next()?)?);
        // MemAvailable follows the other two: on a kernel that has it the rest is not looked at.
        if let (Some(_), Some(_), Some(1..)) = (total, free, available) {
            break;
        }
    }
    Some(Meminfo {
        total_bytes: total?,
        free_bytes: free?,
        available_bytes: available.filter(|bytes| *bytes > 0),
        cached_bytes: cached.unwrap_or(0),
        reclaimable: match (active_file, inactive_file, slab) {
            (Some(active), Some(inactive), Some(slab_bytes)) => {
                Some(Reclaimable { page_cache_bytes: active + inactive, slab_bytes })
            }
            _ => None,
        },
    })
}

/// Space on disks that memory is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// `SwapTotal`; 0 without any.
    pub total_bytes: u64,
    /// `SwapFree`
    pub free_bytes: u64,
}

/// Reads what `/proc/meminfo` says of swap. None where that is missing or no number.
pub fn swap(text: &[u8]) -> Option<Swap> {
    let field = |name: &[u8]| {
        let mut words =
            lines(text).map(words).find_map(|mut words| (words.next()? == name).then_some(words))?;
        kibibytes(words.next()?)
    };
    Some(Swap { total_bytes: field(b"SwapTotal:")?, free_bytes: field(b"SwapFree:")? })
}

/// Bytes in use without buffers and cache, as psutil counts them: all but what is free, `Buffers`, `Cached`
/// and `SReclaimable`; in containers where that is less than nothing, all but what is free. None where
/// `MemTotal` or `MemFree` is missing.
pub fn used_bytes(text: &[u8]) -> Option<u64> {
    let [mut total, mut free, mut cache] = [None, None, Some(0_u64)];
    for line in lines(text) {
        let mut words = words(line);
        let Some(name) = words.next() else { continue };
        let mut value = || kibibytes(words.next()?);
        match name {
            b"MemTotal:" => total = Some(value()?),
            b"MemFree:" => free = Some(value()?),
            b"Buffers:" | b"Cached:" | b"SReclaimable:" => cache = cache?.checked_add(value()?),
            _ => {}
        }
    }
    let without_free = total?.saturating_sub(free?);
    Some(without_free.checked_sub(cache?).unwrap_or(without_free))
}

/// A number of KiB, in bytes.
fn kibibytes(word: &[u8]) -> Option<u64> {
    decimal(word)?.checked_mul(1024).filter(|bytes| *bytes <= MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEEZY: &[u8] = b"MemTotal:         990732 kB\nMemFree:          221132 kB\n\
        Buffers:           24384 kB\nCached:           337052 kB\nActive(file):      80372 kB\n\
        Inactive(file):   281004 kB\nSReclaimable:      13924 kB\n";

    #[test]
    fn available_is_what_the_kernel_says_where_it_says_it() {
        let text = b"MemTotal: 949328 kB\nMemFree: 49512 kB\nMemAvailable: 884628 kB\nCached: 1 kB\n";
        let meminfo = parse(text).unwrap();
        assert_eq!(meminfo.available(None), 884_628 * 1024);
        assert!(!meminfo.wants_low_watermark());
    }

    #[test]
    fn before_3_14_it_is_estimated_from_what_could_be_reclaimed() {
        let meminfo = parse(WHEEZY).unwrap();
        assert!(meminfo.wants_low_watermark());
        // Kernel 3.4.5, zones low at 870 and 311 pages: psutil gives the same bytes.
        assert_eq!(meminfo.available(Some((870 + 311) * 4096)), 596_234_240);
        assert_eq!(meminfo.available(None), (221_132 + 337_052) * 1024);
    }

    #[test]
    fn an_available_of_0_is_estimated_too() {
        let mut text = b"MemAvailable: 0 kB\n".to_vec();
        text.extend_from_slice(WHEEZY);
        assert_eq!(parse(&text), parse(WHEEZY));
    }

    #[test]
    fn available_stays_between_0_and_total() {
        let meminfo = parse(WHEEZY).unwrap();
        assert_eq!(meminfo.available(Some(u64::MAX)), 0);
        let container = parse(b"MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 900 kB\n").unwrap();
        assert_eq!(container.available(None), 40 * 1024);
    }

    #[test]
    fn a_wanted_field_that_is_no_number_or_missing_is_refused() {
        for text in [
            &b""[..],
            b"MemTotal: 100 kB\n",
            b"MemTotal: 100 kB\nMemFree:\n",
            b"MemTotal: 1e9 kB\nMemFree: 1 kB\n",
            b"MemTotal: 18014398509481985 kB\nMemFree: 1 kB\n",
        ] {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
    }
}
