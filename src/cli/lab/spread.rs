//! The smallest, the middle and the largest of a few figures.

use super::cases::Figure;
use super::results::{BrokerResult, Measurement};

/// Where some figures lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` when there are no figures.
    pub(super) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(max);
        // Of an even number of figures the two in the middle count half each.
        let median = f64::midpoint(at((sorted.len() - 1) / 2), at(sorted.len() / 2));
        Some(Self { min, median, max })
    }

    /// Of what `of` finds in the rounds.
    pub(super) fn over(result: &BrokerResult, of: impl Fn(&Measurement) -> Option<f64>) -> Option<Self> {
        Self::of(result.rounds.iter().filter_map(of))
    }

    /// How many times better `ours` is than `theirs`, round by round: rounds that stood side by side met the same noise.
    pub(super) fn of_ratios(ours: &BrokerResult, theirs: &BrokerResult, figure: Figure) -> Option<Self> {
        let pairs = ours.rounds.iter().zip(&theirs.rounds);
        Self::of(pairs.filter_map(|(ours, theirs)| {
            let (ours, theirs) = (ours.figure(figure)?, theirs.figure(figure)?);
            Some(if figure.is_cost() {
                theirs / ours
            } else {
                ours / theirs
            })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_smallest_middle_and_largest() {
        let found = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((found.min, found.median, found.max), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN]), None);
    }

    #[test]
    fn a_ratio_says_how_many_times_better_also_where_less_is_better() {
        let result = |figures: &[f64]| BrokerResult {
            broker: String::new(),
            rounds: figures
                .iter()
                .map(|&figure| Measurement {
                    out: Some(figure),
                    resident: Some(figure),
                    ..Measurement::default()
                })
                .collect(),
        };
        let (ours, theirs) = (result(&[10.0, 30.0]), result(&[5.0, 5.0]));
        let more = Spread::of_ratios(&ours, &theirs, Figure::Out).unwrap();
        assert_eq!((more.min, more.max), (2.0, 6.0));
        let less = Spread::of_ratios(&theirs, &ours, Figure::Resident).unwrap();
        assert_eq!((less.min, less.max), (2.0, 6.0));
    }
}
