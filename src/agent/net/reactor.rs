//! An epoll loop for one thread: descriptors, deadlines, and the future that waits for them.
//!
//! smol's own reactor would be a second thread, and allocates at every wait. This one allocates
//! when it is made and never again: one slot a descriptor, one slot a deadline. `epoll_wait`'s
//! timeout serves as the timer, so that a tick costs no system call of its own; it counts in
//! milliseconds and is rounded up.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::time::{ClockId, clock_gettime};

use psistats_core::time::Instant;

/// Descriptors at once: the signals, who asks for the status, the bells of a reload and of the spool, and for broker and master node the resolver's bell, one socket, and
/// one more while that one is replaced.
const DESCRIPTORS: usize = 12;

/// Deadlines at once: the sampling, the two connections, the status, the stop, the spool, and room for as many again.
const TIMERS: usize = 12;

/// Longest wait, after which the deadlines are looked at again: a day. `epoll_wait` counts
/// milliseconds in an i32.
const LONGEST_WAIT_MS: u64 = 86_400_000;

/// Polls of a future that wakes itself, before descriptors and deadlines have their turn.
const POLLS_IN_A_ROW: u32 = 4;

/// What epoll has told of one descriptor, and who wants to hear of it.
#[derive(Default)]
struct Slot {
    used: bool,
    readable: bool,
    writable: bool,
    /// The peer has ended its side or the connection failed: reading tells, and goes on telling.
    hung_up: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Default)]
struct TimerSlot {
    used: bool,
    at: Option<Instant>,
    waker: Option<Waker>,
}

/// The loop: descriptors, deadlines, and the time at which the last wait ended.
pub struct Reactor {
    epoll: Epoll,
    slots: RefCell<[Slot; DESCRIPTORS]>,
    timers: RefCell<[TimerSlot; TIMERS]>,
    now: Cell<Instant>,
    rest: Cell<Duration>,
}

impl Reactor {
    /// A loop without descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            slots: RefCell::default(),
            timers: RefCell::default(),
            now: Cell::new(monotonic()?),
            rest: Cell::new(Duration::ZERO),
        })
    }

    /// The monotonic time at which the last wait ended.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Lets the next wait be deaf to descriptors, though not to deadlines, for the first `rest` of
    /// it: where many small things happen that can be looked at together, every one of them would
    /// cost a context switch.
    pub fn rest(&self, rest: Duration) {
        self.rest.set(rest);
    }

    /// Watches a non-blocking descriptor until the [`AsyncFd`] is dropped.
    pub fn watch<T: AsFd>(&self, inner: T) -> io::Result<AsyncFd<'_, T>> {
        let index = self.add(inner.as_fd())?;
        Ok(AsyncFd { reactor: self, index, inner })
    }

    fn add(&self, descriptor: BorrowedFd<'_>) -> io::Result<usize> {
        let mut slots = self.slots.borrow_mut();
        let free = slots.iter_mut().enumerate().find(|(_, slot)| !slot.used);
        let (index, slot) =
            free.ok_or_else(|| io::Error::other("more descriptors than the reactor has slots for"))?;
        // Edge-triggered: said once, remembered in the slot until a read or write would block.
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLET;
        self.epoll.add(descriptor, EpollEvent::new(flags, index as u64))?;
        *slot = Slot { used: true, ..Slot::default() };
        Ok(index)
    }

    fn note_read(&self, index: usize, room: usize, result: &io::Result<usize>) {
        if let Some(slot) = self.slots.borrow_mut().get_mut(index) {
            // One that has hung up goes on telling.
            let drained = is_over(result, room) && !(slot.hung_up && result.is_ok());
            slot.readable &= !drained;
        }
    }

    /// A deadline's slot.
    pub fn timer(&self) -> io::Result<Timer<'_>> {
        let mut timers = self.timers.borrow_mut();
        let free = timers.iter_mut().enumerate().find(|(_, slot)| !slot.used);
        let (index, slot) =
            free.ok_or_else(|| io::Error::other("more deadlines than the reactor has slots for"))?;
        *slot = TimerSlot { used: true, ..TimerSlot::default() };
        Ok(Timer { reactor: self, index })
    }

    /// Drives `future` to its end, waiting in `epoll_wait` whenever nothing can go on.
    pub fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        let mut future = pin!(future);
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            // One part of the future tells another: that needs no look at the descriptors, unless
            // it goes on and on.
            for _ in 0..POLLS_IN_A_ROW {
                if !woken.0.swap(false, Ordering::Relaxed) {
                    break;
                }
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return Ok(output);
                }
            }
            self.wait(woken.0.load(Ordering::Relaxed))?;
        }
    }

    /// Waits for descriptors and deadlines, not at all where `busy`, and wakes who waits for them.
    fn wait(&self, busy: bool) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); DESCRIPTORS];
        let rest = self.rest.take();
        if !busy && !rest.is_zero() {
            thread::sleep(self.until_next().map_or(rest, |next| rest.min(next)));
        }
        let timeout = if busy { EpollTimeout::ZERO } else { self.timeout() };
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            // A stop and continue (SIGSTOP, SIGCONT) or a debugger interrupts the wait.
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.now.set(monotonic()?);
        let mut slots = self.slots.borrow_mut();
        for event in events.iter().take(count) {
            let index = usize::try_from(event.data()).unwrap_or(DESCRIPTORS);
            if let Some(slot) = slots.get_mut(index) {
                slot.notice(event.events());
            }
        }
        for timer in self.timers.borrow_mut().iter_mut() {
            if timer.at.is_some_and(|at| at <= self.now.get())
                && let Some(waker) = timer.waker.take()
            {
                waker.wake();
            }
        }
        Ok(())
    }

    /// Until the next deadline, if there is one. The time that has passed since the last wait was
    /// spent on work, and counts.
    fn until_next(&self) -> Option<Duration> {
        let timers = self.timers.borrow();
        let next = timers.iter().filter(|t| t.waker.is_some()).filter_map(|t| t.at).min()?;
        Some(next.since(monotonic().unwrap_or(self.now.get())))
    }

    /// The same for epoll, rounded up, so that the deadline has passed when the wait ends.
    fn timeout(&self) -> EpollTimeout {
        let Some(wait) = self.until_next() else { return EpollTimeout::NONE };
        // In 64 bits: to divide in 128 takes 1 KB.
        let below_a_second = u64::from(wait.subsec_nanos().div_ceil(1_000_000));
        let ms = wait.as_secs().saturating_mul(1000).saturating_add(below_a_second);
        EpollTimeout::try_from(ms.min(LONGEST_WAIT_MS)).unwrap_or(EpollTimeout::ZERO)
    }
}

impl Slot {
    fn notice(&mut self, events: EpollFlags) {
        let over = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        self.hung_up |= events.intersects(over);
        self.readable |= events.intersects(EpollFlags::EPOLLIN | over);
        self.writable |=
            events.intersects(EpollFlags::EPOLLOUT | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        if self.readable
            && let Some(waker) = self.reader.take()
        {
            waker.wake();
        }
        if self.writable
            && let Some(waker) = self.writer.take()
        {
            waker.wake();
        }
    }
}

/// The future wants to be polled again. Set from this thread only: other threads ring a descriptor.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A descriptor that the reactor watches.
pub struct AsyncFd<'r, T: AsFd> {
    reactor: &'r Reactor,
    index: usize,
    inner: T,
}

impl<T: AsFd> AsyncFd<'_, T> {
    /// The descriptor's owner.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Ready while a read may have something to tell; otherwise the task is woken when it does.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        self.with_slot(|slot| poll_flag(slot.readable, &mut slot.reader, cx)).unwrap_or(Poll::Pending)
    }

    /// Ready while a write may be taken; otherwise the task is woken when it is.
    pub fn poll_writable(&self, cx: &Context<'_>) -> Poll<()> {
        self.with_slot(|slot| poll_flag(slot.writable, &mut slot.writer, cx)).unwrap_or(Poll::Pending)
    }

    /// Whether a read may have something to tell.
    pub fn is_readable(&self) -> bool {
        self.with_slot(|slot| slot.readable).unwrap_or(false)
    }

    /// Whether a write may be taken.
    pub fn is_writable(&self) -> bool {
        self.with_slot(|slot| slot.writable).unwrap_or(false)
    }

    /// Waits until a write may be taken: a connect has ended, one way or the other.
    pub async fn writable(&self) {
        poll_fn(|cx| self.poll_writable(cx)).await;
    }

    /// Waits until a read may have something to tell.
    pub async fn readable(&self) {
        poll_fn(|cx| self.poll_readable(cx)).await;
    }

    /// Reads once. A read that gets less than it has room for has got everything (epoll(7)), so
    /// that no further one is needed to learn that.
    pub fn read(
        &self,
        buf: &mut [u8],
        read: impl FnOnce(&T, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let room = buf.len();
        let result = read(&self.inner, buf);
        self.reactor.note_read(self.index, room, &result);
        result
    }

    /// Writes once. A write that is taken in part fills the transport.
    pub fn write(&self, buf: &[u8], write: impl FnOnce(&T, &[u8]) -> io::Result<usize>) -> io::Result<usize> {
        let result = write(&self.inner, buf);
        self.with_slot(|slot| slot.writable &= !is_over(&result, buf.len()));
        result
    }

    fn with_slot<R>(&self, f: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        self.reactor.slots.borrow_mut().get_mut(self.index).map(f)
    }
}

impl<T: AsFd> Drop for AsyncFd<'_, T> {
    /// Gives the slot back, to which the descriptor, should somebody else own it too, has nothing to say then.
    fn drop(&mut self) {
        let _ = self.reactor.epoll.delete(&self.inner);
        self.with_slot(|slot| *slot = Slot::default());
    }
}

/// Whether a read or a write of `room` bytes has left nothing for another one.
fn is_over(result: &io::Result<usize>, room: usize) -> bool {
    match result {
        Ok(n) => *n < room,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

fn poll_flag(flag: bool, waker: &mut Option<Waker>, cx: &Context<'_>) -> Poll<()> {
    if flag {
        return Poll::Ready(());
    }
    keep(waker, cx);
    Poll::Pending
}

/// Remembers whom to wake, without touching the count of a waker that is the same.
fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *slot = Some(cx.waker().clone()),
    }
}

/// A deadline of one task.
pub struct Timer<'r> {
    reactor: &'r Reactor,
    index: usize,
}

impl Timer<'_> {
    /// Ready once `at` has come; `None` never comes. Asking again replaces the deadline.
    pub fn poll_at(&self, at: Option<Instant>, cx: &Context<'_>) -> Poll<()> {
        let due = at.is_some_and(|at| at <= self.reactor.now());
        if let Some(slot) = self.reactor.timers.borrow_mut().get_mut(self.index) {
            slot.at = at;
            if due {
                slot.waker = None;
            } else {
                keep(&mut slot.waker, cx);
            }
        }
        if due { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits until `at`.
    pub async fn until(&self, at: Instant) {
        poll_fn(|cx| self.poll_at(Some(at), cx)).await;
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.reactor.timers.borrow_mut().get_mut(self.index) {
            *slot = TimerSlot::default();
        }
    }
}

/// Tells another future of the same thread that something has changed.
#[derive(Default)]
pub struct Notify {
    set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Notify {
    /// Something has changed.
    pub fn notify(&self) {
        self.set.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Ready once something has changed since it was last ready.
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.set.replace(false) {
            return Poll::Ready(());
        }
        keep(&mut self.waker.borrow_mut(), cx);
        Poll::Pending
    }

    /// The same, where `relevant` says yes. What has changed and is of no relevance is forgotten.
    pub fn poll_if(&self, cx: &Context<'_>, relevant: impl Fn() -> bool) -> Poll<()> {
        while self.poll(cx).is_ready() {
            if relevant() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

/// Ready when either is. Both have been asked by then, so that both wake.
pub fn either(a: Poll<()>, b: Poll<()>) -> Poll<()> {
    if a.is_ready() { a } else { b }
}

fn monotonic() -> io::Result<Instant> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    Ok(Instant::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos)))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_deadline_has_passed_when_its_wait_ends() {
        let reactor = Reactor::new().unwrap();
        let timer = reactor.timer().unwrap();
        let at = reactor.now() + Duration::from_millis(20);
        reactor.block_on(timer.until(at)).unwrap();
        assert!(reactor.now() >= at);
    }

    #[test]
    fn the_last_bytes_and_the_end_are_both_read_though_they_come_at_once() {
        let reactor = Reactor::new().unwrap();
        let (mut peer, ours) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let source = reactor.watch(ours).unwrap();
        peer.write_all(b"last words").unwrap();
        drop(peer);
        let read = async {
            let mut all = Vec::new();
            loop {
                source.readable().await;
                let mut buf = [0; 64];
                match source.read(&mut buf, |mut s, b| s.read(b)) {
                    Ok(0) => return all,
                    Ok(n) => all.extend_from_slice(&buf[..n]),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        };
        assert_eq!(reactor.block_on(read).unwrap(), b"last words");
    }

    #[test]
    fn a_notification_before_the_wait_is_not_lost() {
        let reactor = Reactor::new().unwrap();
        let notify = Notify::default();
        notify.notify();
        reactor.block_on(poll_fn(|cx| notify.poll(cx))).unwrap();
    }

    #[test]
    fn who_gets_a_slot_hears_nothing_of_a_descriptor_that_had_it_and_lives_on() {
        let reactor = Reactor::new().unwrap();
        let (mut peer, first) = UnixStream::pair().unwrap();
        let first = Arc::new(first);
        drop(reactor.watch(first.clone()).unwrap());
        let (_silent, second) = UnixStream::pair().unwrap();
        let second = reactor.watch(second).unwrap();
        peer.write_all(b"late").unwrap();
        let timer = reactor.timer().unwrap();
        reactor.block_on(timer.until(reactor.now() + Duration::from_millis(1))).unwrap();
        assert!(!second.is_readable());
    }

    #[test]
    fn slots_come_back_when_their_owners_go() {
        let reactor = Reactor::new().unwrap();
        for _ in 0..10 * TIMERS {
            reactor.timer().unwrap();
            let (_peer, ours) = UnixStream::pair().unwrap();
            reactor.watch(ours).unwrap();
        }
    }
}
