//! What a consumer may still be handed.

/// Credit on its way from a consumer to its queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Further messages.
    pub messages: u32,
    /// Further bytes.
    pub bytes: u32,
}

/// Credit a queue holds for a consumer. The last message may exceed the bytes, which then are negative.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Credit {
    pub(super) messages: u32,
    pub(super) bytes: i64,
}

impl Credit {
    pub(super) fn add(&mut self, grant: Grant) {
        self.messages = self.messages.saturating_add(grant.messages);
        self.bytes = self.bytes.saturating_add(i64::from(grant.bytes));
    }

    /// Whether it covers a next message.
    #[inline]
    pub(super) fn covers(&self) -> bool {
        self.messages > 0 && self.bytes > 0
    }

    #[inline]
    pub(super) fn spend(&mut self, bytes: u32) {
        self.messages -= 1;
        self.bytes -= i64::from(bytes);
    }

    /// How many of these messages it covers, and what they cost together.
    #[inline]
    pub(super) fn covered(&self, costs: impl Iterator<Item = u32>) -> (usize, u64) {
        let (mut count, mut bytes) = (0, 0);
        for cost in costs.take(self.messages as usize) {
            if bytes >= self.bytes {
                break;
            }
            count += 1;
            bytes += i64::from(cost);
        }
        (count, bytes as u64)
    }

    /// So many messages were handed out, which cost so much together.
    #[inline]
    pub(super) fn spend_together(&mut self, messages: usize, bytes: u64) {
        self.messages -= messages as u32;
        self.bytes -= bytes as i64;
    }

    /// Takes the messages back; the bytes stay, as their giver still counts them as given.
    pub(super) fn take_messages(&mut self) -> u32 {
        std::mem::take(&mut self.messages)
    }
}
