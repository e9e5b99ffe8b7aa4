//! Frames: the envelope around methods, content headers, bodies and heartbeats.
//!
//! ```text
//! 0      1         3             7                  size+7
//! +------+---------+-------------+------------------+------+
//! | type | channel |    size     |     payload      | 0xCE |
//! +------+---------+-------------+------------------+------+
//! ```

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;

/// The octet that ends every frame.
pub const FRAME_END: u8 = 0xCE;
/// Octets in front of the payload: type, channel and size.
pub const FRAME_HEADER_SIZE: usize = 7;
/// Octets around the payload.
pub const FRAME_OVERHEAD: usize = 8;
/// The smallest frame-max that AMQP 0-9-1 lets peers agree on.
pub const FRAME_MIN_SIZE: u32 = 4096;
/// A whole heartbeat frame.
pub const HEARTBEAT: [u8; FRAME_OVERHEAD] = [FrameKind::Heartbeat as u8, 0, 0, 0, 0, 0, 0, FRAME_END];

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FrameKind {
    /// A method with its arguments.
    Method = 1,
    /// The header of a content: size of the body, properties.
    Header = 2,
    /// A piece of a content's body.
    Body = 3,
    /// A sign of life.
    Heartbeat = 8,
}

impl FrameKind {
    /// The kind with this number on the wire.
    #[inline]
    pub fn from_octet(octet: u8) -> Option<FrameKind> {
        match octet {
            1 => Some(FrameKind::Method),
            2 => Some(FrameKind::Header),
            3 => Some(FrameKind::Body),
            8 => Some(FrameKind::Heartbeat),
            _ => None,
        }
    }
}

/// Where one frame's payload lies in the bytes of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub kind: FrameKind,
    /// The channel it is for.
    pub channel: u16,
    /// The offset of the payload's first octet.
    pub start: u32,
    /// The offset behind the payload's last octet.
    pub end: u32,
}

impl Frame {
    /// Octets of payload.
    pub fn size(&self) -> u32 {
        self.end.saturating_sub(self.start)
    }
}

/// Frames in order. Clones share them, and so do the parts of a batch.
#[derive(Clone, Default)]
pub struct Frames {
    shared: Arc<Vec<Frame>>,
    from: usize,
    to: usize,
}

impl Frames {
    /// Those in this range, cut to what is there.
    fn part(&self, range: Range<usize>) -> Frames {
        let to = self.from.saturating_add(range.end).min(self.to);
        Frames {
            shared: Arc::clone(&self.shared),
            from: self.from.saturating_add(range.start).min(to),
            to,
        }
    }
}

impl From<Vec<Frame>> for Frames {
    fn from(frames: Vec<Frame>) -> Self {
        Frames {
            from: 0,
            to: frames.len(),
            shared: Arc::new(frames),
        }
    }
}

impl Deref for Frames {
    type Target = [Frame];

    #[inline]
    fn deref(&self) -> &[Frame] {
        self.shared.get(self.from..self.to).unwrap_or_default()
    }
}

impl PartialEq for Frames {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Frames {}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The complete frames of one read, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameBatch {
    /// The bytes the frames lie in.
    pub bytes: Bytes,
    /// The frames.
    pub frames: Frames,
}

impl FrameBatch {
    /// The payload of one of this batch's frames.
    #[inline]
    pub fn payload(&self, frame: &Frame) -> &[u8] {
        self.bytes
            .get(frame.start as usize..frame.end as usize)
            .unwrap_or_default()
    }

    /// The batch without its first frames: those from index `at` on.
    pub fn rest(&self, at: usize) -> FrameBatch {
        FrameBatch {
            bytes: self.bytes.clone(),
            frames: self.frames.part(at..usize::MAX),
        }
    }

    /// The payload as a slice that shares, and keeps alive, the bytes of the batch.
    pub fn payload_bytes(&self, frame: &Frame) -> Bytes {
        self.bytes.slice_ref(self.payload(frame))
    }

    /// Whether all frames are for the same channel.
    pub fn is_of_one_channel(&self) -> bool {
        let first = self.frames.first().map(|frame| frame.channel);
        self.frames.iter().all(|frame| Some(frame.channel) == first)
    }

    /// Hands out one batch a channel, channels in the order of their first frames.
    ///
    /// A batch of one channel is passed on whole; otherwise the batches share one piece of memory for their frames.
    pub fn by_channel(self, mut each: impl FnMut(u16, FrameBatch)) {
        if self.is_of_one_channel() {
            if let Some(frame) = self.frames.first() {
                each(frame.channel, self);
            }
            return;
        }
        let mut groups = Groups::of(&self.frames);
        let sorted = Frames::from(groups.sort(&self.frames));
        for Group { channel, len, end } in groups.groups {
            let frames = sorted.part(end - len..end);
            let bytes = self.bytes.clone();
            each(channel, FrameBatch { bytes, frames });
        }
    }
}

/// The frames of one channel among those of a batch.
struct Group {
    channel: u16,
    /// How many.
    len: usize,
    /// Where they end when frames are sorted by group.
    end: usize,
}

/// The channels of a batch, in the order of their first frames.
struct Groups {
    groups: Vec<Group>,
    /// The group of each channel, by its number.
    of_channel: Vec<u32>,
}

/// No frame of that channel was met.
const UNMET: u32 = u32::MAX;

impl Groups {
    fn of(frames: &[Frame]) -> Self {
        let most = frames.iter().map(|frame| frame.channel).max().unwrap_or(0);
        let mut groups = Groups {
            groups: Vec::with_capacity(frames.len().min(usize::from(most) + 1)),
            of_channel: vec![UNMET; usize::from(most) + 1],
        };
        frames.iter().for_each(|frame| groups.count(frame.channel));
        groups
    }

    fn count(&mut self, channel: u16) {
        let Some(group) = self.of_channel.get_mut(usize::from(channel)) else {
            return;
        };
        match self.groups.get_mut(*group as usize) {
            Some(group) => group.len += 1,
            None => {
                *group = self.groups.len() as u32;
                self.groups.push(Group {
                    channel,
                    len: 1,
                    end: 0,
                });
            }
        }
    }

    /// The frames, those of a group side by side and in their order.
    fn sort(&mut self, frames: &[Frame]) -> Vec<Frame> {
        let mut begin = 0;
        for group in &mut self.groups {
            group.end = begin;
            begin += group.len;
        }
        let mut sorted = frames.to_vec();
        for frame in frames {
            let group = self.of_channel.get(usize::from(frame.channel));
            if let Some(group) = group.and_then(|&group| self.groups.get_mut(group as usize))
                && let Some(place) = sorted.get_mut(group.end)
            {
                *place = *frame;
                group.end += 1;
            }
        }
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(channels: &[u16]) -> FrameBatch {
        let frame = |(at, &channel)| Frame {
            kind: FrameKind::Body,
            channel,
            start: at as u32,
            end: at as u32 + 1,
        };
        FrameBatch {
            bytes: Bytes::from_iter((0..channels.len()).map(|at| at as u8)),
            frames: channels.iter().enumerate().map(frame).collect::<Vec<_>>().into(),
        }
    }

    fn split(batch: FrameBatch) -> Vec<(u16, Vec<u8>)> {
        let mut split = Vec::new();
        batch.by_channel(|channel, batch| {
            let payloads = batch
                .frames
                .iter()
                .flat_map(|frame| batch.payload(frame).to_vec());
            split.push((channel, payloads.collect()));
        });
        split
    }

    #[test]
    fn a_frame_is_twelve_bytes() {
        assert_eq!(size_of::<Frame>(), 12);
    }

    #[test]
    fn a_batch_of_one_channel_is_passed_on_whole() {
        let whole = batch(&[7, 7, 7]);
        let expected = whole.clone();
        let mut seen = Vec::new();
        whole.by_channel(|channel, batch| seen.push((channel, batch)));
        assert_eq!(seen, [(7, expected)]);
    }

    #[test]
    fn channels_come_in_the_order_of_their_first_frames_and_keep_their_own() {
        let split = split(batch(&[3, 1, 3, 2, 1, 3]));
        assert_eq!(split, [(3, vec![0, 2, 5]), (1, vec![1, 4]), (2, vec![3])]);
    }

    #[test]
    fn an_empty_batch_has_no_channels() {
        assert_eq!(split(FrameBatch::default()), []);
    }

    #[test]
    fn payload_bytes_share_the_batch() {
        let batch = batch(&[1, 2]);
        let frame = batch.frames[1];
        assert_eq!(batch.payload_bytes(&frame).as_ptr(), batch.bytes[1..].as_ptr());
    }
}
