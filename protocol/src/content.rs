//! A content: properties and body of a message.

use bytes::Bytes;

/// What follows a method that carries a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content<'a> {
    /// Property flags and property list as they are on the wire behind the body size;
    /// see [`Properties`](crate::Properties). Not validated.
    pub properties: &'a [u8],
    /// The body.
    pub body: Body<'a>,
}

/// The body of a message.
#[derive(Debug, Clone)]
pub enum Body<'a> {
    /// A body that arrived in one frame, where it lies in the batch.
    Slice(&'a [u8]),
    /// A body gathered from several frames.
    Shared(Bytes),
}

impl Body<'_> {
    /// The body's size in bytes.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// True for a body of no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Body::Slice(bytes) => bytes,
            Body::Shared(bytes) => bytes,
        }
    }
}

/// Bodies are equal when their bytes are.
impl PartialEq for Body<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Body<'_> {}
