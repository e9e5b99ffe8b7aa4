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

    /// Takes the messages back; the bytes stay, as their giver still counts them as given.
    pub(super) fn take_messages(&mut self) -> u32 {
        std::mem::take(&mut self.messages)
    }
}
