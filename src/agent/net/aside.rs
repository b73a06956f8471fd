//! Work that may have to wait for long, on a thread that lives only for it: sampling must not wait with it.
//!
//! There is no way to call it back: a thread that hangs in the kernel, in a file system whose server is gone, ends
//! with the program.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::net::reactor::{AsyncFd, Reactor};

/// Bytes of the thread's stack: musl's resolver keeps its packets there.
const STACK: usize = 256 * 1024;

/// A piece of work that is being done.
pub struct Aside<'r, T> {
    bell: AsyncFd<'r, Arc<EventFd>>,
    result: Arc<Mutex<Option<T>>>,
}

impl<'r, T: Send + 'static> Aside<'r, T> {
    /// Begins `work` on a thread called `name`.
    ///
    /// # Errors
    /// Where there is no thread or descriptor to be had.
    pub fn start(
        reactor: &'r Reactor,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let bell = reactor.watch(Arc::new(bell))?;
        let result = Arc::<Mutex<Option<T>>>::default();
        // Where nobody waits any more the bell is gone, and does not ring for its slot's next owner.
        let (theirs, bell_there) = (Arc::clone(&result), Arc::downgrade(bell.get_ref()));
        spawn(
            name,
            Box::new(move || {
                let done = work();
                *theirs.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                if let Some(bell) = bell_there.upgrade() {
                    let _ = bell.write(1);
                }
            }),
        )?;
        Ok(Self { bell, result })
    }

    /// What came of it, once. May be dropped while it waits, and called again.
    pub async fn result(&self) -> T {
        loop {
            if let Some(done) = self.result.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return done;
            }
            self.bell.readable().await;
            let _ = self.bell.read(&mut [0; 8], |bell, _| Ok(bell.read().map(|_| 8)?));
        }
    }
}

/// Drops `what` on a thread of its own, because that may have to wait: closing a file does.
pub fn drop_aside<T: Send + 'static>(what: T) {
    // Where there is no thread to be had it is dropped here.
    let _ = spawn("drop", Box::new(move || drop(what)));
}

/// Does `work` on a thread called `name`. One way to have a thread takes less room than one for each kind of work.
///
/// # Errors
/// Where there is no thread to be had.
pub fn spawn(name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(STACK).spawn(work).map(drop)
}
