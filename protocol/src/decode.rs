//! Finding the complete frames of a buffer.

use crate::{
    exception::Exception,
    frame::{FRAME_END, FRAME_HEADER_SIZE, FRAME_OVERHEAD, Frame, FrameKind},
    reply_code::ReplyCode,
};
use nom::{IResult, Needed, bytes::streaming::take, error::ErrorKind, error::ParseError};

/// Appends every complete frame at the front of `buf` to `out`; offsets are relative to `buf`.
///
/// Returns how many bytes those frames take, and what is wrong with the frame behind them, if anything. The
/// bytes left are the beginning of a frame, or a bad one. `frame_max` is the largest whole frame in bytes, of
/// which eight bytes more are tolerated; 0 sets no limit.
///
/// A bad frame is recognised as early as its bytes allow, so that how a stream is cut never changes the
/// outcome: an unknown type by its first octet, a size or a misplaced heartbeat by its first seven.
pub fn frames(buf: &[u8], frame_max: u32, out: &mut Vec<Frame>) -> (usize, Option<Exception>) {
    // Offsets are 32 bits wide; whatever lies beyond them waits for the next call.
    let buf = buf.get(..u32::MAX as usize).unwrap_or(buf);
    let size_max = if frame_max == 0 { u32::MAX } else { frame_max };
    let mut rest = buf;
    while let Some((head, behind)) = whole(rest, size_max) {
        let start = (buf.len() - rest.len() + FRAME_HEADER_SIZE) as u32;
        out.push(Frame {
            kind: head.kind,
            channel: head.channel,
            start,
            end: start + head.size,
        });
        rest = behind;
    }
    (buf.len() - rest.len(), fault(rest, size_max))
}

/// How many bytes the frame that `buf` begins with takes, if that is known yet.
pub(crate) fn announced_size(buf: &[u8]) -> Option<usize> {
    let (_, head) = head(buf).ok()?;
    (head.size as usize).checked_add(FRAME_OVERHEAD)
}

/// What stands in front of a payload.
struct Head {
    kind: FrameKind,
    channel: u16,
    size: u32,
}

/// The frame that `input` begins with, and what is behind it, if all of it is there and nothing is wrong with it.
///
/// Nearly every frame is so. Written with nom's number parsers this takes seven times the instructions; [`frame`] parses
/// what is left.
#[inline]
fn whole(input: &[u8], size_max: u32) -> Option<(Head, &[u8])> {
    let (&[kind, c1, c0, s3, s2, s1, s0], rest) = input.split_first_chunk::<FRAME_HEADER_SIZE>()?;
    let head = Head {
        kind: FrameKind::from_octet(kind)?,
        channel: u16::from_be_bytes([c1, c0]),
        size: u32::from_be_bytes([s3, s2, s1, s0]),
    };
    let (&end, behind) = rest.get(head.size as usize..)?.split_first()?;
    let is_ordinary = head.kind != FrameKind::Heartbeat || (head.channel, head.size) == (0, 0);
    (end == FRAME_END && head.size <= size_max && is_ordinary).then_some((head, behind))
}

/// What is wrong with the frame that `input` begins with, as far as it is there.
fn fault(input: &[u8], size_max: u32) -> Option<Exception> {
    match frame(input, size_max) {
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => Some(fault.raise(size_max)),
        Ok(_) | Err(nom::Err::Incomplete(_)) => None,
    }
}

fn frame(input: &[u8], size_max: u32) -> IResult<&[u8], (), Fault<'_>> {
    let (rest, head) = head(input)?;
    if head.size > size_max {
        return Err(nom::Err::Failure(Fault::TooLarge(head)));
    }
    if head.kind == FrameKind::Heartbeat {
        check_heartbeat(&head)?;
    }
    let (rest, payload) = take(head.size)(rest)?;
    match rest.split_first() {
        Some((&FRAME_END, rest)) => Ok((rest, ())),
        Some((&marker, _)) => Err(nom::Err::Failure(Fault::End {
            kind: head.kind,
            payload,
            marker,
        })),
        None => Err(nom::Err::Incomplete(Needed::new(1))),
    }
}

#[inline]
fn head(input: &[u8]) -> IResult<&[u8], Head, Fault<'_>> {
    let Some(&kind) = input.first() else {
        return Err(nom::Err::Incomplete(Needed::Unknown));
    };
    let Some(kind) = FrameKind::from_octet(kind) else {
        return Err(nom::Err::Failure(Fault::Kind(kind)));
    };
    match input.split_first_chunk::<FRAME_HEADER_SIZE>() {
        Some((&[_, c1, c0, s3, s2, s1, s0], rest)) => {
            let (channel, size) = (u16::from_be_bytes([c1, c0]), u32::from_be_bytes([s3, s2, s1, s0]));
            Ok((rest, Head { kind, channel, size }))
        }
        None => Err(nom::Err::Incomplete(Needed::Unknown)),
    }
}

fn check_heartbeat<'a>(head: &Head) -> Result<(), nom::Err<Fault<'a>>> {
    if head.channel != 0 {
        return Err(nom::Err::Failure(Fault::HeartbeatChannel(head.channel)));
    }
    if head.size != 0 {
        return Err(nom::Err::Failure(Fault::HeartbeatSize(head.size)));
    }
    Ok(())
}

/// What is wrong with a frame.
enum Fault<'a> {
    Kind(u8),
    TooLarge(Head),
    HeartbeatChannel(u16),
    HeartbeatSize(u32),
    End {
        kind: FrameKind,
        payload: &'a [u8],
        marker: u8,
    },
    /// Only nom's own parsers make it, and none of those in use fails but for want of input.
    Other,
}

impl Fault<'_> {
    #[cold]
    fn raise(self, size_max: u32) -> Exception {
        let text = match self {
            Fault::Kind(kind) => format!("type {kind}: unknown_frame"),
            Fault::TooLarge(head) => {
                let most = size_max.saturating_sub(FRAME_OVERHEAD as u32);
                format!(
                    "type {}: {{frame_too_large,{},{most}}}",
                    head.kind as u8, head.size
                )
            }
            Fault::HeartbeatChannel(channel) => {
                let text = format!("type 8: heartbeat on channel {channel}");
                return Exception::new(ReplyCode::UnexpectedFrame, text);
            }
            Fault::HeartbeatSize(size) => format!("type 8: heartbeat with {size} octets of payload"),
            Fault::End {
                kind,
                payload,
                marker,
            } => {
                format!(
                    "type {}, {}: {{invalid_frame_end_marker,{marker}}}",
                    kind as u8,
                    snippet(payload)
                )
            }
            Fault::Other => "undecodable frame".to_owned(),
        };
        Exception::new(ReplyCode::FrameError, text)
    }
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    fn from_error_kind(_: &'a [u8], _: ErrorKind) -> Self {
        Fault::Other
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// The beginning of a payload for an error text, such as `all octets = <<1,2,3>>`.
fn snippet(payload: &[u8]) -> String {
    let (which, shown) = match payload.get(..16) {
        Some(shown) if payload.len() > 16 => ("first 16", shown),
        _ => ("all", payload),
    };
    let octets: Vec<String> = shown.iter().map(u8::to_string).collect();
    format!("{which} octets = <<{}>>", octets.join(","))
}
