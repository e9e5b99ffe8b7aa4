//! When it pays to look through notes of messages for those of messages that are gone. Pure.

/// Notes that are not worth a look, beyond twice as many as there are messages.
const FEW: usize = 1_024;

/// How a look through some notes came out last.
///
/// A look is worth it when most notes are of messages that are gone, and since the last one as many notes came as were left,
/// or half the messages went: so each note that comes and each message that goes pays for a few looks at one note.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stale {
    notes: usize,
    messages: usize,
}

impl Stale {
    /// Whether a look through so many notes is worth it while there are so many messages.
    #[inline]
    pub(super) fn pays(self, notes: usize, messages: usize) -> bool {
        notes > 2 * messages + FEW && (notes > 2 * self.notes + FEW || messages < self.messages / 2)
    }

    /// A look has left so many notes, of so many messages.
    pub(super) fn looked(&mut self, notes: usize, messages: usize) {
        *self = Stale { notes, messages };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_few_in_proportion_to_messages_and_looks_to_what_comes_and_goes() {
        let (mut stale, mut notes, mut looked, mut changes) = (Stale::default(), 0_usize, 0_usize, 0_usize);
        let fills = (0..100_000_usize).chain((0..100_000).rev());
        for messages in fills.clone().chain(fills) {
            // A note comes with every message, and stays when it goes.
            notes += 1;
            changes += 1;
            if stale.pays(notes, messages) {
                looked += notes;
                notes = messages;
                stale.looked(notes, messages);
            }
            assert!(notes <= 4 * messages + 2 * FEW + 2, "{notes} of {messages}");
        }
        assert!(looked < 8 * changes, "{looked} looks for {changes}");
    }

    #[test]
    fn what_a_look_can_not_tell_is_not_looked_at_again_and_again() {
        let mut stale = Stale::default();
        let mut looks = 0;
        for messages in (0..10_000).rev() {
            if stale.pays(1_000_000, messages) {
                looks += 1;
                stale.looked(1_000_000, messages);
            }
        }
        assert!(looks < 20, "{looks}");
    }
}
