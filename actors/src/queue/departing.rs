//! What is kept of a deleted queue until those are carried away that had died in it: with that and its journal another start of
//! the broker goes on. Pure.

use super::dying::Buried;
use super::effective::Effective;
use super::reason::Reason;
use super::state::{QueueSettings, QueueState};
use crate::journal::{Keeper, Kept, Positions};
use crate::name::Name;

/// A deleted queue, as far as it is needed to carry away what had died in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departing {
    /// The name it had; histories tell of it.
    pub name: Name,
    /// Where its dead go.
    pub dead_letter_exchange: Option<Name>,
    /// The routing key they get; `None` keeps theirs.
    pub dead_letter_routing_key: Option<Name>,
    /// Those that had died, in the order of their deaths. Some may be away, and are in no journal then.
    pub dead: Vec<Deceased>,
}

/// Neighbours that died of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deceased {
    /// Where they stood. Others that stand there are not among them.
    pub positions: Positions,
    /// Why they died.
    pub reason: Reason,
}

impl Departing {
    /// What holds for such a queue.
    #[must_use]
    pub fn effective(&self) -> Effective {
        Effective {
            dead_letter_exchange: self.dead_letter_exchange.clone(),
            dead_letter_routing_key: self.dead_letter_routing_key.clone(),
            ..Effective::default()
        }
    }
}

impl QueueState {
    /// A queue that was deleted, with those that died in it. They are in the journal, and nothing else is.
    #[must_use]
    pub fn departing(departing: &Departing) -> Self {
        let mut state = QueueState::new(QueueSettings {
            journaled: true,
            transient_too: true,
            ..QueueSettings::default()
        });
        state.amend(&departing.effective());
        for &Deceased { positions, reason } in &departing.dead {
            if reason == Reason::Redriven {
                state.dying.want_always();
            }
            state.dying.push_absent(Buried {
                keeper: Keeper::Journal,
                positions,
                reason,
                counted: false,
            });
        }
        state
    }

    /// The dead that may be in the journal, in the order of their deaths.
    #[must_use]
    pub fn deceased(&self) -> Vec<Deceased> {
        let mut deceased: Vec<Deceased> = Vec::new();
        for (positions, reason) in self.dying.kept() {
            match deceased.last_mut() {
                Some(last) if last.reason == reason && last.positions.last + 1 == positions.first => {
                    last.positions.last = positions.last;
                }
                _ => deceased.push(Deceased { positions, reason }),
            }
        }
        deceased
    }

    /// A journal has kept these for a queue that was deleted: who is not among its dead went with it.
    pub fn restore_dead(&mut self, kept: &Kept) {
        self.ready.start_at(kept.next_position, 0);
        self.synced_below(kept.next_position);
        let Some(waiting) = kept.waiting.map(|run| run.positions) else {
            return;
        };
        let mut dead: Vec<Positions> = self.dying.kept().map(|(positions, _)| positions).collect();
        dead.sort_unstable_by_key(|positions| positions.first);
        let mut first = waiting.first;
        for positions in dead {
            if first < positions.first {
                let last = waiting.last.min(positions.first - 1);
                self.settlements
                    .note_range(Keeper::Journal, Positions { first, last });
            }
            first = first.max(positions.last.saturating_add(1));
            if first > waiting.last {
                return;
            }
        }
        self.settlements
            .note_range(Keeper::Journal, Positions { first, ..waiting });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use leveret_protocol::Body;

    use super::*;
    use crate::id::ChannelId;
    use crate::journal::{Restored, Run};
    use crate::publication::{Page, PageBuilder};
    use crate::queue::Outcome;
    use crate::queue::reading::Load;

    fn page(messages: usize, persistent: bool) -> (Arc<Page>, Vec<u32>) {
        let mut page = PageBuilder::new();
        let push = |_| page.push("", "q", &[0, 0], persistent, Body::Slice(b"body"));
        let offsets = (0..messages).map(push).collect();
        (page.finish(), offsets)
    }

    fn departing(dead: &[(u64, u64, Reason)]) -> Departing {
        let deceased = |&(first, last, reason)| Deceased {
            positions: Positions { first, last },
            reason,
        };
        Departing {
            name: "q".into(),
            dead_letter_exchange: Some("dlx".into()),
            dead: dead.iter().map(deceased).collect(),
            ..Departing::default()
        }
    }

    fn kept(first: u64, last: u64) -> Kept {
        Kept {
            waiting: Some(Run {
                positions: Positions { first, last },
                messages: 1,
            }),
            next_position: last + 1,
            ..Kept::default()
        }
    }

    #[test]
    fn those_that_a_journal_has_are_told_in_the_order_of_their_deaths() {
        let settings = QueueSettings {
            journaled: true,
            ..QueueSettings::default()
        };
        let mut state = QueueState::new(settings);
        state.amend(&departing(&[]).effective());
        for persistent in [true, false] {
            let (page, offsets) = page(4, persistent);
            state.enqueue(page, &offsets);
        }
        let channel = ChannelId::next();
        state.attach(channel);
        let keys: Vec<u32> = (0..8)
            .filter_map(|_| Some(state.get(channel, false)?.0.deliveries[0].key))
            .collect();
        for dies in [2, 3, 5, 0] {
            state.settle(channel, Outcome::Reject, &[keys[dies]]);
        }
        // The forwarder has some, and they are still here.
        assert!(state.next_dead(ChannelId::next()).is_some());
        let expected = departing(&[(2, 3, Reason::Rejected), (0, 0, Reason::Rejected)]);
        assert_eq!(state.deceased(), expected.dead);
    }

    #[test]
    fn of_a_deleted_queue_only_the_dead_come_back() {
        let dead = [
            (12, 13, Reason::MaxLen),
            (5, 6, Reason::Expired),
            (3, 3, Reason::Expired),
        ];
        let mut state = QueueState::departing(&departing(&dead));
        state.restore_dead(&kept(4, 20));
        let range = |first, last| Positions { first, last };
        assert_eq!(
            state.take_settled(Keeper::Journal),
            [range(4, 4), range(7, 11), range(14, 20)]
        );
        let mut told = Vec::new();
        let forwarder = ChannelId::next();
        while let Some(Load { positions, .. }) = state.load(1 << 20) {
            let last = positions.last().map_or(0, |positions| positions.last);
            // One of the first two was carried away before.
            let there = positions.into_iter().flat_map(|range| range.first..=range.last);
            let there: Vec<u64> = there.filter(|at| ![3, 13].contains(at)).collect();
            let (page, offsets) = page(there.len(), false);
            let restored = Restored {
                page,
                messages: there.into_iter().zip(offsets).collect(),
                deadlines: Vec::new(),
            };
            state.loaded(Keeper::Journal, vec![restored], last);
            while let Some(convoy) = state.next_dead(forwarder) {
                told.push(convoy.len());
            }
        }
        assert_eq!(told.iter().sum::<usize>(), 3);
        assert_eq!(state.settle_dead(forwarder, 0..=u64::MAX), 3);
        assert_eq!((state.dead(), state.ready()), (0, 0));
        let gone = state.take_settled(Keeper::Journal);
        assert_eq!(gone, [range(12, 12), range(5, 6)]);
    }

    #[test]
    fn all_goes_where_none_was_dead() {
        let mut state = QueueState::departing(&departing(&[]));
        state.restore_dead(&kept(4, 20));
        let all = Positions { first: 4, last: 20 };
        assert_eq!(state.take_settled(Keeper::Journal), [all]);
        assert_eq!(state.dead(), 0);
    }
}
