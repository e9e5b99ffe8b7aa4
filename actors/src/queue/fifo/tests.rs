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
    assert!(fifo.chunks.len() <= 1);
    for n in 0..10_000 {
        fifo.push(n.into(), entry(n));
        fifo.pop();
    }
    assert!(fifo.chunks.len() <= 1);
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
    assert_eq!((fifo.len(), fifo.chunks.len()), (5_000, 40));
    fifo.take_out(1..=9_899, usize::MAX, |_, _| {});
    assert_eq!((fifo.len(), fifo.cost(), fifo.chunks.len()), (101, 101, 1));
    assert_eq!(fifo.pop(), Some((0, entry(0))));
    assert_eq!(fifo.pop(), Some((9_900, entry(9_900))));
}

#[derive(Clone, Debug)]
enum Step {
    /// So many entries, after so many positions that are left out.
    Push(u64, u64),
    Pop(usize),
    /// From a part of the way between first and last, so many positions, of which so many entries at most.
    TakeOut(f64, u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (prop_oneof![Just(0), 0..5_u64], 1..400_u64).prop_map(|(gap, n)| Step::Push(gap, n)),
        (1..300_usize).prop_map(Step::Pop),
        (0.0..1.0, 1..2_000_u64, 1..2_000_usize).prop_map(|(at, n, most)| Step::TakeOut(at, n, most)),
        (0.0..1.0, 1..5_u64, 1..5_usize).prop_map(|(at, n, most)| Step::TakeOut(at, n, most)),
    ]
}

proptest! {
    #[test]
    fn what_is_taken_out_is_not_popped(steps in vec(step(), 1..60)) {
        let (mut fifo, mut model, mut end) = (Fifo::default(), BTreeMap::new(), 0);
        for step in steps {
            match step {
                Step::Push(gap, n) => {
                    for position in end + gap..end + gap + n {
                        fifo.push(position, entry(position as u32));
                        model.insert(position, entry(position as u32));
                    }
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
                }
            }
            prop_assert_eq!((fifo.len(), fifo.cost()), (model.len(), model.len() as u64));
            prop_assert_eq!(fifo.first().map(|(at, _)| at), model.first_key_value().map(|(&at, _)| at));
            prop_assert!(fifo.iter_mut().map(|entry| entry.offset as u64).eq(model.keys().copied()));
            prop_assert!(fifo.iter().map(|(position, _)| position).eq(model.keys().copied()));
        }
    }
}
