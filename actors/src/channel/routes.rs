//! The routes a channel remembers.
//!
//! Publishers use few exchanges and keys, and use them again and again. A route that was found once
//! is used until something in the virtual host changes, which its generation tells; what repeats the
//! route of the publication before is recognised by comparing two short strings.

use std::rc::Rc;

use rustc_hash::FxHashMap;

/// Routes remembered at most; more distinct keys than this are routed anew each time.
const MOST_REMEMBERED: usize = 1024;

/// Where a publication with a certain exchange and key goes.
#[derive(Clone)]
pub(super) enum Route {
    /// To these queues, as the channel's attachments number them.
    Queues(Rc<[u32]>),
    /// That depends on what else it is.
    ByContent,
    /// To the channel that waits for replies under this key.
    DirectReply,
}

/// One remembered route.
struct Remembered {
    exchange: Box<str>,
    key: Box<str>,
    route: Route,
}

/// The routes a channel remembers.
#[derive(Default)]
pub(super) struct RouteMemo {
    generation: u64,
    last: Option<Remembered>,
    routes: FxHashMap<Box<str>, FxHashMap<Box<str>, Route>>,
    count: usize,
}

impl RouteMemo {
    /// The route, if it is remembered and still true at `generation`.
    pub(super) fn get(&mut self, exchange: &str, key: &str, generation: u64) -> Option<Route> {
        if self.generation != generation {
            self.clear();
            self.generation = generation;
            return None;
        }
        if let Some(last) = &self.last
            && same(&last.key, key)
            && same(&last.exchange, exchange)
        {
            return Some(last.route.clone());
        }
        let route = self.routes.get(exchange)?.get(key)?.clone();
        self.last = Some(Remembered {
            exchange: exchange.into(),
            key: key.into(),
            route: route.clone(),
        });
        Some(route)
    }

    /// Remembers a route that was found at the generation last asked for.
    pub(super) fn put(&mut self, exchange: &str, key: &str, route: Route) {
        if self.count >= MOST_REMEMBERED {
            self.clear();
        }
        self.last = Some(Remembered {
            exchange: exchange.into(),
            key: key.into(),
            route: route.clone(),
        });
        self.routes
            .entry(exchange.into())
            .or_default()
            .insert(key.into(), route);
        self.count += 1;
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.last = None;
        self.routes.clear();
        self.count = 0;
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
        match route? {
            Route::Queues(queues) => Some(queues.to_vec()),
            Route::ByContent | Route::DirectReply => None,
        }
    }

    #[test]
    fn a_route_is_remembered_until_the_generation_changes() {
        let mut memo = RouteMemo::default();
        assert!(memo.get("logs", "a", 1).is_none());
        memo.put("logs", "a", Route::Queues([1, 2].into()));
        memo.put("logs", "b", Route::Queues([3].into()));
        assert_eq!(queues(memo.get("logs", "a", 1)), Some(vec![1, 2]));
        assert_eq!(queues(memo.get("logs", "b", 1)), Some(vec![3]));
        assert!(memo.get("other", "b", 1).is_none());
        assert!(memo.get("logs", "a", 2).is_none());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memo = RouteMemo::default();
        memo.get("logs", "", 1);
        for key in 0..10 * MOST_REMEMBERED {
            memo.put("logs", &key.to_string(), Route::Queues([].into()));
            assert!(memo.count <= MOST_REMEMBERED);
        }
    }
}
