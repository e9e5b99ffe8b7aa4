//! What a consumer may still ask its queue for.
//!
//! Two things bound it. The prefetch bounds the messages that are on their way or unsettled. A window bounds,
//! in messages and in bytes, what is on its way to the socket, so that a client that reads slowly can't make
//! the broker's memory grow. The window in bytes widens as the client proves to read.
//!
//! ```text
//! granted      the queue may hand it out, or has and it is not here yet
//! unwritten    here, and not on the socket yet
//! unsettled    here, and not settled by the client
//!
//! granted + unsettled ≤ prefetch
//! granted + unwritten ≤ window     but for one message by which a queue may exceed the bytes
//! ```

use super::messages::Written;
use crate::queue::Grant;

/// Messages that may be on their way to the socket.
pub const WINDOW_MESSAGES: u32 = 32 * 1024;
/// Bytes that may be on their way to the socket, at first.
pub const FIRST_WINDOW: u32 = 128 * 1024;
/// Bytes that may be on their way to the socket of a client that reads fast.
pub const WIDEST_WINDOW: u32 = 4 * 1024 * 1024;

/// The credit ledger of one consumer.
#[derive(Clone, Debug)]
pub struct Credit {
    /// Bound of what is granted or unsettled; `None` without one.
    prefetch: Option<i64>,
    no_ack: bool,
    /// Bound of the bytes that are granted or unwritten.
    window: i64,
    /// Bound of the window.
    widest: i64,
    /// Bytes written since the window was last widened.
    written: u64,
    granted: Amount,
    unwritten: Amount,
    unsettled: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    messages: i64,
    bytes: i64,
}

impl Amount {
    fn add(&mut self, messages: u32, bytes: u64) {
        self.messages += i64::from(messages);
        self.bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
    }

    fn subtract(&mut self, messages: u32, bytes: u64) {
        self.messages -= i64::from(messages);
        self.bytes -= i64::try_from(bytes).unwrap_or(i64::MAX);
    }
}

impl Credit {
    /// The ledger of a consumer that has got nothing. A prefetch of 0 is no bound; without acks there is none.
    pub fn new(prefetch: u16, no_ack: bool) -> Self {
        Self {
            prefetch: (prefetch > 0 && !no_ack).then_some(i64::from(prefetch)),
            no_ack,
            window: FIRST_WINDOW.into(),
            widest: WIDEST_WINDOW.into(),
            written: 0,
            granted: Amount::default(),
            unwritten: Amount::default(),
            unsettled: 0,
        }
    }

    /// Whether deliveries are settled by being delivered.
    pub fn needs_no_ack(&self) -> bool {
        self.no_ack
    }

    /// Keeps the window in bytes from becoming wider than that.
    #[must_use]
    pub fn within(mut self, widest: u32) -> Self {
        self.widest = widest.into();
        self.window = self.window.min(self.widest);
        self
    }

    /// The queue handed out messages; they are on their way to the socket now.
    pub fn delivered(&mut self, messages: u32, bytes: u64) {
        self.granted.subtract(messages, bytes);
        self.unwritten.add(messages, bytes);
        if !self.no_ack {
            self.unsettled += i64::from(messages);
        }
    }

    /// Messages were settled by the client, or given back to the queue.
    pub fn settled(&mut self, messages: u32) {
        if !self.no_ack {
            self.unsettled = (self.unsettled - i64::from(messages)).max(0);
        }
    }

    /// Messages are on the socket, or were given back to the queue.
    pub fn written(&mut self, messages: u32, bytes: u64) {
        self.unwritten.subtract(messages, bytes);
        self.written += bytes;
        if self.written >= 2 * self.window as u64 && self.window < self.widest {
            self.window = (self.window * 2).min(self.widest);
            self.written = 0;
        }
    }

    /// The queue took back credit for messages. The bytes that went with it stay granted.
    pub fn unused(&mut self, messages: u32) {
        self.granted.messages -= i64::from(messages);
    }

    /// What to grant now, if it is worth a message: the grant counts as made.
    pub fn top_up(&mut self) -> Option<Grant> {
        let messages = self.messages_allowed();
        let bytes = self.bytes_allowed();
        let prefetch_is_the_bound = self.prefetch_room() < self.window_room();
        let worth =
            self.worth(messages, bytes) || prefetch_is_the_bound && messages > 0 && self.covers_bytes(bytes);
        worth
            .then(|| self.grant(messages, bytes))
            .filter(|grant| *grant != Grant::default())
    }

    /// How much must be written before there can be something to grant. Less need not be told to [`written`](Self::written)
    /// meanwhile: the queue has credit left, or waits for a settlement.
    pub fn awaited(&self) -> Written {
        let (messages, bytes) = (self.messages_allowed(), self.bytes_allowed());
        let prefetch_is_the_bound = self.prefetch_room() < self.window_room();
        if prefetch_is_the_bound && self.granted.messages + messages <= 0 && self.covers_bytes(bytes) {
            return Written {
                messages: u32::MAX,
                bytes: u64::MAX,
            };
        }
        if self.granted.messages <= 0 || self.granted.bytes <= 0 {
            return Written {
                messages: 1,
                bytes: 1,
            };
        }
        Written {
            messages: saturate(i64::from(WINDOW_MESSAGES / 4) - messages).max(1),
            bytes: (self.window / 4 - bytes).max(1) as u64,
        }
    }

    /// How much the queue may still hand out.
    pub fn granted(&self) -> Written {
        Written {
            messages: saturate(self.granted.messages),
            bytes: self.granted.bytes.max(0) as u64,
        }
    }

    /// How many messages it could take at once, if its queue offered some. 0 while the socket is behind.
    pub fn room(&self) -> u32 {
        let messages = self.messages_allowed();
        if self.covers_bytes(self.bytes_allowed()) {
            saturate(messages)
        } else {
            0
        }
    }

    /// The answer to an offer: a grant of at most `messages`, and no more than there is [`room`](Self::room) for.
    /// `None` without room. The grant counts as made.
    pub fn lend(&mut self, messages: u32) -> Option<Grant> {
        let messages = messages.min(self.room());
        (messages > 0).then(|| self.grant(messages.into(), self.bytes_allowed()))
    }

    /// Messages at the client and not settled.
    pub fn unsettled(&self) -> u32 {
        saturate(self.unsettled)
    }

    fn grant(&mut self, messages: i64, bytes: i64) -> Grant {
        let grant = Grant {
            messages: saturate(messages),
            bytes: saturate(bytes),
        };
        self.granted.add(grant.messages, grant.bytes.into());
        grant
    }

    /// Whether a part of the window worth a message of its own is free, or the queue has run out.
    fn worth(&self, messages: i64, bytes: i64) -> bool {
        let out_of_messages = self.granted.messages <= 0 && messages > 0;
        let out_of_bytes = self.granted.bytes <= 0 && bytes > 0;
        let can_be_used = self.granted.messages + messages > 0 && self.covers_bytes(bytes);
        let much = messages >= i64::from(WINDOW_MESSAGES / 4) || bytes >= self.window / 4;
        can_be_used && (out_of_messages || out_of_bytes || much)
    }

    /// Whether the queue could hand out a message with so many bytes more.
    fn covers_bytes(&self, bytes: i64) -> bool {
        self.granted.bytes + bytes.max(0) > 0
    }

    fn messages_allowed(&self) -> i64 {
        (self.prefetch_room().min(self.window_room()) - self.granted.messages).max(0)
    }

    fn bytes_allowed(&self) -> i64 {
        (self.window - self.unwritten.bytes - self.granted.bytes).max(0)
    }

    fn prefetch_room(&self) -> i64 {
        self.prefetch
            .map_or(i64::MAX, |prefetch| prefetch - self.unsettled)
    }

    fn window_room(&self) -> i64 {
        i64::from(WINDOW_MESSAGES) - self.unwritten.messages
    }
}

fn saturate(n: i64) -> u32 {
    u32::try_from(n.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn a_prefetch_is_granted_at_once_and_again_as_it_is_settled() {
        let mut credit = Credit::new(3, false);
        assert_eq!(credit.top_up().map(|grant| grant.messages), Some(3));
        credit.delivered(2, 200);
        credit.written(2, 200);
        assert_eq!(credit.top_up(), None, "all that may be unsettled is");
        credit.settled(1);
        assert_eq!(credit.top_up().map(|grant| grant.messages), Some(1));
        assert_eq!(credit.unsettled(), 1);
    }

    #[test]
    fn without_acks_the_window_is_the_bound() {
        let mut credit = Credit::new(3, true);
        assert_eq!(
            credit.top_up(),
            Some(Grant {
                messages: WINDOW_MESSAGES,
                bytes: FIRST_WINDOW
            })
        );
        credit.delivered(100, 100);
        assert_eq!(credit.unsettled(), 0);
        credit.written(100, 100);
        assert_eq!(credit.top_up(), None, "too little to be worth a message");
        credit.delivered(WINDOW_MESSAGES / 4, 100);
        assert_eq!(credit.top_up(), None, "nothing of it is written");
        credit.written(WINDOW_MESSAGES / 4, 100);
        assert_eq!(
            credit.top_up().map(|grant| grant.messages),
            Some(WINDOW_MESSAGES / 4 + 100)
        );
    }

    #[test]
    fn a_socket_that_takes_nothing_ends_credit() {
        let mut credit = Credit::new(1_000, false);
        credit.top_up();
        credit.delivered(10, 200 * KIB);
        credit.settled(10);
        assert_eq!((credit.top_up(), credit.room()), (None, 0));
        credit.written(10, 200 * KIB);
        assert_eq!(
            credit.top_up(),
            Some(Grant {
                messages: 10,
                bytes: 200 * KIB as u32
            })
        );
    }

    #[test]
    fn the_window_widens_as_the_client_reads() {
        let mut credit = Credit::new(0, true);
        let mut rounds = 0;
        while credit.window < WIDEST_WINDOW.into() {
            let bytes = credit.top_up().map_or(0, |grant| u64::from(grant.bytes));
            credit.delivered(1, bytes);
            credit.written(1, bytes);
            rounds += 1;
        }
        assert!(
            (10..16).contains(&rounds),
            "two windows of each of five widths: {rounds}"
        );
        let bytes = credit.top_up().map(|grant| grant.bytes);
        assert!(bytes <= Some(WIDEST_WINDOW));
    }

    #[test]
    fn a_message_larger_than_the_window_passes() {
        let mut credit = Credit::new(0, false);
        credit.top_up();
        credit.delivered(1, 100 * 1024 * KIB);
        assert_eq!(credit.top_up(), None);
        credit.written(1, 100 * 1024 * KIB);
        let grant = credit.top_up().unwrap();
        assert!(
            u64::from(grant.bytes) >= 100 * 1024 * KIB,
            "it pays for the excess, and for what comes next"
        );
    }

    #[test]
    fn an_offer_is_answered_within_the_prefetch_and_what_is_unused_comes_back() {
        let mut credit = Credit::new(4, false);
        assert_eq!(credit.lend(9).map(|grant| grant.messages), Some(4));
        assert_eq!((credit.room(), credit.lend(9)), (0, None));
        credit.delivered(1, 10);
        credit.unused(3);
        assert_eq!(credit.room(), 3);
        assert_eq!(credit.lend(2).map(|grant| grant.messages), Some(2));
    }
}
