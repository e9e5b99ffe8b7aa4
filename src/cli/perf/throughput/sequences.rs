//! Checks that what one consumer receives from each publisher comes once and in order.

use super::stamp::Origin;

/// What one consumer has seen of the publishers of this run.
#[derive(Debug)]
pub(crate) struct Sequences {
    run: u64,
    /// The sequence expected next, by publisher.
    next: Vec<u64>,
    findings: Findings,
}

/// What was found so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Messages of this run, redeliveries not counted.
    pub(crate) fresh: u64,
    /// Messages marked redelivered by the broker.
    pub(crate) redelivered: u64,
    /// Messages at or below a sequence already seen, without being marked redelivered.
    pub(crate) repeated: u64,
    /// Sequences passed over. A loss only where the consumer has its queue for itself.
    pub(crate) skipped: u64,
    /// Messages of another run, or of another program.
    pub(crate) foreign: u64,
}

impl Sequences {
    pub(crate) fn new(run: u64) -> Self {
        Self {
            run,
            next: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Takes note of a message.
    pub(crate) fn see(&mut self, origin: Option<Origin>, redelivered: bool) {
        if redelivered {
            self.findings.redelivered += 1;
            return;
        }
        let Some(origin) = origin else {
            self.findings.fresh += 1;
            return;
        };
        if !origin.is_of_run(self.run) {
            self.findings.foreign += 1;
            return;
        }
        self.findings.fresh += 1;
        let publisher = origin.publisher();
        if publisher >= self.next.len() {
            self.next.resize(publisher + 1, 0);
        }
        let Some(next) = self.next.get_mut(publisher) else {
            return;
        };
        let sequence = origin.sequence();
        if sequence < *next {
            self.findings.repeated += 1;
        } else {
            self.findings.skipped += sequence - *next;
            *next = sequence + 1;
        }
    }

    pub(crate) fn findings(&self) -> Findings {
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 3;

    fn seen(sequences: &[u64]) -> Findings {
        let mut checked = Sequences::new(RUN);
        for &sequence in sequences {
            checked.see(Some(Origin::first(RUN, 2).after(sequence)), false);
        }
        checked.findings()
    }

    #[test]
    fn an_unbroken_sequence_has_no_findings() {
        assert_eq!(
            seen(&[0, 1, 2]),
            Findings {
                fresh: 3,
                ..Findings::default()
            }
        );
    }

    #[test]
    fn a_hole_is_skipped_and_a_repetition_repeated() {
        assert_eq!(
            seen(&[0, 3, 3]),
            Findings {
                fresh: 3,
                skipped: 2,
                repeated: 1,
                ..Findings::default()
            }
        );
    }

    #[test]
    fn publishers_have_sequences_of_their_own() {
        let mut checked = Sequences::new(RUN);
        checked.see(Some(Origin::first(RUN, 0)), false);
        checked.see(Some(Origin::first(RUN, 1)), false);
        assert_eq!(
            checked.findings(),
            Findings {
                fresh: 2,
                ..Findings::default()
            }
        );
    }

    #[test]
    fn a_redelivery_and_a_stranger_do_not_disturb_the_order() {
        let mut checked = Sequences::new(RUN);
        checked.see(Some(Origin::first(RUN, 0).after(7)), true);
        checked.see(Some(Origin::first(RUN + 1, 0).after(7)), false);
        checked.see(None, false);
        let expected = Findings {
            fresh: 1,
            redelivered: 1,
            foreign: 1,
            ..Findings::default()
        };
        assert_eq!(checked.findings(), expected);
    }
}
