//! A look at each message that an earlier life has left: what it is decides where and how long it waits, so none is handed
//! out before.

use crate::journal::{Keeper, Positions, Restored, Run};

use super::{
    absent::{Absent, Bodies, Stretch},
    fifo::Fifo,
    state::QueueState,
};

/// Bytes that stay in memory of what is looked at. The rest is read again when its turn comes.
const STAY: u64 = 4 * 1024 * 1024;

/// Messages of an earlier life, whose levels are not known yet, and what came meanwhile.
#[derive(Debug, Default)]
pub(super) struct Review {
    pub(super) unknown: Absent,
    pub(super) arrived: Fifo,
}

impl QueueState {
    /// Whether messages are still to be looked at: [`load`](Self::load) asks for them.
    pub fn in_review(&self) -> bool {
        self.ready.unknown().is_some()
    }

    /// Messages that were read to be looked at: all there are up to a position.
    pub(super) fn review(&mut self, read: Vec<Restored>, upto: u64) {
        let mut count = 0;
        for Restored {
            page,
            mut messages,
            deadlines,
        } in read
        {
            for (&(position, offset), &at) in messages.iter().zip(&deadlines) {
                if at > 0 {
                    let level = self.ready.level_of(&page, offset);
                    self.expect_kept(at, position, level);
                }
            }
            let offsets: Vec<u32> = messages.iter().map(|&(_, offset)| offset).collect();
            self.count_arrived(&page, &offsets);
            let stay = self.ready.cost() < STAY;
            count += messages.len() as u64;
            messages.retain(|&(position, offset)| {
                let ready = self.ready.level_mut(self.ready.level_of(&page, offset));
                let stays = stay && ready.first_absent().is_none();
                if !stays {
                    let positions = Positions::one(position);
                    let run = Run {
                        positions,
                        messages: 1,
                    };
                    let keeper = Keeper::Journal;
                    let bodies = Bodies::Bytes(page.body_len(offset).into());
                    ready.push_absent(Stretch { keeper, run, bodies });
                }
                stays
            });
            self.append_read(page, messages);
        }
        self.ready.known(upto, count);
    }
}
