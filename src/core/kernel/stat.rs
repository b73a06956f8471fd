//! `/proc/stat`: what the processors have spent their time on, and since when.

use core::ops::ControlFlow;

use crate::kernel::{decimal, lines, words};

/// A line of `/proc/stat`, of one processor or of all, in clock ticks (1/100 s on every architecture) since the start.
///
/// The line goes on with `guest` and `guest_nice`. The kernel has counted these in `user` and
/// `nice` too, so psutil subtracts them from its sum again; here they are not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user mode.
    pub user: u64,
    /// In user mode at low priority.
    pub nice: u64,
    /// In the kernel.
    pub system: u64,
    /// Without work.
    pub idle: u64,
    /// Without work while a disk had some.
    pub iowait: u64,
    /// Serving interrupts.
    pub irq: u64,
    /// Serving soft interrupts.
    pub softirq: u64,
    /// Taken by the hypervisor. Since 2.6.11.
    pub steal: u64,
}

impl CpuTimes {
    /// All ticks.
    pub fn total(&self) -> u64 {
        self.busy().saturating_add(self.idle).saturating_add(self.iowait)
    }

    /// Ticks with work.
    pub fn busy(&self) -> u64 {
        [self.nice, self.system, self.irq, self.softirq, self.steal]
            .iter()
            .fold(self.user, |sum, ticks| sum.saturating_add(*ticks))
    }

    /// Ticks since `earlier`; a counter that went backwards (`idle` does) has spent none.
    pub fn since(&self, earlier: &CpuTimes) -> CpuTimes {
        CpuTimes {
            user: self.user.saturating_sub(earlier.user),
            nice: self.nice.saturating_sub(earlier.nice),
            system: self.system.saturating_sub(earlier.system),
            idle: self.idle.saturating_sub(earlier.idle),
            iowait: self.iowait.saturating_sub(earlier.iowait),
            irq: self.irq.saturating_sub(earlier.irq),
            softirq: self.softirq.saturating_sub(earlier.softirq),
            steal: self.steal.saturating_sub(earlier.steal),
        }
    }
}

/// Reads the line of all processors, which is the first. The rest of `text` may be missing.
pub fn parse(text: &[u8]) -> Option<CpuTimes> {
    let mut words = words(lines(text).next()?);
    if words.next()? != b"cpu" {
        return None;
    }
    times(words)
}

/// Gives `each` the number and the times of every processor, of which those that are online have a
/// line `cpuN`. Breaks at the first line of another kind: these come first.
pub fn each_core(text: &[u8], mut each: impl FnMut(usize, CpuTimes)) -> ControlFlow<()> {
    for line in lines(text).filter(|line| !line.is_empty()) {
        let mut words = words(line);
        let Some(number) = words.next().and_then(|word| word.strip_prefix(b"cpu")) else {
            return ControlFlow::Break(());
        };
        let number = decimal(number).and_then(|number| usize::try_from(number).ok());
        if let (Some(number), Some(times)) = (number, times(words)) {
            each(number, times);
        }
    }
    ControlFlow::Continue(())
}

/// Reads Unix seconds of the start from the line `btime`, where `text` has it. It is the same at each read,
/// but moves with the clock when that is set; None for 0, which boards without a clock have said.
pub fn boot_time(text: &[u8]) -> Option<u64> {
    let seconds = lines(text).find_map(|line| line.strip_prefix(b"btime "))?;
    decimal(seconds.trim_ascii()).filter(|seconds| *seconds > 0)
}

/// Reads what follows the name.
fn times<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<CpuTimes> {
    let mut ticks = [0; 8];
    let mut fields = 0;
    for (field, word) in ticks.iter_mut().zip(words) {
        *field = decimal(word)?;
        fields += 1;
    }
    // Every kernel has had these four; without idle there is no percentage.
    if fields < 4 {
        return None;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = ticks;
    Some(CpuTimes { user, nice, system, idle, iowait, irq, softirq, steal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_kernel_2_6_16_has_no_steal_that_counts_as_0() {
        let text = b"cpu  96 0 2629 14389 0 102 1007 0\ncpu0 96 0 2629 14389 0 102 1007 0\n";
        let times = parse(text).unwrap();
        assert_eq!((times.user, times.idle, times.softirq, times.steal), (96, 14389, 1007, 0));
        assert_eq!(times.busy(), 96 + 2629 + 102 + 1007);
        assert_eq!(times.total(), times.busy() + 14389);
        assert_eq!(
            parse(b"cpu 1 2 3 4"),
            Some(CpuTimes { user: 1, nice: 2, system: 3, idle: 4, ..times_0() })
        );
    }

    #[test]
    fn guest_time_is_part_of_user_time_and_not_counted_twice() {
        let text = b"cpu  100 20 30 400 50 6 7 8 90 15\n";
        assert_eq!(parse(text).unwrap().total(), 100 + 20 + 30 + 400 + 50 + 6 + 7 + 8);
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        let refused: [&[u8]; 7] = [
            b"",
            b"\n",
            b"cpu0 1 2 3 4 5 6 7 8 9 10\n",
            b"cpu  1 2 3\n",
            b"cpu  1 2 3 -4 5\n",
            b"cpu  1 2 3 18446744073709551616 5\n",
            b"intr 1 2 3 4\ncpu  1 2 3 4\n",
        ];
        for text in refused {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn cores_have_their_numbers_and_end_where_another_line_begins() {
        let text = b"cpu  9 9 9 9\ncpu0 1 2 3 4\ncpu2 5 6 7 8\ncpu3 1 2 3 x\ncpux 1 2 3 4\n";
        let mut cores = Vec::new();
        let flow = each_core(text, |number, times| cores.push((number, times.user, times.idle)));
        assert_eq!((flow, &cores[..]), (ControlFlow::Continue(()), &[(0, 1, 4), (2, 5, 8)][..]));
        let flow = each_core(b"cpu1 1 2 3 4\nintr 7\ncpu2 5 6 7 8\n", |number, _| assert_eq!(number, 1));
        assert_eq!(flow, ControlFlow::Break(()));
    }

    #[test]
    fn the_start_is_the_line_btime_wherever_it_is_and_0_is_none() {
        let text = b"cpu  1 2 3 4\nintr 4711 0 0\nctxt 1\nbtime 1795879592\nprocesses 7\n";
        assert_eq!(boot_time(text), Some(1_795_879_592));
        for none in [&b""[..], b"btime 0\n", b"xbtime 7\n", b"btime x\n", b"btime\n"] {
            assert_eq!(boot_time(none), None);
        }
    }

    #[test]
    fn sums_of_the_largest_counters_do_not_overflow() {
        let max = "18446744073709551615 ";
        let text = std::format!("cpu  {}", max.repeat(10));
        assert_eq!(parse(text.as_bytes()).unwrap().total(), u64::MAX);
    }

    fn times_0() -> CpuTimes {
        CpuTimes::default()
    }
}
