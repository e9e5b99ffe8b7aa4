//! Pages that few messages keep alive are given up for copies of these, some at a time, so that nobody waits long for it. Pure.

use super::state::QueueState;

/// A look through all messages, from its begin to its end.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    under_way: bool,
    /// So many are done of those that do not wait for the first time.
    others: usize,
    /// The same of the parts in which the rest waits.
    parts: usize,
    /// Of the next part those below this position are done.
    below: u64,
    /// Bytes of memory that were given up.
    freed: u64,
}

impl QueueState {
    /// Goes on giving up pages where that was begun. `true` when there is more to do.
    #[inline]
    pub fn compact_further(&mut self) -> bool {
        if self.compaction.under_way {
            self.compact_some();
        }
        self.compaction.under_way
    }

    /// Gives up pages that few messages keep alive, when that pays.
    #[inline]
    pub(super) fn compact_pages(&mut self) {
        if self.compaction.under_way || self.pages.wasteful() {
            self.compact_some();
        }
    }

    #[cold]
    fn compact_some(&mut self) {
        self.compaction.under_way = true;
        let before = self.pages.bytes();
        let at_end = self.compact_others() && self.compact_waiting();
        self.compaction.freed += before.saturating_sub(self.pages.bytes());
        if at_end {
            let Compaction { freed, .. } = std::mem::take(&mut self.compaction);
            // What came or went meanwhile may be worth another look, if this one was.
            self.compaction.under_way = self.pages.compacted(freed);
        }
    }

    /// Looks at some of those that are held, came back, rest or are dead. `true` when there are no more.
    fn compact_others(&mut self) -> bool {
        let held = self.holders.iter_mut().map(|held| &mut held.entry);
        let resting = self.returning.resting.iter_mut();
        let returned = self.ready.returned_mut().chain(resting).map(|(_, entry)| entry);
        let others = held.chain(returned).chain(self.dying.iter_mut());
        let done = self.pages.compact(others.skip(self.compaction.others));
        self.compaction.others += done.looked;
        // Together they may cost what they did, and the dead among them not.
        if done.cost_before > 0 {
            self.dying.recount();
        }
        done.whole
    }

    /// The same of the others that wait.
    fn compact_waiting(&mut self) -> bool {
        let Compaction { parts, below, .. } = &mut self.compaction;
        for part in self.ready.parts_mut().skip(*parts) {
            let pages = &mut self.pages;
            match part.change_from(*below, |entries| pages.compact(entries)) {
                Some(next) => {
                    *below = next;
                    return false;
                }
                None => (*parts, *below) = (*parts + 1, 0),
            }
        }
        true
    }
}
