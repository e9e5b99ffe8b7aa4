use proptest::{collection::vec, prelude::*};

use super::*;
use crate::journal::Run;
use crate::queue::absent::positions;

const KEPT: Entry = Entry {
    page: 7,
    offset: 0,
    cost: 10,
    redelivered: false,
    kept: true,
    scratched: false,
    level: 0,
};

/// Those at these positions came back, and others stand in all the other parts: 10 to 12, 20 to 25, 30 to 32 and 40 to 42.
fn in_all_parts(returned: &[u64]) -> Ready {
    let mut ready = Ready::default();
    (10..13).for_each(|position| ready.front.push(position, KEPT));
    ready.push_absent(Stretch::unread(
        Keeper::Journal,
        Run {
            positions: positions(20, 25),
            messages: 6,
        },
    ));
    let leaving: Vec<(u64, Entry)> = (30..33).map(|position| (position, KEPT)).collect();
    ready.leaving.push(Keeper::Scratch, &leaving);
    (40..43).for_each(|position| ready.back.push(position, KEPT));
    for &position in returned {
        ready.put_back(position, KEPT);
    }
    ready
}

fn numbers(taken: &TakenOut) -> Vec<u64> {
    let absent = taken.absent.iter().map(|stretch| stretch.run.positions);
    let absent = absent.flat_map(|part| part.first..=part.last);
    let here = taken.entries.iter().map(|&(position, _)| position);
    let mut numbers: Vec<u64> = here.chain(absent).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn what_stands_before_the_last_that_came_back_is_taken_with_it() {
    let mut ready = in_all_parts(&[3, 15, 37, 45]);
    let mut taken = TakenOut::default();
    assert_eq!(ready.take_out(&(0..=100), 4, &mut taken), 12);
    assert_eq!(numbers(&taken), [3, 10, 11, 12]);
    let mut taken = TakenOut::default();
    assert_eq!(ready.take_out(&(13..=100), 2, &mut taken), 30);
    assert_eq!(numbers(&taken), [15, 20, 21, 22, 23, 24, 25, 30]);
    let mut taken = TakenOut::default();
    assert_eq!(ready.take_out(&(31..=44), 9, &mut taken), 44);
    assert_eq!(numbers(&taken), [31, 32, 37, 40, 41, 42]);
    assert_eq!(ready.len(), 1);
    let mut taken = TakenOut::default();
    assert_eq!(ready.take_out(&(45..=45), 1, &mut taken), 45);
    assert!(numbers(&taken) == [45] && ready.is_empty());
}

#[test]
fn what_was_taken_from_among_absent_ones_is_not_taken_with_them_again() {
    let mut ready = in_all_parts(&[]);
    let mut taken = TakenOut::default();
    for away in [22, 24] {
        ready.take_out(&(away..=away), 1, &mut taken);
    }
    assert_eq!(numbers(&taken), [22, 24]);
    assert!(!ready.is_absent(22) && ready.is_absent(23));
    ready.put_back(24, KEPT);
    assert!(!ready.is_absent(24), "it is in memory");
    let mut taken = TakenOut::default();
    ready.take_out(&(20..=24), 100, &mut taken);
    assert_eq!(numbers(&taken), [20, 21, 23, 24]);
    assert_eq!(ready.absent.messages(), 1, "the last is counted");
    let mut taken = TakenOut::default();
    ready.take_out(&(0..=100), 100, &mut taken);
    assert_eq!(numbers(&taken), [10, 11, 12, 25, 30, 31, 32, 40, 41, 42]);
    assert!(ready.is_empty());
}

proptest! {
    #[test]
    fn each_is_taken_once_and_in_order_however_few_at_once(
        returned in vec(prop_oneof![0..10_u64, 13..20_u64, 26..30_u64, 33..40_u64, 43..50_u64], 0..20),
        away in vec(0..50_u64, 0..4),
        ends in vec(0..60_u64, 1..5),
        most in 1..6_usize,
    ) {
        let mut ready = in_all_parts(&returned);
        let mut waiting: Vec<u64> = returned;
        waiting.extend([10..13, 20..26, 30..33, 40..43].into_iter().flatten());
        waiting.sort_unstable();
        waiting.dedup();
        for away in away {
            let mut taken = TakenOut::default();
            prop_assert_eq!(ready.take_out(&(away..=away), 1, &mut taken), away);
            let expected: Vec<u64> = waiting.extract_if(.., |position| *position == away).collect();
            prop_assert_eq!(numbers(&taken), expected);
        }
        let mut first = 0;
        for end in ends.into_iter().chain([60]) {
            while first <= end {
                let mut taken = TakenOut::default();
                let upto = ready.take_out(&(first..=end), most, &mut taken);
                prop_assert!((first..=end).contains(&upto) && taken.entries.len() <= most);
                prop_assert!(upto == end || taken.entries.len() == most);
                let expected: Vec<u64> = waiting.extract_if(.., |position| *position <= upto).collect();
                prop_assert_eq!(numbers(&taken), expected);
                prop_assert_eq!(ready.len(), waiting.len());
                first = upto + 1;
            }
        }
        prop_assert!(ready.is_empty());
    }
}
