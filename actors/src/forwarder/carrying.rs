//! What a forwarder does with a convoy: what becomes of its messages, and which targets get copies.

use std::ops::RangeInclusive;
use std::sync::Arc;

use leveret_protocol::Body;
use tracing::info;

use super::actor::{Forwarder, attach};
use super::course::{Course, Target};
use super::death::Death;
use super::ledger::Copy;
use crate::chance;
use crate::clock;
use crate::exchange::walk::{Content, Message, walk};
use crate::journal::LEAST_BORROWED;
use crate::node::Context;
use crate::publication::{Page, Part};
use crate::queue::{Neighbours, Reason};

/// So many neighbours that go the same way keep their page, under a new head. Fewer are copied: a head and a mail for a few of
/// them cost more than that.
const FEWEST_RECAST: usize = 16;

impl Forwarder {
    /// Gathers the copies of messages of one page that died of one cause.
    pub(super) fn carry(&mut self, neighbours: Neighbours<'_>, time: u64, ctx: &mut Context<Self>) {
        let Neighbours {
            first,
            page,
            offsets,
            positions,
            reason,
        } = neighbours;
        #[cfg(feature = "faults")]
        offsets
            .iter()
            .for_each(|&offset| crate::fault::strike_if_poisoned(&page.get(offset)));
        let queue = self.source.name.clone();
        let death = Death {
            queue: &queue,
            reason,
            time,
        };
        let (mut number, mut positions) = (first, positions);
        for alike in page.alike(offsets) {
            let (at, others) = positions.split_at(alike.len().min(positions.len()));
            self.carry_alike(number, page, (alike, at), death, ctx);
            number += alike.len() as u64;
            positions = others;
        }
    }

    /// Gathers the copies of messages that differ in their bodies alone, and have numbers from `first` on. They are at these
    /// offsets of the page, and stood at these positions if a journal has them.
    fn carry_alike(
        &mut self,
        first: u64,
        page: &Arc<Page>,
        (offsets, positions): (&[u32], &[u64]),
        death: Death<'_>,
        ctx: &mut Context<Self>,
    ) {
        let Some(publication) = offsets.first().map(|&offset| page.get(offset)) else {
            return;
        };
        let known = self.courses.take(&publication, death);
        let course = known.or_else(|| {
            let outgoing = self.errand.prepare(&publication, death, &self.effective)?;
            Some(Box::new(Course::new(&publication, death, outgoing)))
        });
        let Some(mut course) = course else {
            return self.lead_nowhere(numbers(first, offsets), death.reason);
        };
        let (mut number, mut left, mut places) = (first, offsets, positions);
        while let Some(&next) = left.first() {
            let generation = self.directory.generation();
            if course.as_of != Some(generation) {
                self.find_targets(&mut course, generation, &page.body(next), ctx);
            }
            // What is to be found out for each is.
            let together = if course.as_of.is_some() { left.len() } else { 1 };
            let (now, later) = left.split_at(together);
            let (at, others) = places.split_at(together.min(places.len()));
            self.send(&course, number, page, (now, at), death.reason);
            number += together as u64;
            (left, places) = (later, others);
        }
        self.courses.put(course);
    }

    /// Sends or gathers messages that go the same way.
    fn send(
        &mut self,
        course: &Course,
        first: u64,
        page: &Arc<Page>,
        (offsets, positions): (&[u32], &[u64]),
        reason: Reason,
    ) {
        if course.targets.is_empty() {
            return self.lead_nowhere(numbers(first, offsets), reason);
        }
        self.ledger.set_out(numbers(first, offsets), course.targets.len());
        let like = course.outgoing.publication(Body::Slice(&[]));
        if offsets.len() >= FEWEST_RECAST {
            // What was gathered before goes before.
            self.post();
            self.note_sources(page, offsets, offsets, positions);
            let page = page.recast(&like, self.sources());
            return self.send_recast(&course.targets, first, &page, offsets);
        }
        let mut copies = std::mem::take(&mut self.copies);
        self.page
            .copy_all(&like, page, offsets, |offset| copies.push(offset));
        self.note_sources(page, offsets, &copies, positions);
        for target in &course.targets {
            self.gather(first, target, &copies);
        }
        copies.clear();
        self.copies = copies;
    }

    /// Notes where messages of a page stood that come to these places, if a journal has them and they are long.
    fn note_sources(&mut self, page: &Page, offsets: &[u32], places: &[u32], positions: &[u64]) {
        let messages = places.iter().zip(offsets).zip(positions);
        let long = messages.filter(|((_, offset), _)| page.body_len(**offset) >= LEAST_BORROWED);
        self.sources
            .extend(long.map(|((&place, _), &position)| (place, position)));
    }

    /// Sends messages of a page to their targets as they are in it.
    fn send_recast(&mut self, targets: &[Target], first: u64, page: &Arc<Page>, offsets: &[u32]) {
        let part = Part::whole(Arc::clone(page), offsets.to_vec(), None);
        for target in targets {
            if !self.ledger.waits(&target.name) {
                self.ship(target, part.clone(), vec![numbers(first, offsets)]);
                continue;
            }
            for (message, &offset) in (first..).zip(offsets) {
                let page = Arc::clone(page);
                let copy = Copy {
                    message,
                    page,
                    offset,
                };
                self.ledger.wait(&target.name, copy);
            }
        }
    }

    /// Messages are not wanted anywhere.
    fn lead_nowhere(&mut self, numbers: RangeInclusive<u64>, reason: Reason) {
        match reason {
            // Where it came from is gone: it stays where it is.
            Reason::Redriven => self.unwanted.push(numbers),
            _ => self.ledger.set_out(numbers, 0),
        }
    }

    /// Finds out which queues messages go to.
    fn find_targets(
        &mut self,
        course: &mut Course,
        generation: u64,
        body: &Body<'_>,
        ctx: &mut Context<Self>,
    ) {
        let outgoing = &course.outgoing;
        let (directory, exchange, mut names) = (&self.directory, &outgoing.via, Vec::new());
        course.as_of = Some(generation);
        if let Some(found) = directory.exchange(exchange) {
            let keys: Vec<&str> = outgoing.keys.iter().map(String::as_str).collect();
            let content = Content {
                headers: Some(&outgoing.headers),
                properties: &outgoing.properties,
                now: clock::now(),
                random: chance::draw(),
            };
            let message = Message {
                keys: &keys,
                content: Some(content),
            };
            let walked = walk(&**directory, &found.routing.load(), message, &mut names);
            let kept_by = walked.histories.iter();
            kept_by.for_each(|history| history.keep(outgoing.publication(body.clone())));
            course.as_of = (!walked.unsteady).then_some(generation);
        }
        let (queue, vhost) = (&self.source.name, &directory.vhost);
        if names.is_empty() && !std::mem::replace(&mut self.told.lost, true) {
            info!(%queue, %vhost, %exchange, "messages are dropped: the exchange they go to leads nowhere");
        }
        let before = names.len();
        names.retain(|name| !outgoing.goes_round(name));
        if names.len() < before && !std::mem::replace(&mut self.told.cycle, true) {
            info!(%queue, %vhost, %exchange, "dead messages that would go round for ever are dropped");
        }
        let found = names.iter().filter_map(|name| directory.queue(name));
        let attachments = &mut self.attachments;
        let attached = found.map(|queue| attach(attachments, queue, ctx));
        course.targets = attached.collect();
    }

    /// Gathers copies that are in the page. Their messages have numbers from `first` on.
    pub(super) fn gather(&mut self, first: u64, target: &Target, copies: &[u32]) {
        if self.ledger.waits(&target.name) {
            let waiting = (first..).zip(copies);
            self.waiting
                .extend(waiting.map(|(message, &offset)| (message, target.name.clone(), offset)));
        } else {
            self.gathered.add(target, first, copies);
        }
    }
}

/// The numbers of messages from `first` on.
fn numbers(first: u64, messages: &[u32]) -> RangeInclusive<u64> {
    first..=(first + messages.len() as u64).saturating_sub(1)
}
