//! Where the bodies are of publications that have none, known once all segments are read. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use rustc_hash::{FxHashMap, FxHashSet};

use super::defect::DefectKind;
use super::index::{Location, MessageId};
use super::record::Positions;
use super::recovery::Recovered;
use super::segment::{file_name, file_number};

/// What is found out about a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Where it is.
    At(Location),
    /// It was deleted: all messages that had it were settled.
    Settled,
    /// It can't be read any more.
    Lost,
}

/// Bodies that have moved, by their names, and what can't be read.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    pub(super) moved: FxHashMap<Location, Location>,
    /// Bytes of each segment that can't be read.
    damaged: FxHashMap<u32, Vec<Range<u64>>>,
}

impl Bodies {
    /// These bytes of a segment can't be read.
    pub(super) fn damaged(&mut self, segment: u32, bytes: Range<u64>) {
        self.damaged.entry(segment).or_default().push(bytes);
    }

    /// Where the body of this name is, among segments of which the first is `oldest`; `is_there` tells which others are.
    pub(super) fn find(
        &self,
        name: Location,
        oldest: u32,
        is_there: impl FnOnce(u32) -> bool,
    ) -> Whereabouts {
        if let Some(&at) = self.moved.get(&name) {
            return Whereabouts::At(at);
        }
        if name.segment < oldest {
            return Whereabouts::Settled;
        }
        let damaged = self.damaged.get(&name.segment);
        let mut damaged = damaged.into_iter().flatten();
        let is_damaged = damaged.any(|bytes| bytes.contains(&name.offset.into()));
        if is_damaged || !is_there(name.segment) {
            Whereabouts::Lost
        } else {
            Whereabouts::At(name)
        }
    }
}

impl Recovered {
    /// All segments are read, of which the first is `oldest`: drops the messages whose bodies are not there any more.
    pub(super) fn find_bodies(&mut self, oldest: u32) {
        let mut bodies = std::mem::take(&mut self.bodies);
        for defect in &self.defects {
            let lasts = matches!(defect.kind, DefectKind::Damaged | DefectKind::Torn);
            if let Some(number) = file_number(&defect.file).filter(|_| lasts) {
                bodies.damaged(number, defect.bytes.start as u64..defect.bytes.end as u64);
            }
        }
        let (mut settled, mut lost) = (FxHashSet::default(), FxHashSet::default());
        let names: Vec<Location> = self.index.lending.names().collect();
        for name in names {
            let is_there = |number| self.index.segments.contains_key(&number);
            match bodies.find(name, oldest, is_there) {
                Whereabouts::At(at) => {
                    self.index.lending.relocate(name, at);
                }
                Whereabouts::Settled => {
                    settled.insert(name);
                }
                Whereabouts::Lost => {
                    lost.insert(name);
                }
            }
        }
        let stopped_in_order = self.stopped_in_order;
        self.drop_without(&settled, false);
        self.drop_without(&lost, true);
        self.stopped_in_order = stopped_in_order;
        self.index.recount_lent();
    }

    /// Drops the messages that have a body of these names.
    fn drop_without(&mut self, names: &FxHashSet<Location>, is_defect: bool) {
        if names.is_empty() {
            return;
        }
        let mut places = FxHashSet::default();
        let borrowed = self.index.lending.borrowed();
        places.extend(borrowed.filter_map(|(at, name)| names.contains(&name).then_some(at)));
        let mut gone = BTreeMap::new();
        for store in self.index.stores() {
            for (position, at) in self.index.messages(store) {
                if places.contains(&at) {
                    gone.insert((store.0, position), (MessageId { store, position }, at));
                }
            }
        }
        for (MessageId { store, position }, at) in gone.into_values() {
            self.index.settle(store, Positions::one(position));
            if is_defect {
                let offset = at.offset as usize;
                self.defect(&file_name(at.segment), offset..offset, DefectKind::Dangling);
            }
        }
    }
}
