//! An allocator that counts for the threads that asked for it.

#![allow(unsafe_code)] // GlobalAlloc is an unsafe trait: only an allocator sees every allocation

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Allocations of a thread.
#[derive(Clone, Copy)]
pub struct Counted(&'static AtomicU64);

impl Default for Counted {
    fn default() -> Self {
        Self(Box::leak(Box::default()))
    }
}

impl Counted {
    /// Counts those of this thread from here on.
    pub fn begin(self) {
        COUNTER.set(Some(self.0));
    }

    /// How many there were.
    pub fn so_far(self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// How many `work` makes.
    pub fn over(work: impl FnOnce()) -> u64 {
        let counted = Self::default();
        counted.begin();
        work();
        COUNTER.set(None);
        counted.so_far()
    }
}

/// The system's allocator.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static COUNTER: Cell<Option<&'static AtomicU64>> = const { Cell::new(None) };
}

fn count() {
    if let Ok(Some(counter)) = COUNTER.try_with(Cell::get) {
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

// SAFETY: each call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
