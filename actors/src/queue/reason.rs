//! Why a message dies, which its history and its routing hear.

use std::fmt;

/// Why a queue gave a message up to its dead-letter exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A consumer refused it, not to be requeued.
    Rejected,
    /// Its time was over.
    Expired,
    /// It was one too many for a queue of limited length.
    MaxLen,
    /// It came back more often than the queue lets it.
    DeliveryLimit,
    /// It is dead already, and goes back to where it first died. No history tells of that.
    Redriven,
}

impl Reason {
    /// All that a history can tell.
    pub const ALL: [Reason; 4] = [
        Reason::Rejected,
        Reason::Expired,
        Reason::MaxLen,
        Reason::DeliveryLimit,
    ];

    /// What clients read in the headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Rejected => "rejected",
            Reason::Expired => "expired",
            Reason::MaxLen => "maxlen",
            Reason::DeliveryLimit => "delivery_limit",
            Reason::Redriven => "redriven",
        }
    }

    /// The reason that is called so.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_read_back_by_its_name() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.name()), Some(reason));
        }
        assert_eq!(Reason::parse("Rejected"), None);
    }
}
