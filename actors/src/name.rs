//! A name that is shared rather than copied.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

/// The name of a queue, an exchange, a virtual host or a consumer; also a routing key.
///
/// Cloning counts a reference. A map keyed by `Name` is looked up with a `&str`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn a_map_of_names_is_looked_up_by_text() {
        let queues = HashMap::from([(Name::from("orders"), 1)]);
        assert_eq!(queues.get("orders"), Some(&1));
        assert_eq!(queues.get("order"), None);
    }

    #[test]
    fn a_clone_shares_the_text() {
        let name = Name::from("orders");
        assert!(std::ptr::eq(name.as_str(), name.clone().as_str()));
    }

    #[test]
    fn names_show_as_their_text() {
        assert_eq!(Name::from("a.b").to_string(), "a.b");
        assert_eq!(format!("{:?}", Name::from("a")), "\"a\"");
    }
}
