//! The part of a batch that is for one queue.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::Page;
use crate::window::Permit;

/// Publications gathered for any number of queues, and what covers them on their way there.
struct Gathered {
    page: Arc<Page>,
    /// Places in the page, those for one queue side by side.
    offsets: Vec<u32>,
    permit: Option<Permit>,
}

/// Which of the publications gathered are for one queue. All parts share one allocation: a batch may be for many
/// queues, and have little for each.
#[derive(Clone)]
pub struct Part {
    gathered: Arc<Gathered>,
    from: u32,
    to: u32,
}

impl Part {
    /// All of what was gathered.
    pub fn whole(page: Arc<Page>, offsets: Vec<u32>, permit: Option<Permit>) -> Self {
        let to = offsets.len() as u32;
        let gathered = Arc::new(Gathered {
            page,
            offsets,
            permit,
        });
        Part {
            gathered,
            from: 0,
            to,
        }
    }

    /// What is at these of its offsets.
    pub fn of(&self, range: Range<u32>) -> Self {
        let to = self.from.saturating_add(range.end).min(self.to);
        Part {
            gathered: Arc::clone(&self.gathered),
            from: self.from.saturating_add(range.start).min(to),
            to,
        }
    }

    /// Where the publications are.
    pub fn page(&self) -> &Arc<Page> {
        &self.gathered.page
    }

    /// Which of the page's publications are meant, in order.
    pub fn offsets(&self) -> &[u32] {
        let range = self.from as usize..self.to as usize;
        self.gathered.offsets.get(range).unwrap_or_default()
    }

    /// Covers the bytes of the batch on their way.
    pub fn permit(&self) -> Option<&Permit> {
        self.gathered.permit.as_ref()
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("offsets", &self.offsets()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::PageBuilder;

    #[test]
    fn a_part_never_reaches_beyond_what_it_is_of() {
        let whole = Part::whole(PageBuilder::new().finish(), vec![10, 20, 30, 40], None);
        let part = whole.of(1..3);
        assert_eq!(part.offsets(), [20, 30]);
        assert_eq!(part.of(1..9).offsets(), [30]);
        assert_eq!(part.of(5..9).offsets(), [0; 0]);
    }
}
