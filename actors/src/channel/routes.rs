//! The routes a channel remembers.
//!
//! Publishers use few exchanges and keys, and use them again and again. A route that was found once
//! is used until something in the virtual host changes, which its generation tells; what repeats the
//! route of the publication before, or follows on it as it did the last time, is recognised by comparing short strings.

use std::rc::Rc;
use std::slice;

use rustc_hash::FxHashMap;

/// Routes remembered at most; more distinct keys than this are routed anew each time.
const MOST_REMEMBERED: usize = 1024;

/// Where a publication with a certain exchange and key goes.
#[derive(Clone)]
pub(super) enum Route {
    /// To this queue, as the channel's attachments number them.
    Queue(u32),
    /// To none of them, or several.
    Queues(Rc<[u32]>),
    /// That depends on what else it is.
    ByContent,
    /// To the channel that waits for replies under this key.
    DirectReply,
}

impl Route {
    /// To these queues.
    pub(super) fn to(queues: Rc<[u32]>) -> Self {
        match *queues {
            [queue] => Route::Queue(queue),
            _ => Route::Queues(queues),
        }
    }

    /// The queues, if the route alone says which.
    #[inline]
    pub(super) fn queues(&self) -> Option<&[u32]> {
        match self {
            Route::Queue(queue) => Some(slice::from_ref(queue)),
            Route::Queues(queues) => Some(queues),
            Route::ByContent | Route::DirectReply => None,
        }
    }
}

/// One remembered route.
struct Remembered {
    exchange: Box<str>,
    key: Box<str>,
    route: Route,
    /// The place of the one that was used after it.
    next: usize,
}

impl Remembered {
    #[inline]
    fn is_of(&self, exchange: &str, key: &str) -> bool {
        same(&self.key, key) && same(&self.exchange, exchange)
    }
}

/// The last publication whose route depended on its headers.
struct Equal {
    exchange: Box<str>,
    key: Box<str>,
    properties: Box<[u8]>,
    queues: Rc<[u32]>,
}

/// The routes a channel remembers.
#[derive(Default)]
#[repr(C)]
pub(super) struct RouteMemo {
    generation: u64,
    /// The place of the one that was used last.
    last: usize,
    routes: Vec<Remembered>,
    equal: Option<Box<Equal>>,
    /// The place of each, by exchange and key, once there are several.
    places: Option<Box<Places>>,
}

type Places = FxHashMap<Box<str>, FxHashMap<Box<str>, usize>>;

impl RouteMemo {
    /// The route, if it is remembered and still true at `generation`.
    #[inline]
    pub(super) fn get(&mut self, exchange: &str, key: &str, generation: u64) -> Option<Route> {
        if self.generation != generation {
            self.clear();
            self.generation = generation;
            return None;
        }
        let last = self.routes.get(self.last)?;
        if last.is_of(exchange, key) {
            return Some(last.route.clone());
        }
        let next = self.routes.get(last.next)?;
        if next.is_of(exchange, key) {
            self.last = last.next;
            return Some(next.route.clone());
        }
        self.find(exchange, key)
    }

    /// Remembers a route that was not remembered at the generation last asked for.
    pub(super) fn put(&mut self, exchange: &str, key: &str, route: Route) {
        if self.routes.len() >= MOST_REMEMBERED {
            self.clear();
        }
        let place = self.routes.len();
        self.routes.push(Remembered {
            exchange: exchange.into(),
            key: key.into(),
            route,
            next: place,
        });
        if place > 0 {
            self.note_places();
        }
        self.use_after_last(place);
    }

    /// Where a publication goes that has the same properties as the last one [put by content](Self::put_by_content). To be
    /// asked after [`get`](Self::get) has said that it depends on them.
    #[inline]
    pub(super) fn get_by_content(&self, exchange: &str, key: &str, properties: &[u8]) -> Option<Rc<[u32]>> {
        let equal = self.equal.as_ref()?;
        let is_equal =
            *equal.properties == *properties && same(&equal.key, key) && same(&equal.exchange, exchange);
        is_equal.then(|| Rc::clone(&equal.queues))
    }

    /// Remembers where publications go that have these properties.
    pub(super) fn put_by_content(&mut self, exchange: &str, key: &str, properties: &[u8], queues: Rc<[u32]>) {
        self.equal = Some(Box::new(Equal {
            exchange: exchange.into(),
            key: key.into(),
            properties: properties.into(),
            queues,
        }));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.equal = None;
        self.routes.clear();
        self.places = None;
        self.last = 0;
    }

    fn find(&mut self, exchange: &str, key: &str) -> Option<Route> {
        let place = *self.places.as_ref()?.get(exchange)?.get(key)?;
        let route = self.routes.get(place)?.route.clone();
        self.use_after_last(place);
        Some(route)
    }

    /// Notes the places of those that were added since the last time.
    fn note_places(&mut self) {
        let first = if self.places.is_none() {
            0
        } else {
            self.routes.len() - 1
        };
        let places = self.places.get_or_insert_default();
        for (place, route) in self.routes.iter().enumerate().skip(first) {
            let of_exchange = places.entry(route.exchange.clone()).or_default();
            of_exchange.insert(route.key.clone(), place);
        }
    }

    fn use_after_last(&mut self, place: usize) {
        if let Some(last) = self.routes.get_mut(self.last) {
            last.next = place;
        }
        self.last = place;
    }
}

/// Equality that never looks at the bytes of an empty string: those of an empty box are nowhere, and comparing even
/// none of them there costs more than all the rest of a publication.
fn same(remembered: &str, given: &str) -> bool {
    remembered.len() == given.len() && (given.is_empty() || remembered == given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(route: Option<Route>) -> Option<Vec<u32>> {
        Some(route?.queues()?.to_vec())
    }

    #[test]
    fn a_route_is_remembered_until_the_generation_changes() {
        let mut memo = RouteMemo::default();
        assert!(memo.get("logs", "a", 1).is_none());
        memo.put("logs", "a", Route::to([1, 2].into()));
        memo.put("logs", "b", Route::to([3].into()));
        assert_eq!(queues(memo.get("logs", "a", 1)), Some(vec![1, 2]));
        assert_eq!(queues(memo.get("logs", "b", 1)), Some(vec![3]));
        assert!(memo.get("other", "b", 1).is_none());
        assert!(memo.get("logs", "a", 2).is_none());
    }

    #[test]
    fn what_went_by_its_headers_is_known_again_by_all_its_properties() {
        let mut memo = RouteMemo::default();
        memo.get("logs", "a", 1);
        memo.put_by_content("logs", "a", b"red", [1, 2].into());
        let found = |memo: &RouteMemo, exchange, key, properties| {
            let queues = memo.get_by_content(exchange, key, properties);
            queues.map(|queues| queues.to_vec())
        };
        assert_eq!(found(&memo, "logs", "a", b"red"), Some(vec![1, 2]));
        assert_eq!(found(&memo, "logs", "a", b"blue"), None);
        assert_eq!(found(&memo, "logs", "b", b"red"), None);
        assert_eq!(found(&memo, "other", "a", b"red"), None);
        memo.get("logs", "a", 2);
        assert_eq!(found(&memo, "logs", "a", b"red"), None, "something has changed");
    }

    #[test]
    fn routes_are_found_in_whatever_order_they_are_used() {
        let mut memo = RouteMemo::default();
        memo.get("", "", 1);
        for key in 0..10 {
            memo.put("logs", &key.to_string(), Route::to([key].into()));
        }
        for key in (0..10).chain(0..10).chain([3, 3, 1, 4, 1, 5, 9, 2, 6]) {
            let found = memo.get("logs", &key.to_string(), 1);
            assert_eq!(queues(found), Some(vec![key]));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memo = RouteMemo::default();
        memo.get("logs", "", 1);
        for key in 0..10 * MOST_REMEMBERED {
            memo.put("logs", &key.to_string(), Route::to([].into()));
            assert!(memo.routes.len() <= MOST_REMEMBERED);
        }
    }
}
