//! What of a message decides where a consistent-hash exchange leads it.

use leveret_protocol::{Exception, FieldTable, Properties, ReplyCode};

use super::canonical;
use super::routes::hash;
use super::walk::Content;
use crate::name::Name;

/// What of a message is hashed. What it does not have hashes like nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HashBy {
    /// Its routing key.
    #[default]
    RoutingKey,
    /// The header of this name.
    Header(Name),
    /// The property `message_id`.
    MessageId,
    /// The property `correlation_id`.
    CorrelationId,
    /// The property `timestamp`.
    Timestamp,
}

impl HashBy {
    /// Reads the arguments of `exchange.declare`; `x-hash-on` is what LavinMQ calls `hash-header`.
    ///
    /// # Errors
    ///
    /// 406 when a header and a property are named, or a property that is not hashed.
    pub(super) fn parse(arguments: &FieldTable) -> Result<Self, Exception> {
        let refused = |text: String| Err(Exception::new(ReplyCode::PreconditionFailed, text));
        let header = arguments
            .get("hash-header")
            .or_else(|| arguments.get("x-hash-on"));
        match (header, arguments.get("hash-property")) {
            (None, None) => Ok(HashBy::RoutingKey),
            (Some(_), Some(_)) => refused("hash-header and hash-property are mutually exclusive".to_owned()),
            (Some(header), None) => match header.as_str() {
                Some(header) => Ok(HashBy::Header(Name::from(header))),
                None => refused(format!("Unsupported header: {header}")),
            },
            (None, Some(property)) => match property.as_str() {
                Some("message_id") => Ok(HashBy::MessageId),
                Some("correlation_id") => Ok(HashBy::CorrelationId),
                Some("timestamp") => Ok(HashBy::Timestamp),
                _ => refused(format!("Unsupported property: {property}")),
            },
        }
    }

    /// The hash of a message.
    pub(super) fn hash(&self, key: &str, content: &Content<'_>) -> u64 {
        match self {
            HashBy::RoutingKey => hash(key.as_bytes()),
            HashBy::Header(name) => {
                let mut bytes = Vec::new();
                if let Some(value) = content.headers.and_then(|headers| headers.get(name)) {
                    canonical::by_value(value, &mut bytes);
                }
                hash(&bytes)
            }
            property => {
                let properties = Properties::parse(content.properties).unwrap_or_default();
                let timestamp = properties.timestamp.map(u64::to_be_bytes);
                let bytes = match property {
                    HashBy::MessageId => properties.message_id,
                    HashBy::CorrelationId => properties.correlation_id,
                    _ => timestamp.as_ref().map(<[u8; 8]>::as_slice),
                };
                hash(bytes.unwrap_or_default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &[(&str, &str)]) -> String {
        let arguments = FieldTable::from_iter(arguments.iter().copied());
        HashBy::parse(&arguments).unwrap_err().reply_text()
    }

    #[test]
    fn a_header_or_a_property_is_hashed_and_not_both() {
        assert_eq!(
            refusal(&[("hash-header", "a"), ("hash-property", "message_id")]),
            "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive"
        );
        assert_eq!(
            refusal(&[("hash-property", "app_id")]),
            "PRECONDITION_FAILED - Unsupported property: app_id"
        );
    }

    #[test]
    fn a_header_has_two_names() {
        for name in ["hash-header", "x-hash-on"] {
            let arguments = FieldTable::from_iter([(name, "id")]);
            assert_eq!(HashBy::parse(&arguments), Ok(HashBy::Header(Name::from("id"))));
        }
    }

    #[test]
    fn only_what_was_asked_for_decides() {
        let headers = FieldTable::from_iter([("id", 7)]);
        let wider = FieldTable::from_iter([("id", 7_i64)]);
        let content = |headers| Content {
            headers: Some(headers),
            ..Content::default()
        };
        let by_id = HashBy::Header(Name::from("id"));
        assert_eq!(
            by_id.hash("a", &content(&headers)),
            by_id.hash("b", &content(&wider))
        );
        assert_ne!(
            by_id.hash("a", &content(&headers)),
            by_id.hash("a", &Content::default())
        );
        assert_ne!(
            HashBy::RoutingKey.hash("a", &Content::default()),
            HashBy::RoutingKey.hash("b", &Content::default())
        );
    }
}
