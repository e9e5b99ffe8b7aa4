//! Looking at what waits, and taking it away, from outside: neither touches the order nor marks anything as redelivered. Pure.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::absent::{Stretch, positions};
use super::dying::{Buried, Dead};
use super::reading::Load;
use super::ready::TakenOut;
use super::reason::Reason;
use super::state::QueueState;
use crate::id::ChannelId;
use crate::journal::{Keeper, Positions, Restored};
use crate::publication::{Page, Publication};

/// Ranges that a journal is asked for at once, at most.
const MOST_RANGES: usize = 1_024;

/// A message that waits.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Where it stands. Positions rise in the order of arrival, and are never given twice.
    pub position: u64,
    /// Its level of priority.
    pub level: u8,
    /// Where the publication is.
    pub page: Arc<Page>,
    /// Where in the page.
    pub offset: u32,
}

impl Waiting {
    /// The message itself.
    pub fn publication(&self) -> Publication<'_> {
        self.page.get(self.offset)
    }
}

/// What was seen of a queue.
#[derive(Clone, Debug, Default)]
pub struct Browsed {
    /// Messages in the order of their positions.
    pub messages: Vec<Waiting>,
    /// From which position on there may be more.
    pub next: Option<u64>,
}

/// What becomes of messages that are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They go back to where they first died.
    Redriven,
    /// They are dropped.
    Dropped,
}

/// What was seen of a queue, before that was read which is not in memory.
#[derive(Debug)]
pub struct Glance {
    here: Vec<Waiting>,
    from: u64,
    /// Behind it nothing was looked at.
    upto: u64,
    /// What is to be read.
    pub loads: Vec<Load>,
}

impl QueueState {
    /// Looks at `most` messages from a position on.
    pub fn glance(&self, from: u64, most: usize) -> Glance {
        let mut seen = TakenOut::default();
        for (_, ready) in self.ready.highest_first() {
            ready.glance(from, most, &mut seen);
        }
        let TakenOut { mut entries, absent } = seen;
        entries.sort_unstable_by_key(|&(position, _)| position);
        // Of what stands apart, by levels and because it came back, the first ones of each are here, but not all behind the last of so
        // many.
        let last = most.checked_sub(1).and_then(|last| entries.get(last));
        let mut upto = last.map_or(u64::MAX, |&(last, _)| last);
        let here = entries.iter().filter_map(|(position, entry)| {
            let page = self.pages.get(entry).filter(|_| !entry.is_absent())?;
            Some(Waiting {
                position: *position,
                level: entry.level,
                page: Arc::clone(page),
                offset: entry.offset,
            })
        });
        let here = here.collect();
        let single = entries.iter().filter(|(_, entry)| entry.is_absent());
        let mut ranges: Vec<(Keeper, Positions)> = single
            .map(|&(position, entry)| (entry.keeper(), Positions::one(position)))
            .collect();
        ranges.extend(absent.iter().map(|Stretch { keeper, run, .. }| {
            let part = positions(run.positions.first.max(from), run.positions.last);
            (*keeper, part)
        }));
        ranges.sort_unstable_by_key(|(_, part)| part.first);
        let mut load = |keeper| {
            let (positions, all) = together(ranges.iter().filter(|range| range.0 == keeper), upto);
            upto = upto.min(all);
            Load { keeper, positions }
        };
        let mut loads = vec![load(Keeper::Journal), load(Keeper::Scratch)];
        loads.retain(|load| !load.positions.is_empty());
        Glance {
            here,
            from,
            upto,
            loads,
        }
    }

    /// What was seen, with what was read of it for each load up to a position: `most` messages of about `most_bytes`, and one at
    /// least.
    pub fn browsed(
        &self,
        glance: Glance,
        answers: Vec<(Vec<Restored>, u64)>,
        (most, most_bytes): (usize, u64),
    ) -> Browsed {
        let Glance {
            here,
            from,
            mut upto,
            loads,
        } = glance;
        let mut messages = here;
        if !loads.is_empty() {
            // What was to be read may have come into memory meanwhile.
            let now = self.glance(from, most);
            messages.extend(now.here);
            upto = upto.min(now.upto);
        }
        let mut read = Vec::new();
        for (load, (found, read_upto)) in loads.iter().zip(answers) {
            if load.positions.last().is_some_and(|asked| read_upto < asked.last) {
                upto = upto.min(read_upto);
            }
            read.extend(found);
        }
        for Restored {
            page,
            messages: found,
            ..
        } in read
        {
            messages.extend(found.into_iter().filter_map(|(position, offset)| {
                let level = self.ready.level_of(&page, offset);
                let waits = self.ready.level(level)?.is_absent(position);
                waits.then(|| Waiting {
                    position,
                    level,
                    page: Arc::clone(&page),
                    offset,
                })
            }));
        }
        messages.retain(|message| message.position <= upto);
        messages.sort_by_key(|message| message.position);
        messages.dedup_by_key(|message| message.position);
        let (mut bytes, mut fit) = (0, 0);
        for message in messages.iter().take(most) {
            bytes += u64::from(message.page.cost(message.offset));
            if fit > 0 && bytes > most_bytes {
                break;
            }
            fit += 1;
        }
        let next = match messages.get(fit) {
            Some(beyond) => Some(beyond.position),
            None => upto.checked_add(1),
        };
        messages.truncate(fit);
        Browsed { messages, next }
    }

    /// Takes away those of these messages, given with their levels, that still wait. Returns how many did.
    pub fn take_away(&mut self, places: &[(u64, u8)], fate: Fate) -> usize {
        let mut taken = TakenOut::default();
        for &(position, level) in places {
            self.ready.take_out(level, &(position..=position), 1, &mut taken);
        }
        let absent = taken.absent.iter().map(|stretch| stretch.run.messages as usize);
        let count = taken.entries.len() + absent.sum::<usize>();
        match fate {
            Fate::Redriven => {
                self.dying.want_always();
                self.bury(taken, Reason::Redriven);
            }
            Fate::Dropped => self.drop_taken(taken),
        }
        self.compact_pages();
        count
    }

    /// The forwarder that is known as `holder` gives messages back, by their numbers: they wait again at their places. Returns how
    /// many those are.
    pub fn resurrect(&mut self, holder: ChannelId, numbers: RangeInclusive<u64>) -> usize {
        let mut back = Vec::new();
        if self.dying.is_holder(holder) {
            self.dying.release(numbers, |run| back.extend_from_slice(run));
        }
        for &Dead { position, entry, .. } in &back {
            self.put_back(position, entry);
        }
        self.compact_pages();
        back.len()
    }

    fn drop_taken(&mut self, TakenOut { entries, absent }: TakenOut) {
        self.pass_over(&entries);
        for (position, entry) in entries {
            self.left(&entry);
            self.settlements.note(position, &entry);
            self.pages.release(&entry);
        }
        let mut uncounted = false;
        for Stretch { keeper, run, bodies } in absent {
            self.backlog.pass_over(run.positions);
            uncounted |= self.count_absent_out(bodies);
            self.settle_absent(Buried {
                keeper,
                positions: run.positions,
                reason: Reason::Rejected,
                counted: false,
            });
        }
        if uncounted {
            self.recount();
        }
    }
}

/// Ranges in order, those that overlap as one, up to a position: as many as a journal is asked for, and up to which position that is all.
fn together<'r>(ranges: impl Iterator<Item = &'r (Keeper, Positions)>, upto: u64) -> (Vec<Positions>, u64) {
    let mut joined: Vec<Positions> = Vec::new();
    for &(_, Positions { first, last }) in ranges {
        let last = last.min(upto);
        let is_full = joined.len() == MOST_RANGES;
        match joined.last_mut() {
            _ if first > last => {}
            Some(before) if first <= before.last => before.last = before.last.max(last),
            _ if is_full => return (joined, first - 1),
            _ => joined.push(Positions { first, last }),
        }
    }
    (joined, upto)
}
