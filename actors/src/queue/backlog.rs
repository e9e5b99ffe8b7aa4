//! How what waits leaves memory.

use std::sync::Arc;

use super::fifo::Entry;
use super::holders::Held;
use super::pages::Pages;
use super::reading::Loading;
use super::state::QueueState;
use crate::journal::Positions;
use crate::publication::Page;

/// Messages to be put on the scratch log.
#[derive(Debug)]
pub struct Spill {
    /// Where they are.
    pub page: Arc<Page>,
    /// Their positions, which rise, and their places in the page.
    pub messages: Vec<(u64, u32)>,
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
    pub(super) loading: Option<Loading>,
}

impl Backlog {
    /// What is being read is not wanted any more.
    pub(super) fn forget_loading(&mut self) {
        if let Some(loading) = &mut self.loading {
            loading.forgotten = true;
        }
    }

    /// These messages are gone: if they are read, they do not wait.
    pub(super) fn pass_over(&mut self, positions: Positions) {
        if let Some(loading) = &mut self.loading
            && !loading.dead.contains(positions.first)
        {
            loading.dead.add(positions);
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
        // What leaves at once may let pages be moved together: those to be written are looked up before.
        let spills = self.spills(to_write);
        self.let_go();
        spills
    }

    /// Lets unsettled, returned and dead messages leave memory, like [`evict`](Self::evict). Takes time in proportion to their number.
    pub fn evict_held(&mut self, scratch: bool) -> Vec<Spill> {
        let synced_below = self.backlog.synced_below;
        let is_written = self.backlog.held.is_none();
        let write = scratch && is_written;
        let mut to_write = Vec::new();
        let pages = &mut self.pages;
        let mut look = |pages: &mut Pages, position: u64, entry: &mut Entry| {
            let is_safe = (entry.kept && position < synced_below) || (entry.scratched && is_written);
            if is_safe {
                pages.let_go(entry);
            } else if !entry.kept && write {
                entry.scratched = true;
                to_write.push((position, *entry));
            }
        };
        for Held { position, entry } in self.holders.iter_mut() {
            look(pages, *position, entry);
        }
        let resting = self.returning.resting.iter_mut();
        for (position, entry) in self.ready.returned_mut().chain(resting) {
            look(pages, position, entry);
        }
        let settings = self.settings;
        self.dying.let_go(|position, entry| {
            // What a full queue refused was never kept, and has no place in a journal.
            let refused = |page: &Arc<Page>| !entry.kept && settings.keeps(page, entry.offset);
            if !pages.get(entry).is_some_and(refused) {
                look(pages, position, entry);
            }
        });
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

    fn let_go(&mut self) {
        let pages = &mut self.pages;
        self.ready.leave(self.backlog.scratched, |entry| {
            let body = pages.body_len(entry);
            pages.release(entry);
            body
        });
        self.compact_pages();
    }

    /// Unsettled and returned messages that are on the scratch log leave memory.
    fn let_scratched_go(&mut self) {
        let held = self.holders.iter_mut().map(|held| &mut held.entry);
        let returned = self.ready.returned_mut();
        let others = returned.chain(self.returning.resting.iter_mut());
        for entry in held.chain(others.map(|(_, entry)| entry)) {
            if entry.scratched {
                self.pages.let_go(entry);
            }
        }
        self.dying.let_go(|_, entry| {
            if entry.scratched {
                self.pages.let_go(entry);
            }
        });
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
