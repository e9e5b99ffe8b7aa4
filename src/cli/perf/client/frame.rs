//! Frames as they arrive, looked at no further than needed.

use leveret_protocol::FrameKind;

/// A complete frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

impl Arrived<'_> {
    /// Class and method id, if this is a method frame.
    #[inline]
    pub(crate) fn method_ids(&self) -> Option<(u16, u16)> {
        match self.payload.first_chunk::<4>() {
            Some(&[c1, c0, m1, m0]) if self.kind == FrameKind::Method => {
                Some((u16::from_be_bytes([c1, c0]), u16::from_be_bytes([m1, m0])))
            }
            _ => None,
        }
    }
}
