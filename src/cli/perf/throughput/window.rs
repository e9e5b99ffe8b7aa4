//! The messages a publisher has sent and the broker has not confirmed.

/// At most `capacity` messages under way, each with the time it was sent at.
#[derive(Debug)]
pub(crate) struct Window {
    capacity: usize,
    /// Send times by tag, modulo the length, which is a power of two; 0 once settled.
    sent_at: Vec<u64>,
    /// The lowest tag not settled, and the tag of the next message.
    low: u64,
    next: u64,
    open: usize,
}

impl Window {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            sent_at: vec![0; capacity.next_power_of_two()],
            low: 1,
            next: 1,
            open: 0,
        }
    }

    /// How many more messages may be sent.
    pub(crate) fn room(&self) -> usize {
        // Between the lowest open tag and the next no more than the ring holds, settled or not.
        let span = (self.next - self.low) as usize;
        (self.capacity - self.open).min(self.sent_at.len() - span)
    }

    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Takes note of `count` messages sent at `now`; the caller asked for [`room`](Self::room).
    pub(crate) fn sent(&mut self, count: usize, now: u64) {
        for _ in 0..count {
            let tag = self.next;
            if let Some(slot) = self.slot(tag) {
                *slot = now;
            }
            self.next += 1;
        }
        self.open += count;
    }

    /// Settles a tag, or all up to it; `each` gets the time every one of them was sent at.
    /// Returns how many were settled.
    pub(crate) fn settle(&mut self, tag: u64, multiple: bool, mut each: impl FnMut(u64)) -> usize {
        let from = if multiple { self.low } else { tag.max(self.low) };
        let mut settled = 0;
        for tag in from..tag.saturating_add(1).min(self.next) {
            let Some(slot) = self.slot(tag) else { continue };
            let sent_at = std::mem::take(slot);
            if sent_at != 0 {
                each(sent_at);
                settled += 1;
            }
        }
        self.open -= settled;
        while self.low < self.next && self.slot(self.low).is_some_and(|slot| *slot == 0) {
            self.low += 1;
        }
        settled
    }

    fn slot(&mut self, tag: u64) -> Option<&mut u64> {
        let mask = self.sent_at.len() - 1;
        self.sent_at.get_mut(tag as usize & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_has_no_room_until_something_is_confirmed() {
        let mut window = Window::new(3);
        window.sent(3, 10);
        assert_eq!((window.room(), window.open()), (0, 3));
        assert_eq!(window.settle(2, true, |sent_at| assert_eq!(sent_at, 10)), 2);
        assert_eq!((window.room(), window.open()), (2, 1));
    }

    #[test]
    fn each_message_is_settled_once() {
        let mut window = Window::new(4);
        window.sent(4, 10);
        assert_eq!(window.settle(2, false, |_| ()), 1);
        assert_eq!(window.settle(2, false, |_| ()), 0);
        assert_eq!(window.settle(4, true, |_| ()), 3);
        assert_eq!(window.open(), 0);
    }

    #[test]
    fn a_confirm_for_what_was_not_sent_is_ignored() {
        let mut window = Window::new(4);
        window.sent(1, 10);
        assert_eq!(window.settle(9, false, |_| ()), 0);
        assert_eq!(window.settle(u64::MAX, true, |_| ()), 1);
        assert_eq!(window.settle(0, true, |_| ()), 0);
        assert_eq!(window.room(), 4);
    }

    #[test]
    fn one_late_confirm_does_not_let_tags_overtake_it_in_the_ring() {
        let mut window = Window::new(4);
        window.sent(4, 10);
        assert_eq!(window.settle(2, false, |_| ()), 1);
        assert_eq!(window.settle(3, false, |_| ()), 1);
        assert_eq!((window.open(), window.room()), (2, 0));
    }
}
