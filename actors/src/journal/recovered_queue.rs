//! What a start knows of a queue without its messages. Pure.

use super::alike::Tail;
use super::record::Positions;

/// What is known of a queue beside its unsettled messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecoveredQueue {
    /// The position of its next message: above all that were seen.
    pub next_position: u64,
    /// Messages below this position may have been handed out before, if the broker stopped in order.
    pub handed_out_below: u64,
    /// No message from this position on has a deadline.
    pub timed_below: u64,
    /// The last messages, as far as they are alike.
    pub tail: Tail,
}

impl RecoveredQueue {
    /// It had messages with this priority at these positions.
    pub(super) fn had(&mut self, positions: Positions, priority: Option<u8>) {
        self.tail.seen(positions, priority, self.next_position);
        self.seen(positions.last);
    }

    /// It had a message at this position.
    pub(super) fn seen(&mut self, position: u64) {
        self.next_position = self.next_position.max(position.saturating_add(1));
    }

    /// Its message at this position has a deadline.
    pub(super) fn timed(&mut self, position: u64) {
        self.timed_below = self.timed_below.max(position.saturating_add(1));
    }

    /// Messages up to this position may have been handed out.
    pub(super) fn handed_out(&mut self, upto: u64) {
        self.seen(upto);
        self.handed_out_below = self.handed_out_below.max(upto.saturating_add(1));
    }

    /// All its messages may have been handed out.
    pub(super) fn suspect(&mut self) {
        self.handed_out_below = u64::MAX;
    }
}
