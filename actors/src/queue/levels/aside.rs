//! What is set aside of each level, and leaves memory.

use super::Levels;
use crate::queue::fifo::Entry;
use crate::queue::ready::Ready;

/// Bytes of one queue that are on their way to the scratch log at most. What is asked of it waits behind them.
const UNDER_WAY: u64 = 8 * 1024 * 1024;

impl Levels {
    /// Whether [`set_aside`](Self::set_aside) has something to do.
    pub(in super::super) fn exceeds(&self, keep: u64) -> bool {
        match &self.more {
            None => self.usual.exceeds(keep),
            Some(_) => {
                let keep = self.share(keep);
                self.review().is_none() && self.all().any(|ready| ready.exceeds(keep))
            }
        }
    }

    /// Whether some messages leave as soon as the scratch log has them.
    pub(in super::super) fn leaves(&self) -> bool {
        self.all().any(Ready::leaves)
    }

    /// Chooses messages to leave memory, and returns those that are to be put on the scratch log first; see
    /// [`Ready::set_aside`]. About `keep` bytes of the first stay, as much of each level as of any other.
    pub(in super::super) fn set_aside(
        &mut self,
        keep: u64,
        synced_below: u64,
        scratch: bool,
    ) -> Vec<(u64, Entry)> {
        let mut to_write = Vec::new();
        if self.review().is_some() {
            return to_write;
        }
        let keep = self.share(keep);
        let mut under_way: u64 = self.all().map(Ready::under_way).sum();
        for ready in self.all_mut() {
            let others = under_way - ready.under_way();
            let room = UNDER_WAY.saturating_sub(others);
            ready.set_aside(keep, synced_below, scratch, room, &mut to_write);
            under_way = others + ready.under_way();
        }
        to_write.sort_unstable_by_key(|&(position, _)| position);
        to_write
    }

    /// What was set aside last and waits for the scratch log may leave after this ticket.
    pub(in super::super) fn await_ticket(&mut self, ticket: u64) {
        self.all_mut().for_each(|ready| ready.await_ticket(ticket));
    }

    /// Lets go what may leave: the scratch log has all up to the ticket `synced`. `gone` hears of each message, and returns the
    /// length of its body.
    pub(in super::super) fn leave(&mut self, synced: u64, mut gone: impl FnMut(&Entry) -> u32) {
        self.all_mut().for_each(|ready| ready.leave(synced, &mut gone));
    }

    /// Of what may stay in memory, each level's part.
    fn share(&self, keep: u64) -> u64 {
        let levels = self.more.as_ref().map_or(1, |more| more.used.len());
        keep / u64::from(levels).max(1)
    }
}
