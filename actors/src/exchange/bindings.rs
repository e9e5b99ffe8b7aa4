//! The bindings of one exchange.

use std::{fmt, sync::Arc};

use leveret_protocol::{Exception, FieldTable};

pub use crate::exchange::binding::{Binding, Destination};
use crate::{
    exchange::{canonical, kind::ExchangeKind, routes::Routes, shared_map::SharedMap},
    name::Name,
};

/// The set of bindings in which one exchange is the source, and the routes they make.
///
/// Two bindings are the same when destination, key and arguments are; the order of the arguments
/// does not count. A clone is cheap: it shares what is not changed afterwards.
#[derive(Clone)]
pub struct Bindings {
    by_destination: imbl::HashMap<Destination, Bound>,
    len: usize,
    routes: Routes,
}

impl Bindings {
    /// No bindings yet, of an exchange of this type.
    #[must_use]
    pub fn new(kind: ExchangeKind) -> Self {
        Self {
            by_destination: imbl::HashMap::new(),
            len: 0,
            routes: Routes::new(kind),
        }
    }

    /// Adds a binding; `false` when it was there already.
    ///
    /// # Errors
    ///
    /// 406 when the exchange is of type headers and `x-match` is not one of its modes.
    pub fn bind(&mut self, binding: Binding) -> Result<bool, Exception> {
        let identity = Identity::of(&binding);
        let bound = self.by_destination.get(&binding.destination);
        if bound.is_some_and(|bound| bound.get(&identity).is_some()) {
            return Ok(false);
        }
        self.routes.add(&binding)?;
        let Binding {
            destination,
            arguments,
            ..
        } = binding;
        self.by_destination
            .entry(destination)
            .or_default()
            .get_or_insert_with(identity, || arguments);
        self.len += 1;
        Ok(true)
    }

    /// Removes a binding; `false` when there is none like it.
    pub fn unbind(&mut self, binding: &Binding) -> bool {
        let Some(bound) = self.by_destination.get_mut(&binding.destination) else {
            return false;
        };
        let Some(arguments) = bound.remove(&Identity::of(binding)) else {
            return false;
        };
        if bound.is_empty() {
            self.by_destination.remove(&binding.destination);
        }
        self.len -= 1;
        self.routes.remove(&Binding {
            arguments,
            ..binding.clone()
        });
        true
    }

    /// Removes every binding to a destination that is gone, and answers how many they were. Takes time
    /// for these only.
    pub fn forget(&mut self, destination: &Destination) -> usize {
        let Some((destination, bound)) = self.by_destination.remove_with_key(destination) else {
            return 0;
        };
        for (identity, arguments) in bound.iter() {
            self.routes.remove(&identity.binding(&destination, arguments));
        }
        self.len -= bound.len();
        bound.len()
    }

    /// How many bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether anything is bound to this destination.
    #[must_use]
    pub fn leads_to(&self, destination: &Destination) -> bool {
        self.by_destination.contains_key(destination)
    }

    /// Every binding, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Binding> {
        self.by_destination.iter().flat_map(|(destination, bound)| {
            bound
                .iter()
                .map(|(identity, arguments)| identity.binding(destination, arguments))
        })
    }

    /// The routes as they are now; later changes do not show in them.
    #[must_use]
    pub fn routes(&self) -> Routes {
        self.routes.clone()
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The bindings of one destination. Most have one, so the short form of the map matters here.
type Bound = SharedMap<Identity, Arc<FieldTable>>;

/// What tells the bindings of one destination apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    routing_key: Name,
    /// The arguments in a form without order.
    arguments: Box<[u8]>,
}

impl Identity {
    fn of(binding: &Binding) -> Self {
        Self {
            routing_key: binding.routing_key.clone(),
            arguments: canonical::by_field(&binding.arguments),
        }
    }

    fn binding(&self, destination: &Destination, arguments: &Arc<FieldTable>) -> Binding {
        Binding {
            destination: destination.clone(),
            routing_key: self.routing_key.clone(),
            arguments: arguments.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(queue: &str, key: &str, arguments: FieldTable) -> Binding {
        Binding {
            destination: Destination::Queue(Name::from(queue)),
            routing_key: Name::from(key),
            arguments: Arc::new(arguments),
        }
    }

    fn plain(queue: &str, key: &str) -> Binding {
        binding(queue, key, FieldTable::new())
    }

    fn routed(routes: &Routes, key: &str) -> Vec<String> {
        let mut names = Vec::new();
        routes.route(key, None, &mut |destination| {
            names.push(destination.name().to_string())
        });
        names.sort();
        names
    }

    #[test]
    fn binding_again_makes_no_duplicate() {
        let mut bindings = Bindings::new(ExchangeKind::Direct);
        assert!(bindings.bind(plain("q", "k")).unwrap());
        assert!(!bindings.bind(plain("q", "k")).unwrap());
        assert_eq!(bindings.len(), 1);
        assert!(bindings.unbind(&plain("q", "k")));
        assert!(bindings.is_empty());
        assert!(routed(&bindings.routes(), "k").is_empty());
    }

    #[test]
    fn the_order_of_the_arguments_does_not_tell_bindings_apart() {
        let mut bindings = Bindings::new(ExchangeKind::Fanout);
        let one = FieldTable::from_iter([("a", 1), ("b", 2)]);
        let turned = FieldTable::from_iter([("b", 2), ("a", 1)]);
        assert!(bindings.bind(binding("q", "", one)).unwrap());
        assert!(!bindings.bind(binding("q", "", turned.clone())).unwrap());
        assert!(bindings.unbind(&binding("q", "", turned)));
    }

    #[test]
    fn bindings_that_differ_in_arguments_are_held_apart() {
        for kind in [ExchangeKind::Direct, ExchangeKind::Fanout, ExchangeKind::Topic] {
            let mut bindings = Bindings::new(kind);
            let other = FieldTable::from_iter([("a", 1)]);
            bindings.bind(plain("q", "k")).unwrap();
            bindings.bind(binding("q", "k", other.clone())).unwrap();
            assert_eq!(bindings.len(), 2);
            assert!(bindings.unbind(&binding("q", "k", other)));
            assert_eq!(routed(&bindings.routes(), "k"), ["q"], "{kind}");
            assert!(bindings.unbind(&plain("q", "k")));
            assert!(routed(&bindings.routes(), "k").is_empty());
        }
    }

    #[test]
    fn unbinding_what_is_not_bound_changes_nothing() {
        let mut bindings = Bindings::new(ExchangeKind::Topic);
        bindings.bind(plain("q", "a.*")).unwrap();
        for absent in [plain("q", "a.b"), plain("p", "a.*")] {
            assert!(!bindings.unbind(&absent));
        }
        assert!(!bindings.unbind(&Binding {
            destination: Destination::Exchange(Name::from("q")),
            ..plain("q", "a.*")
        }));
        assert_eq!(bindings.len(), 1);
    }

    #[test]
    fn a_forgotten_destination_loses_all_its_bindings_and_no_other() {
        let mut bindings = Bindings::new(ExchangeKind::Topic);
        for n in 0..20 {
            bindings.bind(plain("gone", &format!("k{n}"))).unwrap();
        }
        bindings.bind(plain("kept", "k1")).unwrap();
        let gone = Destination::Queue(Name::from("gone"));
        assert!(bindings.leads_to(&gone));
        assert_eq!(bindings.forget(&gone), 20);
        assert_eq!(bindings.forget(&gone), 0);
        assert!(!bindings.leads_to(&gone));
        assert_eq!(routed(&bindings.routes(), "k1"), ["kept"]);
        assert_eq!(bindings.len(), 1);
    }

    #[test]
    fn a_snapshot_does_not_change() {
        let mut bindings = Bindings::new(ExchangeKind::Direct);
        bindings.bind(plain("a", "k")).unwrap();
        let before = bindings.routes();
        bindings.bind(plain("b", "k")).unwrap();
        assert_eq!(routed(&before, "k"), ["a"]);
        assert_eq!(routed(&bindings.routes(), "k"), ["a", "b"]);
    }

    #[test]
    fn an_unfit_headers_binding_is_refused_and_not_held() {
        let mut bindings = Bindings::new(ExchangeKind::Headers);
        let unfit = binding("q", "", FieldTable::from_iter([("x-match", "some")]));
        assert!(bindings.bind(unfit.clone()).is_err());
        assert!(bindings.is_empty());
        assert!(Bindings::new(ExchangeKind::Direct).bind(unfit).unwrap());
    }

    #[test]
    fn bindings_are_listed_as_they_were_made() {
        let mut bindings = Bindings::new(ExchangeKind::Headers);
        let arguments = FieldTable::from_iter([("b", 1), ("a", 2)]);
        bindings.bind(binding("q", "k", arguments.clone())).unwrap();
        let listed: Vec<Binding> = bindings.iter().collect();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].routing_key, "k");
        assert_eq!(*listed[0].arguments, arguments);
    }
}
