//! The threads that use the data directory, so that it is given up after the last of them.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use super::writer::Writer;

/// The threads of all logs.
#[derive(Default)]
pub struct Threads(Mutex<Vec<(Writer, JoinHandle<()>)>>);

impl Threads {
    pub(super) fn add(&self, writer: Writer, thread: JoinHandle<()>) {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push((writer, thread));
    }

    /// Ends those that still run, after what they have been told to write, and waits until they have ended: as long as
    /// the disk takes.
    pub fn end(&self) {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().for_each(|(writer, _)| writer.end());
        for (_, thread) in threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}
