//! One process a folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// A process that is about to end, or that was forked and is not another program yet, has it for a moment.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// The process that has `folder`, where one has.
pub fn holder(folder: &Path) -> Option<i32> {
    let file = File::open(folder.join("lock")).ok()?;
    // Taken for a moment, where nobody has it: who starts in that moment tries again.
    let Err(TryLockError::WouldBlock) = file.try_lock_shared() else { return None };
    let mut pid = String::new();
    file.take(20).read_to_string(&mut pid).ok()?;
    pid.trim_end().parse().ok().filter(|pid| *pid > 0)
}

/// Locks `folder` as long as the file that it returns is open. The kernel gives it up when a process ends, however.
///
/// # Errors
/// `ResourceBusy` where another process has it, with that one's PID.
pub fn take(folder: &Path) -> io::Result<File> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    let mut attempts = 0..ATTEMPTS;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if attempts.next().is_some() => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _ = file.take(20).read_to_string(&mut pid);
                let message = format!("{} is in use by process {}", folder.display(), pid.trim_end());
                return Err(io::Error::new(ErrorKind::ResourceBusy, message));
            }
        }
    }
    // On a full disk the lock holds all the same.
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}
