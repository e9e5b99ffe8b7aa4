//! How much room a read deserves.
//!
//! Reads that fill their room ask for more of it; small ones give it back. A connection that says little is
//! offered a kilobyte, whatever it was offered before: when that is filled, the learned size is back at once.

use bytes::BytesMut;

/// The room offered to a read on a connection at rest, in bytes.
pub(super) const IDLE_READ: usize = 1024;
/// The least room learned, in bytes.
const LEAST_READ: usize = 2 * 1024;
/// The most room learned, in bytes, where nothing else is said.
pub(super) const MOST_READ: usize = 128 * 1024;

/// Learns how much room a read deserves.
#[derive(Debug)]
pub(super) struct ReadSize {
    /// The most room that may be learned.
    most: usize,
    /// Doubled by a read that filled its room, halved by one that used less than a quarter.
    learned: usize,
    /// The last read was so small that the next may well be too.
    idle: bool,
    /// Bytes in the buffer when it was last seen, to know how many were read since.
    left: usize,
}

impl Default for ReadSize {
    fn default() -> Self {
        ReadSize {
            most: MOST_READ,
            learned: LEAST_READ,
            idle: true,
            left: 0,
        }
    }
}

impl ReadSize {
    /// Bounds the room that is learned from here on.
    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most.max(LEAST_READ);
    }

    /// The room the next read should have, in bytes.
    pub(super) fn next(&self) -> usize {
        if self.idle { IDLE_READ } else { self.learned }
    }

    /// Looks at the buffer after a read.
    pub(super) fn observe(&mut self, src: &BytesMut) {
        let read = src.len().saturating_sub(self.left);
        if read == 0 {
            return;
        }
        if src.len() == src.capacity() {
            if read >= self.learned {
                self.learned = (self.learned * 2).min(self.most);
            }
            self.idle = false;
        } else {
            if read < self.learned / 4 {
                self.learned = (self.learned / 2).max(LEAST_READ);
            }
            self.idle = read <= IDLE_READ / 2;
        }
    }

    /// Looks at the buffer before the next read.
    pub(super) fn leave(&mut self, src: &BytesMut) {
        self.left = src.len();
    }
}
