//! Looking at what waits, and taking it away, from outside: neither touches the order nor marks anything as redelivered. Pure.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::absent::{Stretch, positions};
use super::dying::{Buried, Dead};
use super::fifo::Entry;
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
    /// Behind it nothing was looked at.
    upto: u64,
    /// What is to be read.
    pub load: Option<Load>,
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
        let mut upto = match entries.get(most..) {
            Some([(beyond, _), ..]) => beyond.saturating_sub(1),
            _ if entries.len() == most => entries.last().map_or(u64::MAX, |&(last, _)| last),
            _ => u64::MAX,
        };
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
            .map(|&(position, entry)| (keeper(&entry), Positions::one(position)))
            .collect();
        ranges.extend(absent.iter().filter_map(|Stretch { keeper, run, .. }| {
            let part = positions(run.positions.first.max(from), run.positions.last.min(upto));
            (part.first <= part.last).then_some((*keeper, part))
        }));
        ranges.sort_unstable_by_key(|(_, part)| part.first);
        let load = ranges.first().map(|&(keeper, _)| {
            let alike = ranges.iter().take_while(|(other, _)| *other == keeper);
            let asked: Vec<Positions> = alike.map(|(_, part)| *part).take(MOST_RANGES).collect();
            if let Some((_, beyond)) = ranges.get(asked.len()) {
                upto = upto.min(beyond.first.saturating_sub(1));
            }
            Load {
                keeper,
                positions: asked,
            }
        });
        Glance { here, upto, load }
    }

    /// What was seen, with what was read of it up to a position: `most` messages of about `most_bytes`, and one at least.
    pub fn browsed(
        &self,
        glance: Glance,
        (read, read_upto): (Vec<Restored>, u64),
        (most, most_bytes): (usize, u64),
    ) -> Browsed {
        let Glance { here, upto, load } = glance;
        let asked = load.and_then(|load| load.positions.last().map(|part| part.last));
        let upto = match asked {
            Some(asked) if read_upto < asked => upto.min(read_upto),
            _ => upto,
        };
        let mut messages = here;
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
        for (position, entry) in entries {
            self.left(&entry);
            self.settlements.note(position, &entry);
            self.pages.release(&entry);
        }
        let mut uncounted = false;
        for Stretch { keeper, run, bodies } in absent {
            if let Some(loading) = &mut self.backlog.loading {
                loading.dead.add(run.positions);
            }
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

fn keeper(entry: &Entry) -> Keeper {
    match entry.scratched {
        true => Keeper::Scratch,
        false => Keeper::Journal,
    }
}
