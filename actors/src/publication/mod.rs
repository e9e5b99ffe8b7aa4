//! Messages at rest and on their way: compact pages of publications, and handouts that point into them.

mod builder;
mod delivery_count;
mod handout;
mod likeness;
mod memory;
mod page;
mod part;
mod recast;
mod sources;
mod tray;

pub use builder::PageBuilder;
pub(crate) use delivery_count::Counted;
pub use handout::{Delivery, Handout, NO_KEY};
pub use likeness::Pattern;
pub use memory::{Room, others_exceed, pages_in_memory, room_taken};
pub use page::{Page, Publication};
pub use part::{Gathered, Part};
pub use sources::{Source, Sources};
pub use tray::{Portion, Seat, Tray};
