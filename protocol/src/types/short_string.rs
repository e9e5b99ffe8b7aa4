//! A short string: the key of a field, or a property.

use crate::text;
use bytes::Bytes;
use std::{borrow::Borrow, fmt, ops::Deref};

/// At most 255 bytes, UTF-8 by convention only; cheap to clone.
///
/// Whatever a peer sent is kept byte for byte. Made from longer text, it is cut before the character
/// that would pass the limit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ShortString(Bytes);

impl ShortString {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if the bytes are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// A short string that shares `bytes`, which the caller knows to be no longer than 255.
    pub(crate) fn shared(bytes: Bytes) -> Self {
        debug_assert!(bytes.len() <= text::SHORT_STRING_MAX);
        ShortString(bytes)
    }
}

impl From<&str> for ShortString {
    fn from(value: &str) -> Self {
        ShortString(Bytes::copy_from_slice(text::short(value).as_bytes()))
    }
}

impl From<String> for ShortString {
    fn from(mut value: String) -> Self {
        value.truncate(text::short(&value).len());
        ShortString(Bytes::from(value))
    }
}

impl From<&[u8]> for ShortString {
    fn from(value: &[u8]) -> Self {
        ShortString(Bytes::copy_from_slice(text::short_bytes(value)))
    }
}

impl Deref for ShortString {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for ShortString {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for ShortString {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for ShortString {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for ShortString {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}
