//! The policies of a virtual host, and which of them hold for what.

use std::collections::BTreeMap;
use std::sync::Arc;

use leveret_protocol::FieldTable;
use regex::Regex;

use super::definition::{InvalidPolicy, Meaning, merged};
use super::{ApplyTo, Policy, PolicyClass};
use crate::name::Name;
use crate::queue::effective::Effective;
use crate::queue::options::QueueOptions;
use crate::queue::terms::Terms;

/// A policy that was found fit.
#[derive(Clone, Debug)]
pub struct CheckedPolicy {
    policy: Policy,
    pattern: Regex,
    meaning: Meaning,
}

impl CheckedPolicy {
    /// Checks a policy.
    ///
    /// # Errors
    ///
    /// Says what does not fit: the pattern, what it is for, or something in its definition.
    pub fn new(policy: Policy, class: PolicyClass) -> Result<Self, InvalidPolicy> {
        let pattern = Regex::new(&policy.pattern).map_err(|error| {
            let (pattern, error) = (&policy.pattern, error.to_string());
            let why = error
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            InvalidPolicy::new(format!(
                "pattern should be a regular expression pattern but is <<\"{pattern}\">>: {why}"
            ))
        })?;
        if class == PolicyClass::Operator && policy.apply_to == ApplyTo::Exchanges {
            return Err(InvalidPolicy::new(
                "apply-to 'exchanges' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', \
                 or 'streams'",
            ));
        }
        let meaning = Meaning::read(&policy.definition, class)?;
        Ok(CheckedPolicy {
            policy,
            pattern,
            meaning,
        })
    }

    /// What was checked.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

/// What policies do to one queue or exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// The name of its policy.
    pub policy: Option<Name>,
    /// The name of its operator policy.
    pub operator_policy: Option<Name>,
    /// What the two say together, before its own arguments.
    pub effective_policy_definition: FieldTable,
}

/// The policies of a virtual host. A clone is cheap: it shares them.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    ordinary: BTreeMap<Name, Arc<CheckedPolicy>>,
    operator: BTreeMap<Name, Arc<CheckedPolicy>>,
}

impl Policies {
    /// Adds a policy, or puts it in the place of the one with its name.
    pub fn set(&mut self, class: PolicyClass, policy: Arc<CheckedPolicy>) {
        self.of_mut(class).insert(policy.policy.name.clone(), policy);
    }

    /// Removes a policy; whether there was one.
    pub fn clear(&mut self, class: PolicyClass, name: &str) -> bool {
        self.of_mut(class).remove(name).is_some()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ordinary.len() + self.operator.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The policies of a class, by name.
    pub fn iter(&self, class: PolicyClass) -> impl Iterator<Item = &Policy> {
        self.of(class).values().map(|checked| &checked.policy)
    }

    /// The policy of this name.
    #[must_use]
    pub fn get(&self, class: PolicyClass, name: &str) -> Option<&Policy> {
        self.of(class).get(name).map(|checked| &checked.policy)
    }

    /// What holds for a queue.
    #[must_use]
    pub fn effective(&self, queue: &str, options: &QueueOptions) -> Effective {
        let terms = |policy: Option<&CheckedPolicy>| -> Option<Terms> {
            policy.map(|policy| policy.meaning.terms.clone())
        };
        let (policy, operator) = self.of_queue(queue, options);
        Effective::of(options, terms(policy).as_ref(), terms(operator).as_ref())
    }

    /// What policies do to a queue.
    #[must_use]
    pub fn applied_to_queue(&self, queue: &str, options: &QueueOptions) -> Applied {
        let (policy, operator) = self.of_queue(queue, options);
        let said = |policy: Option<&CheckedPolicy>| {
            policy.map_or_else(FieldTable::new, |policy| policy.policy.definition.clone())
        };
        Applied {
            policy: policy.map(|policy| policy.policy.name.clone()),
            operator_policy: operator.map(|policy| policy.policy.name.clone()),
            effective_policy_definition: merged(&said(policy), &said(operator)),
        }
    }

    /// The alternate exchange that a policy gives an exchange; what its declaration says goes before.
    #[must_use]
    pub fn alternate(&self, exchange: &str) -> Option<Name> {
        self.of_exchange(exchange)?.meaning.alternate.clone()
    }

    /// What policies do to an exchange.
    #[must_use]
    pub fn applied_to_exchange(&self, exchange: &str) -> Applied {
        match self.of_exchange(exchange) {
            None => Applied::default(),
            Some(found) => Applied {
                policy: Some(found.policy.name.clone()),
                operator_policy: None,
                effective_policy_definition: found.policy.definition.clone(),
            },
        }
    }

    fn of_queue(
        &self,
        queue: &str,
        options: &QueueOptions,
    ) -> (Option<&CheckedPolicy>, Option<&CheckedPolicy>) {
        let fits = |apply_to: ApplyTo| apply_to.queues_of(options.kind);
        let of = |class| highest(self.of(class), queue, fits);
        (of(PolicyClass::Ordinary), of(PolicyClass::Operator))
    }

    /// The default exchange has no policy: it leads every key to the queue of that name.
    fn of_exchange(&self, exchange: &str) -> Option<&CheckedPolicy> {
        if exchange.is_empty() {
            return None;
        }
        highest(&self.ordinary, exchange, ApplyTo::exchanges)
    }

    fn of(&self, class: PolicyClass) -> &BTreeMap<Name, Arc<CheckedPolicy>> {
        match class {
            PolicyClass::Ordinary => &self.ordinary,
            PolicyClass::Operator => &self.operator,
        }
    }

    fn of_mut(&mut self, class: PolicyClass) -> &mut BTreeMap<Name, Arc<CheckedPolicy>> {
        match class {
            PolicyClass::Ordinary => &mut self.ordinary,
            PolicyClass::Operator => &mut self.operator,
        }
    }
}

/// The matching policy of the highest priority, the first by name among equals.
fn highest<'p>(
    policies: &'p BTreeMap<Name, Arc<CheckedPolicy>>,
    object: &str,
    fits: impl Fn(ApplyTo) -> bool,
) -> Option<&'p CheckedPolicy> {
    let mut found: Option<&CheckedPolicy> = None;
    for policy in policies.values() {
        let higher = found.is_none_or(|found| policy.policy.priority > found.policy.priority);
        if higher && fits(policy.policy.apply_to) && policy.pattern.is_match(object) {
            found = Some(policy);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use leveret_protocol::FieldValue;
    use leveret_protocol::method::queue::Declare;

    use super::*;

    fn policy(name: &str, pattern: &str, length: i32) -> Policy {
        Policy {
            name: Name::from(name),
            pattern: pattern.to_owned(),
            definition: FieldTable::from_iter([("max-length", length)]),
            priority: 0,
            apply_to: ApplyTo::All,
        }
    }

    fn set(policies: &mut Policies, class: PolicyClass, policy: Policy) {
        policies.set(class, Arc::new(CheckedPolicy::new(policy, class).unwrap()));
    }

    fn options(kind: &str) -> QueueOptions {
        let declare = Declare {
            queue: "q",
            durable: true,
            arguments: FieldTable::from_iter([("x-queue-type", kind)]),
            ..Declare::default()
        };
        QueueOptions::parse(&declare, "/").unwrap()
    }

    fn name_of(policies: &Policies, queue: &str) -> Option<String> {
        let applied = policies.applied_to_queue(queue, &options("classic"));
        applied.policy.map(|name| name.to_string())
    }

    #[test]
    fn a_name_matches_that_has_the_pattern_anywhere() {
        let mut policies = Policies::default();
        set(&mut policies, PolicyClass::Ordinary, policy("p", "b.d", 1));
        assert_eq!(name_of(&policies, "a bcd e").as_deref(), Some("p"));
        assert_eq!(name_of(&policies, "bcc"), None);
        set(&mut policies, PolicyClass::Ordinary, policy("p", "^b", 1));
        assert_eq!(name_of(&policies, "a bcd e"), None);
    }

    #[test]
    fn the_highest_priority_holds_and_the_first_name_among_equals() {
        let mut policies = Policies::default();
        for (name, priority) in [("c", 5), ("b", 5), ("a", -1)] {
            let prioritised = Policy {
                priority,
                ..policy(name, "", 1)
            };
            set(&mut policies, PolicyClass::Ordinary, prioritised);
        }
        assert_eq!(name_of(&policies, "q").as_deref(), Some("b"));
        assert!(policies.clear(PolicyClass::Ordinary, "b"));
        assert!(!policies.clear(PolicyClass::Operator, "c"));
        assert_eq!(name_of(&policies, "q").as_deref(), Some("c"));
        policies.clear(PolicyClass::Ordinary, "c");
        assert_eq!(name_of(&policies, "q").as_deref(), Some("a"));
    }

    #[test]
    fn a_policy_is_for_what_it_says() {
        let cases = [
            (ApplyTo::All, [true, true, true]),
            (ApplyTo::Exchanges, [false, false, true]),
            (ApplyTo::Queues, [true, true, false]),
            (ApplyTo::ClassicQueues, [true, false, false]),
            (ApplyTo::QuorumQueues, [false, true, false]),
            (ApplyTo::Streams, [false, false, false]),
        ];
        for (apply_to, expected) in cases {
            assert_eq!(ApplyTo::parse(apply_to.name()), Ok(apply_to));
            let mut policies = Policies::default();
            let limited = Policy {
                apply_to,
                ..policy("p", "", 1)
            };
            set(&mut policies, PolicyClass::Ordinary, limited);
            let found = [
                policies
                    .applied_to_queue("q", &options("classic"))
                    .policy
                    .is_some(),
                policies
                    .applied_to_queue("q", &options("quorum"))
                    .policy
                    .is_some(),
                policies.applied_to_exchange("e").policy.is_some(),
            ];
            assert_eq!(found, expected, "{apply_to}");
            assert_eq!(policies.applied_to_exchange("").policy, None);
        }
    }

    #[test]
    fn both_classes_hold_together() {
        let mut policies = Policies::default();
        set(&mut policies, PolicyClass::Ordinary, policy("p", "", 5));
        set(&mut policies, PolicyClass::Operator, policy("o", "", 3));
        let options = options("classic");
        assert_eq!(policies.effective("q", &options).max_length, Some(3));
        let applied = policies.applied_to_queue("q", &options);
        assert_eq!(applied.operator_policy, Some(Name::from("o")));
        assert_eq!(
            applied.effective_policy_definition.get("max-length"),
            Some(&FieldValue::I32(3))
        );
        policies.clear(PolicyClass::Operator, "o");
        assert_eq!(policies.effective("q", &options).max_length, Some(5));
    }

    #[test]
    fn a_pattern_must_be_one() {
        let refused = CheckedPolicy::new(policy("p", "(", 1), PolicyClass::Ordinary).unwrap_err();
        assert_eq!(
            refused.reason(),
            "pattern should be a regular expression pattern but is <<\"(\">>: unclosed group"
        );
        assert_eq!(
            ApplyTo::parse("topics").unwrap_err().reason(),
            "apply-to 'topics' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', \
             'streams', 'exchanges', or 'all'"
        );
        let of_exchanges = Policy {
            apply_to: ApplyTo::Exchanges,
            ..policy("p", "", 1)
        };
        assert!(CheckedPolicy::new(of_exchanges, PolicyClass::Operator).is_err());
    }
}
