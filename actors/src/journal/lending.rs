//! Publications whose bodies are in the records of others. Pure.
//!
//! A record that has no body names the place of one that has. When that segment is cleaned, the body moves on alone, and is still
//! known by the name it had.

use rustc_hash::FxHashMap;

use super::index::Location;

/// Who has no body of its own, and where it is.
#[derive(Debug, Default)]
pub(super) struct Lending {
    /// The names of the bodies, by the segments and offsets of the records that have none.
    borrowed: FxHashMap<u32, FxHashMap<u32, Location>>,
    /// How many records name a place, by its segment and offset.
    lent: FxHashMap<u32, FxHashMap<u32, u32>>,
    /// Where bodies are that have moved, by their names.
    moved: FxHashMap<Location, Location>,
    /// Records that have no body.
    count: usize,
}

/// What [borrowing](Lending::borrow) changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Borrowed {
    /// The record is known to borrow.
    Already,
    /// It does from now on, as others do.
    Further,
    /// It is the only one that does from the body at this place.
    First(Location),
}

/// What [returning](Lending::give_back) changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Returned {
    /// Other records have the same body.
    HasOthers,
    /// The body at this place was for this record alone.
    Unneeded(Location),
}

impl Lending {
    /// Whether every record has its own body.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The name of the body of the record at a place, if that has none of its own.
    pub(super) fn name_of(&self, at: Location) -> Option<Location> {
        self.borrowed.get(&at.segment)?.get(&at.offset).copied()
    }

    /// Where the body of the record at a place is, if that has none of its own.
    pub(super) fn body_of(&self, at: Location) -> Option<Location> {
        self.name_of(at).map(|name| self.place_of(name))
    }

    /// Where the body of this name is, if a record names it.
    pub(super) fn lent(&self, name: Location) -> Option<Location> {
        self.lent.get(&name.segment)?.get(&name.offset)?;
        Some(self.place_of(name))
    }

    /// The record at a place has the body of this name.
    pub(super) fn borrow(&mut self, at: Location, name: Location) -> Borrowed {
        let of_segment = self.borrowed.entry(at.segment).or_default();
        if of_segment.insert(at.offset, name).is_some() {
            return Borrowed::Already;
        }
        self.count += 1;
        let lent = self.lent.entry(name.segment).or_default();
        let count = lent.entry(name.offset).or_default();
        *count += 1;
        if *count > 1 {
            return Borrowed::Further;
        }
        Borrowed::First(self.place_of(name))
    }

    /// Nobody has the record at a place any more. `None` when it has its own body.
    pub(super) fn give_back(&mut self, at: Location) -> Option<Returned> {
        let name = take(&mut self.borrowed, at)?;
        self.count -= 1;
        let count = self.lent.get_mut(&name.segment)?.get_mut(&name.offset)?;
        *count -= 1;
        if *count > 0 {
            return Some(Returned::HasOthers);
        }
        take(&mut self.lent, name);
        Some(Returned::Unneeded(self.moved.remove(&name).unwrap_or(name)))
    }

    /// The body of this name is elsewhere now. Returns where it was, if a record names it.
    pub(super) fn relocate(&mut self, name: Location, to: Location) -> Option<Location> {
        let from = self.lent(name)?;
        if to == name {
            self.moved.remove(&name);
        } else {
            self.moved.insert(name, to);
        }
        Some(from)
    }

    /// The names of all bodies that records name.
    pub(super) fn names(&self) -> impl Iterator<Item = Location> {
        places(&self.lent).map(|(name, _)| name)
    }

    /// The places of the records without a body, and the names of these.
    pub(super) fn borrowed(&self) -> impl Iterator<Item = (Location, Location)> {
        places(&self.borrowed)
    }

    /// How many records have no body.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The names of the bodies that have moved, and their places.
    pub(super) fn moved(&self) -> impl ExactSizeIterator<Item = (Location, Location)> {
        self.moved.iter().map(|(&name, &place)| (name, place))
    }

    fn place_of(&self, name: Location) -> Location {
        self.moved.get(&name).copied().unwrap_or(name)
    }
}

fn take<T>(
    places: &mut FxHashMap<u32, FxHashMap<u32, T>>,
    Location { segment, offset }: Location,
) -> Option<T> {
    let of_segment = places.get_mut(&segment)?;
    let taken = of_segment.remove(&offset);
    if of_segment.is_empty() {
        places.remove(&segment);
    }
    taken
}

fn places<T: Copy>(places: &FxHashMap<u32, FxHashMap<u32, T>>) -> impl Iterator<Item = (Location, T)> {
    places.iter().flat_map(|(&segment, of_segment)| {
        let of_segment = of_segment.iter();
        of_segment.map(move |(&offset, &what)| (Location { segment, offset }, what))
    })
}
