//! How many records a segment has. Pure.

use crate::journal::record::Record;

/// How many records of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Records {
    /// Publications.
    pub publications: u64,
    /// Publications whose bodies are elsewhere.
    pub borrowers: u64,
    /// Bodies that moved without their publications.
    pub bodies: u64,
    /// Further queues of publications.
    pub references: u64,
    /// Messages that are gone.
    pub settled: u64,
    /// Messages that came back.
    pub returned: u64,
    /// How far a queue had delivered.
    pub handed_out: u64,
    /// Queues that are gone.
    pub queues_deleted: u64,
    /// Orderly stops.
    pub stopped: u64,
}

impl Records {
    pub(super) fn count(&mut self, record: &Record<'_>) {
        *match record {
            Record::Publication { .. } => &mut self.publications,
            Record::Borrower { .. } => &mut self.borrowers,
            Record::Body { .. } => &mut self.bodies,
            Record::Reference { .. } => &mut self.references,
            Record::Settled { .. } => &mut self.settled,
            Record::Returned { .. } => &mut self.returned,
            Record::HandedOut { .. } => &mut self.handed_out,
            Record::QueueDeleted { .. } => &mut self.queues_deleted,
            Record::Stopped => &mut self.stopped,
        } += 1;
    }
}
