//! Properties to be written.

use super::{Properties, flag};
use crate::{
    exception::Exception,
    types::{FieldTable, ShortString},
};
use bytes::{BufMut, Bytes, BytesMut};

/// Properties that own their values; absent ones stay off the wire.
///
/// ```
/// use leveret_protocol::{OwnedProperties, Properties};
///
/// let raw = OwnedProperties::new().with_delivery_mode(2).with_expiration("60000").encode();
/// assert_eq!(Properties::parse(&raw).unwrap().expiration, Some(&b"60000"[..]));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the specification's names")]
pub struct OwnedProperties {
    pub content_type: Option<ShortString>,
    pub content_encoding: Option<ShortString>,
    pub headers: Option<FieldTable>,
    /// 2 for a persistent message.
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<ShortString>,
    pub reply_to: Option<ShortString>,
    /// Milliseconds to live, in decimal digits.
    pub expiration: Option<ShortString>,
    pub message_id: Option<ShortString>,
    /// Seconds since 1970 in UTC.
    pub timestamp: Option<u64>,
    /// The property called `type`.
    pub kind: Option<ShortString>,
    pub user_id: Option<ShortString>,
    pub app_id: Option<ShortString>,
    pub cluster_id: Option<ShortString>,
}

macro_rules! setters {
    ($( $with:ident $field:ident : $kind:ty; )*) => {
        $(
            #[doc = concat!("Sets `", stringify!($field), "`.")]
            #[must_use]
            pub fn $with(mut self, value: impl Into<$kind>) -> Self {
                self.$field = Some(value.into());
                self
            }
        )*
    };
}

impl OwnedProperties {
    /// No properties.
    pub fn new() -> Self {
        OwnedProperties::default()
    }

    setters! {
        with_content_type content_type: ShortString;
        with_content_encoding content_encoding: ShortString;
        with_headers headers: FieldTable;
        with_delivery_mode delivery_mode: u8;
        with_priority priority: u8;
        with_correlation_id correlation_id: ShortString;
        with_reply_to reply_to: ShortString;
        with_expiration expiration: ShortString;
        with_message_id message_id: ShortString;
        with_timestamp timestamp: u64;
        with_kind kind: ShortString;
        with_user_id user_id: ShortString;
        with_app_id app_id: ShortString;
        with_cluster_id cluster_id: ShortString;
    }

    /// Flags and property list as on the wire.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        out.put_u16(self.flags());
        string(&mut out, &self.content_type);
        string(&mut out, &self.content_encoding);
        if let Some(headers) = &self.headers {
            headers.encode(&mut out);
        }
        out.extend(self.delivery_mode);
        out.extend(self.priority);
        string(&mut out, &self.correlation_id);
        string(&mut out, &self.reply_to);
        string(&mut out, &self.expiration);
        string(&mut out, &self.message_id);
        if let Some(timestamp) = self.timestamp {
            out.put_u64(timestamp);
        }
        string(&mut out, &self.kind);
        string(&mut out, &self.user_id);
        string(&mut out, &self.app_id);
        string(&mut out, &self.cluster_id);
        out.freeze()
    }

    fn flags(&self) -> u16 {
        let present = [
            (self.content_type.is_some(), flag::CONTENT_TYPE),
            (self.content_encoding.is_some(), flag::CONTENT_ENCODING),
            (self.headers.is_some(), flag::HEADERS),
            (self.delivery_mode.is_some(), flag::DELIVERY_MODE),
            (self.priority.is_some(), flag::PRIORITY),
            (self.correlation_id.is_some(), flag::CORRELATION_ID),
            (self.reply_to.is_some(), flag::REPLY_TO),
            (self.expiration.is_some(), flag::EXPIRATION),
            (self.message_id.is_some(), flag::MESSAGE_ID),
            (self.timestamp.is_some(), flag::TIMESTAMP),
            (self.kind.is_some(), flag::TYPE),
            (self.user_id.is_some(), flag::USER_ID),
            (self.app_id.is_some(), flag::APP_ID),
            (self.cluster_id.is_some(), flag::CLUSTER_ID),
        ];
        present
            .iter()
            .filter(|(present, _)| *present)
            .fold(0, |flags, (_, flag)| flags | flag)
    }
}

/// Copies every property; fails as [`Properties::headers`] does.
impl TryFrom<&Properties<'_>> for OwnedProperties {
    type Error = Exception;

    fn try_from(view: &Properties<'_>) -> Result<Self, Exception> {
        Ok(OwnedProperties {
            content_type: view.content_type.map(ShortString::from),
            content_encoding: view.content_encoding.map(ShortString::from),
            headers: view.headers()?,
            delivery_mode: view.delivery_mode,
            priority: view.priority,
            correlation_id: view.correlation_id.map(ShortString::from),
            reply_to: view.reply_to.map(ShortString::from),
            expiration: view.expiration.map(ShortString::from),
            message_id: view.message_id.map(ShortString::from),
            timestamp: view.timestamp,
            kind: view.kind.map(ShortString::from),
            user_id: view.user_id.map(ShortString::from),
            app_id: view.app_id.map(ShortString::from),
            cluster_id: view.cluster_id.map(ShortString::from),
        })
    }
}

fn string(out: &mut BytesMut, value: &Option<ShortString>) {
    if let Some(value) = value {
        value.encode(out);
    }
}
