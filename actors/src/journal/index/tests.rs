use super::*;

const A: StoreId = StoreId(1);
const B: StoreId = StoreId(2);

fn at(segment: u32, offset: u32) -> Location {
    Location { segment, offset }
}

fn id(store: StoreId, position: u64) -> MessageId {
    MessageId { store, position }
}

fn positions(first: u64, last: u64) -> Positions {
    Positions { first, last }
}

fn live(index: &Index) -> Vec<(u32, u64)> {
    index
        .segments()
        .map(|(number, segment)| (number, segment.live))
        .collect()
}

#[test]
fn settled_ranges_leave_the_rest_in_order() {
    let mut index = Index::default();
    for position in 0..1000 {
        index.insert(id(A, position), at(1, position as u32));
    }
    index.settle(A, positions(1, 62));
    index.settle(A, positions(64, 997));
    index.settle(A, positions(5, 2));
    let left: Vec<u64> = index.messages(A).map(|(position, _)| position).collect();
    assert_eq!(left, [0, 63, 998, 999]);
    assert_eq!(live(&index), [(1, 4)]);
    assert_eq!(index.get(A, 998), Some(at(1, 998)));
    assert_eq!(index.get(A, 64), None);
    index.remove(A);
    assert_eq!(live(&index), [(1, 0)]);
    assert_eq!(index.stores().count(), 0);
}

#[test]
fn a_range_is_looked_up_without_the_rest() {
    let mut index = Index::default();
    for position in (0..1000).filter(|position| position % 3 == 0) {
        index.insert(id(A, position), at(1, position as u32));
    }
    for (first, last) in [
        (0, 999),
        (60, 70),
        (62, 63),
        (63, 63),
        (64, 65),
        (998, u64::MAX),
        (9, 8),
    ] {
        let found: Vec<u64> = index
            .among(A, positions(first, last))
            .map(|(position, _)| position)
            .collect();
        let expected: Vec<u64> = (first..=last.min(999))
            .filter(|position| position % 3 == 0)
            .collect();
        assert_eq!(found, expected, "{first} to {last}");
    }
    assert_eq!(index.among(B, Positions::ALL).count(), 0);
    let run = Run {
        positions: positions(0, 999),
        messages: 334,
    };
    assert_eq!((index.waiting(A), index.waiting(B)), (Some(run), None));
}

#[test]
fn a_publication_lives_until_its_last_queue_settles_it() {
    let mut index = Index::default();
    index.insert(id(A, 7), at(1, 32));
    index.insert_further(id(B, 9), at(1, 32), id(A, 7), None);
    index.settle(A, positions(7, 7));
    assert_eq!(live(&index), [(1, 1)]);
    index.settle(B, positions(9, 9));
    assert_eq!(live(&index), [(1, 0)]);
}

#[test]
fn a_settled_publication_lives_again_for_a_further_queue() {
    let mut index = Index::default();
    index.insert(id(A, 7), at(1, 32));
    index.settle(A, positions(7, 7));
    assert_eq!(live(&index), [(1, 0)]);
    index.insert_further(id(B, 9), at(1, 32), id(A, 7), None);
    assert_eq!(live(&index), [(1, 1)]);
    index.insert_further(id(A, 8), at(1, 32), id(A, 7), None);
    index.settle(B, positions(9, 9));
    assert_eq!(live(&index), [(1, 1)]);
    index.settle(A, positions(8, 8));
    assert_eq!(live(&index), [(1, 0)]);
}

#[test]
fn a_message_that_moved_lives_only_in_its_new_place() {
    let mut index = Index::default();
    index.insert(id(A, 7), at(1, 32));
    index.insert(id(A, 7), at(2, 64));
    assert_eq!(live(&index), [(1, 0), (2, 1)]);
    assert_eq!(index.get(A, 7), Some(at(2, 64)));
}

#[test]
fn a_move_that_is_lost_never_happened() {
    let (mut index, lost) = (Index::default(), at(2, 50));
    index.insert(id(A, 1), at(1, 32));
    index.insert(id(A, 2), at(1, 64));
    index.insert_further(id(B, 1), at(1, 64), id(A, 2), None);
    index.insert(id(A, 3), at(1, 96));
    index.insert(id(A, 4), at(1, 128));
    let before = index.shared.clone();
    index.insert(id(A, 4), at(2, 32));
    index.insert(id(A, 1), at(2, 50));
    index.insert(id(A, 2), at(2, 64));
    index.insert_further(id(B, 1), at(2, 64), id(A, 2), None);
    index.insert(id(A, 3), at(2, 96));
    index.settle(A, positions(3, 3));
    assert_eq!(live(&index), [(1, 0), (2, 3)]);
    let back = [(A, 1, 32), (A, 2, 64), (B, 1, 64), (A, 3, 96), (A, 4, 128)];
    let back = back.map(|(store, position, offset)| (id(store, position), at(1, offset), None));
    index.move_back(lost, back.into_iter());
    assert_eq!(live(&index), [(1, 2), (2, 1)]);
    assert_eq!(index.shared, before);
    assert_eq!(index.get(A, 1), Some(at(1, 32)));
    assert_eq!(index.get(B, 1), Some(at(1, 64)));
    assert_eq!(index.get(A, 3), None, "it was settled meanwhile");
    assert_eq!(index.get(A, 4), Some(at(2, 32)), "it moved before");
    index.settle(A, positions(1, 2));
    assert_eq!(live(&index), [(1, 1), (2, 1)]);
    index.settle(B, positions(1, 1));
    assert_eq!(live(&index), [(1, 0), (2, 1)]);
}

#[test]
fn the_last_position_there_can_be_is_like_any_other() {
    let mut index = Index::default();
    index.insert(id(A, u64::MAX), at(1, 32));
    index.settle(A, positions(0, u64::MAX - 1));
    assert_eq!(index.get(A, u64::MAX), Some(at(1, 32)));
    index.settle(A, positions(u64::MAX, u64::MAX));
    assert_eq!(index.stores().count(), 0);
}
