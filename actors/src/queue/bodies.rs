//! The bytes of the bodies of all that waits, in a queue that has a limit of them. Pure.
//!
//! What is in memory is looked at as it comes and goes. Of what is not, each stretch knows the bytes of its own bodies, but
//! for those of an earlier life and those that some were taken out of: they are read once, when a limit begins to hold.

use super::absent::{Bodies, Stretch};
use super::fifo::{Entry, Fifo};
use super::reading::{Load, Wanted};
use super::spans::Spans;
use super::state::QueueState;
use crate::journal::{Positions, Restored};
use crate::publication::{Handout, Page};

impl QueueState {
    /// The bytes of the bodies of all that waits, as far as they are known. `None` where there is no limit of them.
    pub fn counted(&self) -> Option<u64> {
        self.limits.counted()
    }

    /// Whether some bodies are still to be read so that they are counted: [`load`](Self::load) asks for them.
    pub fn is_counting(&self) -> bool {
        self.limits.is_counting() || (self.limits.count_bytes() && self.in_review())
    }

    /// Counts the messages at `offsets` of a page that were enqueued.
    #[inline]
    pub(super) fn count_arrived(&mut self, page: &Page, offsets: &[u32]) {
        if self.limits.count_bytes() {
            for &offset in offsets {
                self.limits.arrived(page.body_len(offset).into());
            }
        }
    }

    /// Counts out what was handed out.
    #[inline]
    pub(super) fn count_left(&mut self, handout: &Handout) {
        if self.limits.count_bytes() {
            for (_, publication) in handout.publications() {
                self.limits.left(publication.body_len.into());
            }
        }
    }

    /// Counts a message that waits again.
    pub(super) fn count_returned(&mut self, entry: &Entry) {
        if self.limits.count_bytes() {
            self.limits.arrived(self.pages.body_len(entry).into());
        }
    }

    /// Counts out a message that waits no longer.
    pub(super) fn left(&mut self, entry: &Entry) {
        if self.limits.count_bytes() {
            self.limits.left(self.pages.body_len(entry).into());
        }
    }

    /// Counts out messages that wait no longer and are not in memory. `true` when their bodies have to be read for that: until
    /// then they count.
    pub(super) fn count_absent_out(&mut self, bodies: Bodies) -> bool {
        match bodies {
            _ if !self.limits.count_bytes() => false,
            Bodies::Bytes(bytes) => {
                self.limits.left(bytes);
                false
            }
            Bodies::Mixed => true,
            Bodies::Unread => false,
        }
    }

    /// Counts what waits anew, if anything is to be counted. What is not known of it is read.
    pub(super) fn recount(&mut self) {
        self.dying.uncount();
        if !self.limits.count_bytes() {
            return;
        }
        let pages = &self.pages;
        let body_len = |entry: &mut Entry| u64::from(pages.body_len(entry));
        let returned = self.ready.returned_mut();
        let returned: u64 = returned.map(|(_, entry)| body_len(entry)).sum();
        let others = self.ready.parts_mut().flat_map(Fifo::iter_mut);
        let here = returned + others.map(body_len).sum::<u64>();
        let absent: u64 = self.ready.all_mut().map(|ready| ready.absent.count_anew()).sum();
        self.limits.count_anew(here + absent, true);
    }

    /// Notes whether all that waits is counted.
    pub(super) fn look_for_unread(&mut self) {
        if self.limits.is_counting() && self.unread().is_none() {
            self.limits.all_counted();
        }
    }

    /// What is to be read so that it is counted.
    pub(super) fn to_count(&self) -> Option<(Load, Wanted)> {
        let (level, &Stretch { keeper, run, .. }) = self.unread().filter(|_| self.limits.is_counting())?;
        let positions = vec![run.positions];
        Some((Load { keeper, positions }, Wanted::Bodies(level, run.positions)))
    }

    /// Counts messages of a level that were read for it, of those asked for up to a position. Among them may be dead ones.
    pub(super) fn count_read(
        &mut self,
        level: u8,
        asked: Positions,
        dead: &Spans,
        read: &[Restored],
        upto: u64,
    ) {
        let Some(ready) = self.ready.level(level) else {
            return;
        };
        let Some(positions) = ready.absent.first_unread().map(|stretch| stretch.run.positions) else {
            return;
        };
        let upto = upto.min(asked.last).min(positions.last);
        let (mut messages, mut bytes) = (0, 0);
        for Restored {
            page,
            messages: found,
            ..
        } in read
        {
            for &(position, offset) in found {
                if (positions.first..=upto).contains(&position)
                    && self.ready.level_of(page, offset) == level
                    && !dead.contains(position)
                    && !ready.has_returned(position)
                {
                    messages += 1;
                    bytes += u64::from(page.body_len(offset));
                }
            }
        }
        self.ready.level_mut(level).absent.weigh(upto, messages, bytes);
        self.limits.arrived(bytes);
    }

    fn unread(&self) -> Option<(u8, &Stretch)> {
        let mut levels = self.ready.highest_first();
        levels.find_map(|(level, ready)| Some((level, ready.absent.first_unread()?)))
    }
}
