//! Which publications of a page differ in nothing but their bodies. Some that do are not recognized.

use std::iter;

use super::page::{HEADER, Header, Page, REPEATED};

/// What a publication is but for its body, to find others like it on the same page.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    records: &'a [u8],
    /// Its record up to the body.
    stem: &'a [u8],
    body_len: usize,
}

impl Page {
    /// What the publication at `offset` is but for its body; `None` if that is large.
    #[inline]
    pub fn pattern(&self, offset: u32) -> Option<Pattern<'_>> {
        // With one head for all they are alike if they were before.
        let page = self.recast.as_ref().map_or(self, |recast| &recast.bodies);
        let header = Header::read(page.opening(offset)?);
        let (_, body_at) = page.properties_of(offset, &header);
        let stem = page.records.get(offset as usize..body_at)?;
        let pattern = Pattern {
            records: &page.records,
            stem,
            body_len: header.body_len as usize,
        };
        (!header.large).then_some(pattern)
    }

    /// The publications at these offsets, those together that stand side by side and are alike.
    pub fn alike<'a>(&self, offsets: &'a [u32]) -> impl Iterator<Item = &'a [u32]> {
        let mut left = offsets;
        iter::from_fn(move || {
            let (alike, rest) = left.split_at_checked(self.first_alike(left))?;
            left = rest;
            (!alike.is_empty()).then_some(alike)
        })
    }

    /// How many of the first publications are alike.
    fn first_alike(&self, offsets: &[u32]) -> usize {
        let Some((&first, others)) = offsets.split_first() else {
            return 0;
        };
        let Some(head) = self.opening(first) else {
            return if self.recast.is_some() { offsets.len() } else { 1 };
        };
        let (properties, _) = self.properties_of(first, &Header::read(head));
        let said = said_but_the_body(head);
        let is_alike = |opening: &[u8; HEADER], offset| {
            said_but_the_body(opening) == said && {
                let (others, _) = self.properties_of(offset, &Header::read(opening));
                std::ptr::eq(others, properties) || others == properties
            }
        };
        let differs = others.iter().position(|&offset| {
            let opening = self.opening(offset);
            !opening.is_some_and(|opening| is_alike(opening, offset))
        });
        1 + differs.unwrap_or(others.len())
    }
}

impl<'a> Pattern<'a> {
    /// The body of the publication at `offset`, if all else of it is as in this pattern, and its body as long.
    #[inline]
    pub fn body(self, offset: u32) -> Option<&'a [u8]> {
        let record = self.records.get(offset as usize..)?;
        let (before, rest) = record.split_at_checked(self.stem.len())?;
        rest.get(..self.body_len).filter(|_| before == self.stem)
    }
}

/// All that a record says before its properties, but of the body, and of where the properties are.
#[inline]
fn said_but_the_body(opening: &[u8; HEADER]) -> u64 {
    let [r0, r1, r2, r3, p0, p1, p2, p3, ..] = *opening;
    u64::from_le_bytes([r0, r1, r2, r3, p0, p1, p2, p3]) & !(u64::from(REPEATED) << 32)
}
