//! How what waits leaves memory, and comes back.

use std::sync::Arc;

use super::absent::positions;
use super::fifo::Entry;
use super::holders::Held;
use super::ready::Ready;
use super::settlements::Ranges;
use super::state::QueueState;
use crate::journal::{Keeper, Positions, Restored};
use crate::publication::Page;

/// Returned messages that are asked for at once, at most.
const MOST_RETURNED: usize = 1_024;

/// Messages to be put on the scratch log.
#[derive(Debug)]
pub struct Spill {
    /// Where they are.
    pub page: Arc<Page>,
    /// Their positions, which rise, and their places in the page.
    pub messages: Vec<(u64, u32)>,
}

/// Messages to be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Load {
    /// From which journal.
    pub keeper: Keeper,
    /// They are among these.
    pub positions: Vec<Positions>,
}

/// What is under way between memory and the journals.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The journal has everything below this position.
    synced_below: u64,
    /// The scratch log has everything up to this ticket.
    scratched: u64,
    /// The ticket of the unsettled and returned messages that were put on the scratch log last, until it is reached.
    held: Option<u64>,
    loading: Option<Loading>,
}

#[derive(Debug)]
struct Loading {
    keeper: Keeper,
    wanted: Wanted,
    /// What was asked for is gone meanwhile.
    forgotten: bool,
}

/// What is asked of a journal.
#[derive(Debug)]
enum Wanted {
    /// Messages of unknown levels.
    Review,
    /// The returned messages of a level at these positions.
    Returned(u8, Vec<u64>),
    /// The first absent messages of a level.
    First(u8),
}

impl Backlog {
    /// What is being read is not wanted any more.
    pub(super) fn forget_loading(&mut self) {
        if let Some(loading) = &mut self.loading {
            loading.forgotten = true;
        }
    }
}

impl QueueState {
    /// Whether messages wait and the first of them is in memory.
    pub fn has_first(&self) -> bool {
        self.ready.has_first()
    }

    /// Messages that wait and are not in memory.
    pub fn absent(&self) -> u64 {
        self.ready.absent()
    }

    /// The journal has all messages below a position that it is to keep: they need not be in memory.
    pub fn synced_below(&mut self, position: u64) {
        self.backlog.synced_below = self.backlog.synced_below.max(position);
    }

    /// Whether more than about `keep` bytes wait in memory, so that [`evict`](Self::evict) has something to do.
    pub fn exceeds(&self, keep: u64) -> bool {
        self.ready.exceeds(keep)
    }

    /// Lets waiting messages leave memory; about `keep` bytes of the first stay. Those the journal has just go; with `scratch`,
    /// the others are returned, to be put on the scratch log, and go when that has them.
    pub fn evict(&mut self, keep: u64, scratch: bool) -> Vec<Spill> {
        let to_write = self.ready.set_aside(keep, self.backlog.synced_below, scratch);
        self.let_go();
        self.spills(to_write)
    }

    /// Lets unsettled and returned messages leave memory, like [`evict`](Self::evict). Takes time in proportion to their number.
    pub fn evict_held(&mut self, scratch: bool) -> Vec<Spill> {
        let synced_below = self.backlog.synced_below;
        let is_written = self.backlog.held.is_none();
        let write = scratch && is_written;
        let mut to_write = Vec::new();
        let pages = &mut self.pages;
        let mut look = |position: u64, entry: &mut Entry| {
            let is_safe = (entry.kept && position < synced_below) || (entry.scratched && is_written);
            if is_safe {
                pages.let_go(entry);
            } else if !entry.kept && write {
                entry.scratched = true;
                to_write.push((position, *entry));
            }
        };
        for Held { position, entry } in self.holders.iter_mut() {
            look(*position, entry);
        }
        for (position, entry) in self.ready.returned_mut() {
            look(position, entry);
        }
        to_write.sort_unstable_by_key(|&(position, _)| position);
        self.spills(to_write)
    }

    /// Memory is short: pages that others held too are given up if they don't any more, and few messages need them.
    pub fn give_up_pages(&mut self) {
        self.pages.doubt_shared();
        self.compact_pages();
    }

    /// Bytes of memory that unsettled and returned messages take.
    pub fn held_bytes(&self) -> u64 {
        self.pages.live().saturating_sub(self.ready.cost())
    }

    /// Whether messages wait for the scratch log to leave memory.
    pub fn leaves(&self) -> bool {
        self.ready.leaves()
    }

    /// What [`evict`](Self::evict) returned is on the scratch log after this ticket.
    pub fn await_scratch(&mut self, ticket: u64) {
        self.ready.await_ticket(ticket);
    }

    /// What [`evict_held`](Self::evict_held) returned is on the scratch log after this ticket.
    pub fn await_held(&mut self, ticket: u64) {
        self.backlog.held = Some(ticket);
    }

    /// The scratch log has everything up to a ticket.
    pub fn scratched(&mut self, upto: u64) {
        self.backlog.scratched = self.backlog.scratched.max(upto);
        if self.backlog.held.is_some_and(|ticket| ticket <= upto) {
            self.backlog.held = None;
            self.let_scratched_go();
        }
        self.let_go();
    }

    /// Whether consumers would take more messages if there were some.
    pub fn consumers_take_more(&self) -> bool {
        self.subscribers.take_more()
    }

    /// What is to be read now that less than `ahead` bytes of the first messages may be in memory. To be asked when someone
    /// takes messages.
    pub fn load(&mut self, ahead: u64) -> Option<Load> {
        if self.backlog.loading.is_some() {
            return None;
        }
        let (load, wanted) = self.wanted(ahead)?;
        self.backlog.loading = Some(Loading {
            keeper: load.keeper,
            wanted,
            forgotten: false,
        });
        Some(load)
    }

    /// What was read, of all that was asked for up to a position.
    pub fn loaded(&mut self, keeper: Keeper, read: Vec<Restored>, upto: u64) {
        let Some(loading) = self.backlog.loading.take_if(|loading| loading.keeper == keeper) else {
            return;
        };
        if loading.forgotten {
            return;
        }
        match loading.wanted {
            Wanted::Review => self.review(read, upto),
            Wanted::Returned(level, asked) => self.fill_returned(level, &asked, read, upto),
            Wanted::First(level) => self.extend_front(level, read, upto),
        }
        self.compact_pages();
    }

    /// Adds messages that were read to the fronts of their levels, and returns how many.
    pub(super) fn append_read(&mut self, page: Arc<Page>, messages: Vec<(u64, u32)>) -> u64 {
        let (positions, offsets): (Vec<u64>, Vec<u32>) = messages.into_iter().unzip();
        let (ready, mut positions) = (&mut self.ready, positions.into_iter());
        let mut read = 0;
        let settings = self.settings;
        let kept = |page: &Page, offset| settings.keeps(page, offset);
        let publications = Arc::clone(&page);
        self.pages.insert(page, &offsets, kept, |entry| {
            if let Some(position) = positions.next() {
                let level = ready.level_of(&publications, entry.offset);
                ready.push_read(position, Entry { level, ..entry });
                read += 1;
            }
        });
        read
    }

    fn extend_front(&mut self, level: u8, read: Vec<Restored>, upto: u64) {
        let Some(first) = self.ready.level_mut(level).first_absent() else {
            return;
        };
        let (keeper, run) = (first.keeper, first.run.positions);
        let upto = upto.min(run.last);
        if upto < run.first {
            return;
        }
        let (mut count, mut had) = (0, Ranges::default());
        for Restored {
            page, mut messages, ..
        } in read
        {
            // Between them are messages of other levels.
            messages.retain(|&(position, offset)| {
                (run.first..=upto).contains(&position) && self.ready.level_of(&page, offset) == level
            });
            messages.iter().for_each(|&(position, _)| had.add(position));
            count += self.append_read(page, messages);
        }
        self.ready.level_mut(level).read(upto, count);
        if keeper == Keeper::Scratch {
            if self.ready.is_one() {
                had = Ranges(vec![positions(run.first, upto)]);
            }
            had.0
                .into_iter()
                .for_each(|had| self.settlements.note_range(keeper, had));
        }
    }

    /// What is to be read so that `ahead` bytes of the first messages are in memory, and why.
    fn wanted(&self, ahead: u64) -> Option<(Load, Wanted)> {
        if let Some(run) = self.ready.unknown() {
            let (keeper, positions) = (Keeper::Journal, vec![run.positions]);
            return Some((Load { keeper, positions }, Wanted::Review));
        }
        let mut before = 0;
        for (level, ready) in self.ready.highest_first() {
            if let Some((load, asked)) = returned_to_load(ready) {
                return Some((load, Wanted::Returned(level, asked)));
            }
            if before + ready.front_cost() < ahead
                && let Some(first) = ready.first_absent()
            {
                let (keeper, positions) = (first.keeper, vec![first.run.positions]);
                return Some((Load { keeper, positions }, Wanted::First(level)));
            }
            before += ready.cost();
            if before >= ahead {
                break;
            }
        }
        None
    }

    /// Returned messages that were read are in memory again. Those that could not be read are gone.
    fn fill_returned(&mut self, level: u8, asked: &[u64], read: Vec<Restored>, upto: u64) {
        let returned = self.ready.level_mut(level).returned_mut();
        for Restored {
            page, mut messages, ..
        } in read
        {
            messages.retain(|(position, _)| returned.get(position).is_some_and(Entry::is_absent));
            let (positions, offsets): (Vec<u64>, Vec<u32>) = messages.into_iter().unzip();
            let mut positions = positions.iter();
            self.pages.insert(
                page,
                &offsets,
                |_, _| false,
                |entry| {
                    if let Some(old) = positions.next().and_then(|position| returned.get_mut(position)) {
                        *old = Entry {
                            page: entry.page,
                            offset: entry.offset,
                            cost: entry.cost,
                            ..*old
                        };
                    }
                },
            );
        }
        for position in asked.iter().take_while(|&&position| position <= upto) {
            if returned.get(position).is_some_and(Entry::is_absent) {
                returned.remove(position);
            }
        }
    }

    fn let_go(&mut self) {
        let pages = &mut self.pages;
        self.ready
            .leave(self.backlog.scratched, |entry| pages.release(entry));
        self.compact_pages();
    }

    /// Unsettled and returned messages that are on the scratch log leave memory.
    fn let_scratched_go(&mut self) {
        let held = self.holders.iter_mut().map(|held| &mut held.entry);
        for entry in held.chain(self.ready.returned_mut().map(|(_, entry)| entry)) {
            if entry.scratched {
                self.pages.let_go(entry);
            }
        }
    }

    /// Messages by page.
    fn spills(&self, messages: Vec<(u64, Entry)>) -> Vec<Spill> {
        let same_page = |one: &(u64, Entry), other: &(u64, Entry)| one.1.page == other.1.page;
        let spill = |group: &[(u64, Entry)]| {
            let page = self.pages.get(&group.first()?.1)?;
            Some(Spill {
                page: Arc::clone(page),
                messages: group
                    .iter()
                    .map(|&(position, entry)| (position, entry.offset))
                    .collect(),
            })
        };
        messages.chunk_by(same_page).filter_map(spill).collect()
    }
}

/// The first returned messages of a level, if they are not in memory.
fn returned_to_load(ready: &Ready) -> Option<(Load, Vec<u64>)> {
    let mut returned = ready.returned();
    let (first, entry) = returned.next().filter(|(_, entry)| entry.is_absent())?;
    let scratched = entry.scratched;
    let mut ranges = Ranges::default();
    ranges.add(first);
    let mut asked = vec![first];
    let alike = returned.take_while(|(_, entry)| entry.is_absent() && entry.scratched == scratched);
    for (position, _) in alike.take(MOST_RETURNED) {
        ranges.add(position);
        asked.push(position);
    }
    let load = Load {
        keeper: if scratched {
            Keeper::Scratch
        } else {
            Keeper::Journal
        },
        positions: ranges.0,
    };
    Some((load, asked))
}
