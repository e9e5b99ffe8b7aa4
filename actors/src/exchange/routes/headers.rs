//! The routes of a headers exchange, found by the headers a message carries.
//!
//! A binding that any criterion satisfies is listed under each of its criteria: to find one is to
//! match. A binding that needs all of them is listed under the one that fewest others are listed
//! under, and checked in full when that one holds. So a message meets the bindings that share one of
//! its headers, not all of them.

use std::sync::Arc;

use leveret_protocol::{Exception, FieldTable, ShortString};

use crate::exchange::{
    binding::Destination,
    routes::{
        counted::Counted,
        criteria::{Criteria, Criterion, Message},
    },
    shared_map::SharedMap,
};

#[derive(Clone, Default)]
pub(super) struct Headers {
    names: SharedMap<ShortString, Arc<Listed>>,
    /// Bindings that need all of no criteria.
    unconditional: Counted<Destination>,
}

impl Headers {
    /// # Errors
    ///
    /// 406 when the arguments are not those of a headers binding.
    pub(super) fn add(&mut self, arguments: &FieldTable, destination: &Destination) -> Result<(), Exception> {
        let criteria = Criteria::parse(arguments)?;
        if criteria.any {
            for criterion in criteria.list.iter() {
                self.bucket_mut(criterion).any.add(destination);
            }
        } else if let Some(rarest) = criteria.list.iter().min_by_key(|one| self.crowd(one)) {
            let conjunction = Conjunction {
                criteria: criteria.list.clone(),
                destination: destination.clone(),
            };
            self.bucket_mut(rarest).all.add(&conjunction);
        } else {
            self.unconditional.add(destination);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, arguments: &FieldTable, destination: &Destination) {
        let Ok(criteria) = Criteria::parse(arguments) else {
            return;
        };
        if criteria.any {
            for criterion in criteria.list.iter() {
                self.remove_in(criterion, |bucket| bucket.any.remove(destination));
            }
        } else if criteria.list.is_empty() {
            self.unconditional.remove(destination);
        } else {
            let conjunction = Conjunction {
                criteria: criteria.list.clone(),
                destination: destination.clone(),
            };
            let _listed = criteria
                .list
                .iter()
                .any(|criterion| self.remove_in(criterion, |bucket| bucket.all.remove(&conjunction)));
        }
    }

    /// Reports each destination at least once.
    pub(super) fn route(&self, headers: Option<&FieldTable>, sink: &mut dyn FnMut(&Destination)) {
        self.visit(headers, sink);
    }

    /// Routes and answers how many bindings were met.
    fn visit(&self, headers: Option<&FieldTable>, sink: &mut dyn FnMut(&Destination)) -> usize {
        self.unconditional.each(sink);
        let mut met = self.unconditional.len();
        let Some(headers) = headers else { return met };
        if self.names.is_empty() {
            return met;
        }
        let message = Message::read(headers);
        for (name, value) in message.fields() {
            if let Some(listed) = self.names.get(name) {
                met += listed.present.route(&message, sink);
                met += listed
                    .equal
                    .get(value)
                    .map_or(0, |bucket| bucket.route(&message, sink));
            }
        }
        met
    }

    /// How many bindings are listed under a criterion; presence is met more often than any value.
    fn crowd(&self, criterion: &Criterion) -> (usize, bool) {
        let listed = self.names.get(&criterion.name);
        let bucket = listed.and_then(|listed| listed.bucket(criterion));
        (
            bucket.map_or(0, |bucket| bucket.all.len()),
            criterion.value.is_none(),
        )
    }

    fn bucket_mut(&mut self, criterion: &Criterion) -> &mut Bucket {
        let listed = self
            .names
            .get_or_insert_with(criterion.name.clone(), Arc::default);
        let listed = Arc::make_mut(listed);
        match &criterion.value {
            None => &mut listed.present,
            Some(value) => listed.equal.get_or_insert_with(value.clone(), Bucket::default),
        }
    }

    /// Removes from the bucket of a criterion, and the bucket when nothing is left in it.
    fn remove_in(&mut self, criterion: &Criterion, remove: impl FnOnce(&mut Bucket) -> bool) -> bool {
        let Some(listed) = self.names.get_mut(&criterion.name) else {
            return false;
        };
        let listed = Arc::make_mut(listed);
        let removed = match &criterion.value {
            None => remove(&mut listed.present),
            Some(value) => {
                let Some(bucket) = listed.equal.get_mut(value) else {
                    return false;
                };
                let removed = remove(bucket);
                if bucket.is_empty() {
                    listed.equal.remove(value);
                }
                removed
            }
        };
        if listed.is_empty() {
            self.names.remove(&criterion.name);
        }
        removed
    }
}

/// The bindings listed under one header.
#[derive(Clone, Default)]
struct Listed {
    present: Bucket,
    equal: SharedMap<Box<[u8]>, Bucket>,
}

impl Listed {
    fn bucket(&self, criterion: &Criterion) -> Option<&Bucket> {
        match &criterion.value {
            None => Some(&self.present),
            Some(value) => self.equal.get(value),
        }
    }

    fn is_empty(&self) -> bool {
        self.present.is_empty() && self.equal.is_empty()
    }
}

/// The bindings listed under one criterion.
#[derive(Clone, Default)]
struct Bucket {
    any: Counted<Destination>,
    all: Counted<Conjunction>,
}

impl Bucket {
    fn route(&self, message: &Message<'_>, sink: &mut dyn FnMut(&Destination)) -> usize {
        self.any.each(sink);
        self.all.each(&mut |conjunction: &Conjunction| {
            if conjunction
                .criteria
                .iter()
                .all(|criterion| criterion.holds(message))
            {
                sink(&conjunction.destination);
            }
        });
        self.any.len() + self.all.len()
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.all.is_empty()
    }
}

/// A destination whose criteria must all hold.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Conjunction {
    criteria: Arc<[Criterion]>,
    destination: Destination,
}

#[cfg(test)]
mod tests {
    use leveret_protocol::FieldValue;

    use super::*;
    use crate::name::Name;

    fn table<const N: usize>(fields: [(&str, FieldValue); N]) -> FieldTable {
        FieldTable::from_iter(fields)
    }

    fn queue(name: &str) -> Destination {
        Destination::Queue(Name::from(name))
    }

    fn matches(arguments: &FieldTable, headers: &FieldTable) -> bool {
        let mut routes = Headers::default();
        routes.add(arguments, &queue("q")).unwrap();
        let mut hit = false;
        routes.route(Some(headers), &mut |_| hit = true);
        hit
    }

    fn refusal(mode: impl Into<FieldValue>) -> String {
        let arguments = table([("x-match", mode.into())]);
        Headers::default()
            .add(&arguments, &queue("q"))
            .unwrap_err()
            .reply_text()
    }

    #[test]
    fn all_is_the_default_and_needs_every_header() {
        for arguments in [
            table([("a", 1.into()), ("b", "x".into())]),
            table([("x-match", "all".into()), ("a", 1.into()), ("b", "x".into())]),
        ] {
            assert!(matches(
                &arguments,
                &table([("b", "x".into()), ("a", 1.into()), ("c", 1.into())])
            ));
            assert!(!matches(&arguments, &table([("a", 1.into())])));
            assert!(!matches(&arguments, &table([("a", 1.into()), ("b", "y".into())])));
        }
    }

    #[test]
    fn any_needs_one_header() {
        let arguments = table([("x-match", "any".into()), ("a", 1.into()), ("b", "x".into())]);
        assert!(matches(&arguments, &table([("b", "x".into())])));
        assert!(matches(&arguments, &table([("a", 1.into()), ("b", "y".into())])));
        assert!(!matches(&arguments, &table([("a", 2.into())])));
    }

    #[test]
    fn all_of_nothing_matches_everything_and_any_of_nothing_matches_nothing() {
        let some = table([("a", 1.into())]);
        assert!(matches(&FieldTable::new(), &some));
        assert!(matches(&table([("x-match", "all".into())]), &FieldTable::new()));
        assert!(!matches(&table([("x-match", "any".into())]), &some));
    }

    #[test]
    fn a_message_without_headers_meets_only_bindings_without_criteria() {
        let mut routes = Headers::default();
        routes.add(&FieldTable::new(), &queue("everything")).unwrap();
        routes
            .add(&table([("a", FieldValue::Void)]), &queue("a"))
            .unwrap();
        let mut names = Vec::new();
        routes.route(None, &mut |destination| names.push(destination.name().clone()));
        assert_eq!(names, ["everything"]);
    }

    #[test]
    fn a_void_value_asks_only_that_the_header_is_there() {
        let arguments = table([("a", FieldValue::Void)]);
        assert!(matches(&arguments, &table([("a", "anything".into())])));
        assert!(matches(&arguments, &table([("a", FieldValue::Void)])));
        assert!(!matches(&arguments, &table([("b", 1.into())])));
    }

    #[test]
    fn values_are_equal_whatever_their_integer_width() {
        let arguments = table([("a", FieldValue::I64(5))]);
        assert!(matches(&arguments, &table([("a", FieldValue::U8(5))])));
        assert!(!matches(&arguments, &table([("a", FieldValue::F64(5.0))])));
        assert!(!matches(&arguments, &table([("a", "5".into())])));
    }

    #[test]
    fn arguments_that_begin_with_x_are_ignored_unless_asked_for() {
        let message = table([("a", 1.into())]);
        for (mode, hit) in [
            ("all", true),
            ("any", true),
            ("all-with-x", false),
            ("any-with-x", true),
        ] {
            let arguments = table([("x-match", mode.into()), ("x-b", 1.into()), ("a", 1.into())]);
            assert_eq!(matches(&arguments, &message), hit, "{mode}");
        }
        let only_x = table([("x-match", "any-with-x".into()), ("x-b", 1.into())]);
        assert!(matches(&only_x, &table([("x-b", 1.into())])));
        assert!(!matches(&only_x, &table([("x-match", "any-with-x".into())])));
    }

    #[test]
    fn another_mode_is_refused() {
        assert_eq!(
            refusal("bogus"),
            "PRECONDITION_FAILED - Invalid x-match field value <<\"bogus\">>; \
             expected all, any, all-with-x, or any-with-x"
        );
        assert_eq!(
            refusal(1_i8),
            "PRECONDITION_FAILED - Invalid x-match field type byte (value 1); expected longstr"
        );
    }

    #[test]
    fn removed_bindings_leave_nothing_behind() {
        let mut routes = Headers::default();
        let all = table([("a", 1.into()), ("b", FieldValue::Void)]);
        let any = table([
            ("x-match", "any".into()),
            ("a", 1.into()),
            ("b", FieldValue::Void),
        ]);
        for arguments in [&all, &any, &all, &FieldTable::new()] {
            routes.add(arguments, &queue("q")).unwrap();
        }
        for arguments in [&all, &all, &any, &FieldTable::new()] {
            routes.remove(arguments, &queue("q"));
        }
        assert!(routes.names.is_empty());
        assert!(routes.unconditional.is_empty());
    }

    #[test]
    fn a_message_meets_only_bindings_that_share_a_header_with_it() {
        let mut routes = Headers::default();
        for n in 0..1_000 {
            let arguments = table([("format", "pdf".into()), ("customer", n.into())]);
            routes.add(&arguments, &queue(&format!("q{n}"))).unwrap();
        }
        let headers = table([("customer", 7.into()), ("format", "pdf".into())]);
        let mut names = Vec::new();
        let met = routes.visit(Some(&headers), &mut |destination| {
            names.push(destination.name().clone())
        });
        assert_eq!(names, ["q7"]);
        assert!(met <= 3, "{met} bindings met");
    }
}
