use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;

fn entry(n: u32) -> Entry {
    Entry {
        page: 0,
        offset: n,
        cost: 1,
        redelivered: false,
        kept: false,
        scratched: false,
        level: 0,
    }
}

#[test]
fn entries_leave_in_order_with_their_positions_across_chunks() {
    let mut fifo = Fifo::default();
    let (mut pushed, mut popped) = (0, 0);
    for round in 0..100 {
        for _ in 0..round {
            fifo.push(pushed.into(), entry(pushed));
            pushed += 1;
        }
        for _ in 0..round / 2 {
            assert_eq!(fifo.pop(), Some((u64::from(popped), entry(popped))));
            popped += 1;
        }
        assert_eq!(fifo.len() as u32, pushed - popped);
        assert_eq!(
            fifo.iter_mut().map(|entry| entry.offset).collect::<Vec<_>>(),
            Vec::from_iter(popped..pushed)
        );
    }
    while let Some((_, next)) = fifo.pop() {
        assert_eq!(next, entry(popped));
        popped += 1;
    }
    assert_eq!(popped, pushed);
}

#[test]
fn positions_may_be_left_out() {
    let positions = [3, 4, 5, 9, 10, 1_000, 1_002, 1_003];
    let mut fifo = Fifo::default();
    for _ in 0..2 {
        for (n, position) in positions.into_iter().enumerate() {
            fifo.push(position, entry(n as u32));
        }
        assert_eq!((fifo.len(), fifo.cost()), (8, 8));
        assert_eq!(
            fifo.iter().map(|(position, _)| position).collect::<Vec<_>>(),
            positions
        );
        for (n, position) in positions.into_iter().enumerate() {
            assert_eq!(fifo.first(), Some((position, &entry(n as u32))));
            assert_eq!(fifo.pop(), Some((position, entry(n as u32))));
        }
        assert_eq!((fifo.pop(), fifo.cost()), (None, 0));
    }
}

#[test]
fn an_empty_fifo_keeps_one_chunk_at_most() {
    let mut fifo = Fifo::default();
    for n in 0..10_000 {
        fifo.push(n.into(), entry(n));
    }
    while fifo.pop().is_some() {}
    assert!(fifo.rest.is_none());
    for n in 0..10_000 {
        fifo.push(n.into(), entry(n));
        fifo.pop();
    }
    assert!(fifo.rest.is_none());
}

#[test]
fn gaps_are_passed_over_and_closed_when_they_are_many() {
    let mut fifo = Fifo::default();
    for n in 0..10_000 {
        fifo.push(n.into(), entry(n));
    }
    let mut taken = Vec::new();
    fifo.take_out(100..=9_899, 5_000, |position, _| taken.push(position));
    assert_eq!(taken, Vec::from_iter(100..5_100));
    assert_eq!((fifo.len(), chunks(&fifo)), (5_000, 22));
    fifo.take_out(1..=9_899, usize::MAX, |_, _| {});
    assert_eq!((fifo.len(), fifo.cost(), chunks(&fifo)), (101, 101, 3));
    assert_eq!(fifo.pop(), Some((0, entry(0))));
    assert_eq!(fifo.pop(), Some((9_900, entry(9_900))));
}

#[test]
fn those_that_were_handed_out_before_are_taken_out_like_others() {
    for most in [1_000, 999, 300, 1] {
        let mut fifo = Fifo::default();
        for n in 0..1_000 {
            let redelivered = true;
            fifo.push(
                n.into(),
                Entry {
                    redelivered,
                    ..entry(n)
                },
            );
        }
        let mut taken = Vec::new();
        fifo.take_out(0..=999, most, |position, _| taken.push(position));
        assert_eq!(taken, Vec::from_iter(0..most as u64));
        assert_eq!(fifo.len(), 1_000 - most);
    }
}

#[test]
fn one_that_stays_takes_no_room_for_those_that_pass_behind_it() {
    let mut fifo = Fifo::default();
    for n in 0..200_000 {
        fifo.push(n.into(), entry(n));
        if n > 1_000 {
            let due = u64::from(n) - 500;
            fifo.take_out(due..=due, 1, |_, _| {});
        }
        assert!(chunks(&fifo) < 10);
    }
    assert_eq!(fifo.first(), Some((0, &entry(0))));
}

#[test]
fn few_are_moved_at_once_however_many_there_are() {
    let count = 100_000;
    let mut fifo = Fifo::default();
    (0..count).for_each(|n| fifo.push(n, entry(n as u32)));
    let (mut moved, mut position) = (0, 0);
    // All in an order that is far from theirs.
    for left in (0..count).rev() {
        position = (position + 61_803) % count;
        let mut taken = 0;
        let now = fifo.take_out(position..=position, 1, |_, _| taken += 1);
        assert!(taken == 1 && now <= 3 * CHUNK, "{now} moved");
        moved += now;
        let most = left as usize / (CHUNK / 8) + 3;
        assert!(
            left % 1_000 > 0 || chunks(&fifo) <= most,
            "{} for {left}",
            chunks(&fifo)
        );
    }
    assert!(
        fifo.len() == 0 && moved < 4 * count as usize,
        "{moved} moved together"
    );
}

fn chunks(fifo: &Fifo) -> usize {
    1 + fifo.rest.as_ref().map_or(0, |rest| 1 + rest.middle.len())
}

#[derive(Clone, Debug)]
enum Step {
    /// So many entries, after so many positions that are left out.
    Push(u64, u64),
    Pop(usize),
    /// The same, together.
    PushAll(u64, u64),
    /// From a part of the way between first and last, so many positions, of which so many entries at most.
    TakeOut(f64, u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (prop_oneof![Just(0), 0..5_u64], 1..400_u64).prop_map(|(gap, n)| Step::Push(gap, n)),
        (prop_oneof![Just(0), 0..5_u64, Just(1 << 32)], 1..400_u64)
            .prop_map(|(gap, n)| Step::PushAll(gap, n)),
        (1..300_usize).prop_map(Step::Pop),
        (prop_oneof![Just(0.0), 0.0..1.0], 1..2_000_u64, 1..2_000_usize)
            .prop_map(|(at, n, most)| Step::TakeOut(at, n, most)),
        (0.0..1.0, 1..5_u64, 1..5_usize).prop_map(|(at, n, most)| Step::TakeOut(at, n, most)),
    ]
}

proptest! {
    #[test]
    fn what_is_taken_out_is_not_popped(steps in vec(step(), 1..60)) {
        let (mut fifo, mut model, mut end) = (Fifo::default(), BTreeMap::new(), 0);
        let entry = |n: u32| Entry { redelivered: n / 700 % 2 == 1, ..entry(n) };
        for step in steps {
            match step {
                Step::Push(gap, n) => {
                    for position in end + gap..end + gap + n {
                        fifo.push(position, entry(position as u32));
                        model.insert(position, entry(position as u32));
                    }
                    end += gap + n;
                }
                Step::PushAll(gap, n) => {
                    let first = end + gap;
                    let offsets = Vec::from_iter((first..first + n).map(|position| position as u32));
                    prop_assert_eq!(fifo.push_all(first, &offsets, entry), n);
                    model.extend((first..).zip(offsets.into_iter().map(entry)));
                    end += gap + n;
                }
                Step::Pop(n) => {
                    for _ in 0..n {
                        prop_assert_eq!(fifo.pop(), model.pop_first());
                    }
                }
                Step::TakeOut(at, n, most) => {
                    let first = model.first_key_value().map_or(end, |(&first, _)| first);
                    let from = first + ((end - first) as f64 * at) as u64;
                    let range = from..=from + n;
                    let expected: Vec<u64> = model.range(range.clone()).map(|(&at, _)| at).take(most).collect();
                    let mut taken = Vec::new();
                    fifo.take_out(range, most, |position, entry| taken.push((position, entry)));
                    for (position, entry) in &taken {
                        prop_assert_eq!(model.remove(position), Some(*entry));
                    }
                    prop_assert_eq!(taken.iter().map(|(at, _)| *at).collect::<Vec<_>>(), expected);
                    let left = model.range(from..=from + n).next().is_some();
                    prop_assert_eq!(fifo.overlaps(&(from..=from + n)), left);
                    let later = fifo.iter_from(from).map(|(position, _)| position);
                    prop_assert!(later.eq(model.range(from..).map(|(&at, _)| at)));
                }
            }
            prop_assert_eq!((fifo.len(), fifo.cost()), (model.len(), model.len() as u64));
            prop_assert_eq!(fifo.first().map(|(at, _)| at), model.first_key_value().map(|(&at, _)| at));
            prop_assert!(fifo.iter_mut().map(|entry| *entry).eq(model.values().copied()));
            for most in [0, 1, 300] {
                let (first, run) = fifo.run(most).unwrap_or_default();
                let none = most == 0 || model.values().next().is_none_or(|first| first.redelivered);
                prop_assert!(run.len() <= most && run.is_empty() == none);
                let expected = model.iter().take(run.len()).map(|(&at, &entry)| (at, entry));
                prop_assert!((first..).zip(run.iter().copied()).eq(expected));
            }
            prop_assert!(fifo.iter().map(|(position, _)| position).eq(model.keys().copied()));
        }
    }
}
