//! The properties of a message: what publishers say about it.
//!
//! On the wire: 16 bits of flags, one a property from the highest bit down, then the properties present, in order.
//! The lowest bit of a word of flags announces a further word; AMQP 0-9-1 defines nothing for those.

mod owned;
pub mod rewrite;
mod view;

pub use owned::OwnedProperties;
pub use view::{Properties, delivery_mode, flags, priority};

/// The flag of each property.
pub mod flag {
    /// `content_type`, a short string.
    pub const CONTENT_TYPE: u16 = 1 << 15;
    /// `content_encoding`, a short string.
    pub const CONTENT_ENCODING: u16 = 1 << 14;
    /// `headers`, a table.
    pub const HEADERS: u16 = 1 << 13;
    /// `delivery_mode`, an octet.
    pub const DELIVERY_MODE: u16 = 1 << 12;
    /// `priority`, an octet.
    pub const PRIORITY: u16 = 1 << 11;
    /// `correlation_id`, a short string.
    pub const CORRELATION_ID: u16 = 1 << 10;
    /// `reply_to`, a short string.
    pub const REPLY_TO: u16 = 1 << 9;
    /// `expiration`, a short string.
    pub const EXPIRATION: u16 = 1 << 8;
    /// `message_id`, a short string.
    pub const MESSAGE_ID: u16 = 1 << 7;
    /// `timestamp`, 64 bits.
    pub const TIMESTAMP: u16 = 1 << 6;
    /// `type`, a short string.
    pub const TYPE: u16 = 1 << 5;
    /// `user_id`, a short string.
    pub const USER_ID: u16 = 1 << 4;
    /// `app_id`, a short string.
    pub const APP_ID: u16 = 1 << 3;
    /// `cluster_id`, a short string.
    pub const CLUSTER_ID: u16 = 1 << 2;
    /// A bit that means nothing.
    pub(crate) const UNDEFINED: u16 = 1 << 1;
    /// A further word of flags follows.
    pub(crate) const CONTINUATION: u16 = 1;
}
