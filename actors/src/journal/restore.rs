//! The unsettled messages of a queue, read back from the segments.

use std::io;
use std::sync::Arc;

use super::files::Files;
use super::index::{Index, Location};
use super::loading::{Pages, Source, Unread};
use crate::id::StoreId;
use crate::publication::Page;

/// Some messages of a queue, in order.
#[derive(Debug)]
pub struct Restored {
    /// Where the publications are.
    pub page: Arc<Page>,
    /// The messages' positions, which rise, and the places of their publications in the page.
    pub messages: Vec<(u64, u32)>,
}

/// Reads all unsettled messages of a queue.
///
/// A message that can't be read is left out, and `unreadable` hears its position.
///
/// # Errors
/// When a file can't be read.
pub fn restore(
    files: &Arc<dyn Files>,
    index: &Index,
    store: StoreId,
    mut unreadable: impl FnMut(u64, Location),
) -> io::Result<Vec<Restored>> {
    let mut source = Source::new(Arc::clone(files));
    let mut pages = Pages::default();
    let places: Vec<(u64, Location)> = index.messages(store).collect();
    for (at, &(position, location)) in places.iter().enumerate() {
        match source.read(places.get(at..).unwrap_or_default()) {
            Ok(publication) => pages.add(position, publication),
            Err(Unread::Io(failure)) => return Err(failure),
            Err(_) => unreadable(position, location),
        }
    }
    Ok(pages.finish())
}
