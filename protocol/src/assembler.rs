//! Joining the frames of one channel into commands.

use crate::{
    content::{Body, Content},
    exception::{Exception, Scope},
    frame::{Frame, FrameBatch, FrameKind},
    method::Method,
    reply_code::ReplyCode,
    wire::{self, Fault},
};
use bytes::Bytes;

/// The largest body that any setting allows: 512 MiB.
pub const HARD_MESSAGE_LIMIT: u64 = 512 * 1024 * 1024;

/// The most bytes set aside for a body on the word of its header alone.
const TRUSTED_SIZE: usize = 256 * 1024;

/// A method and, if it carries one, its content.
#[derive(Debug, Clone, PartialEq)]
pub struct Command<'a> {
    /// The method.
    pub method: Method<'a>,
    /// Its content; present exactly when [`Method::has_content`].
    pub content: Option<Content<'a>>,
}

/// Assembles the commands of one channel; one pointer wide while no content is under way.
#[derive(Debug)]
pub struct Assembler {
    state: State,
    max_message_size: u64,
}

#[derive(Debug, Default)]
enum State {
    /// A method is due.
    #[default]
    Method,
    /// A content is under way, cut by the end of a batch.
    Content(Box<Partial>),
    /// The content handed out last; it lends the command its method and properties.
    Lent(Box<Partial>),
    /// A content that was refused; so many bytes of its body are still to come.
    Skip(u64),
}

/// A content of which some frames have not arrived.
#[derive(Debug)]
struct Partial {
    method: Bytes,
    ids: (u16, u16),
    /// Absent while the header is due.
    header: Option<Bytes>,
    body: Gathered,
}

impl Assembler {
    /// An assembler that refuses bodies of more than `max_message_size` bytes.
    pub fn new(max_message_size: u64) -> Self {
        Assembler {
            state: State::Method,
            max_message_size,
        }
    }

    /// The next complete command of `batch`, whose frames must all be of this channel.
    ///
    /// Frames are consumed from index `at`, which is moved. `None` means that the batch is exhausted; what is
    /// incomplete stays inside, in copies that do not keep the batch alive.
    ///
    /// # Errors
    ///
    /// Ending the connection: 505 when a frame of another kind, class or weight is due, 501 for a body longer
    /// than announced or announced beyond [`HARD_MESSAGE_LIMIT`], and what [`Method::decode`] raises. Ending the
    /// channel: 406 for a body announced beyond `max_message_size`; the content is then read past.
    pub fn next<'a>(
        &'a mut self,
        batch: &'a FrameBatch,
        at: &mut usize,
    ) -> Option<Result<Command<'a>, Exception>> {
        loop {
            match std::mem::take(&mut self.state) {
                State::Method => {}
                State::Lent(_) => {}
                State::Content(partial) => {
                    let mut frames = Frames { batch, at };
                    return match self.resume(partial, &mut frames) {
                        Ok(true) => self.lent(),
                        Ok(false) => None,
                        Err(exception) => Some(Err(exception)),
                    };
                }
                State::Skip(left) => {
                    let mut frames = Frames { batch, at };
                    if let Err(exception) = self.skip(left, &mut frames) {
                        return Some(Err(exception));
                    }
                    if let State::Skip(_) = self.state {
                        return None;
                    }
                    continue;
                }
            }
            let mut frames = Frames { batch, at };
            return self.method(&mut frames).transpose();
        }
    }

    fn method<'a>(&mut self, frames: &mut Frames<'a, '_>) -> Result<Option<Command<'a>>, Exception> {
        let Some((frame, payload)) = frames.next() else {
            return Ok(None);
        };
        if frame.kind != FrameKind::Method {
            let text = "expected method frame, got non method frame instead";
            return Err(Exception::new(ReplyCode::UnexpectedFrame, text));
        }
        let method = Method::decode(payload)?;
        if !method.has_content() {
            return Ok(Some(Command {
                method,
                content: None,
            }));
        }
        let ids = method.ids();
        let partial = |header: Option<&[u8]>, body| {
            let header = header.map(Bytes::copy_from_slice);
            Box::new(Partial {
                method: Bytes::copy_from_slice(payload),
                ids,
                header,
                body,
            })
        };
        let Some((frame, header)) = frames.next() else {
            self.state = State::Content(partial(None, Gathered::default()));
            return Ok(None);
        };
        let (size, properties) = self.header(frame, header, ids)?;
        if let Some(body) = frames.whole_body(size) {
            return Ok(Some(Command {
                method,
                content: Some(Content {
                    properties,
                    body: Body::Slice(body),
                }),
            }));
        }
        let mut body = Gathered::new(size);
        while !body.is_complete() {
            let Some((frame, piece)) = frames.next() else {
                self.state = State::Content(partial(Some(properties), body));
                return Ok(None);
            };
            body.add(frame, piece, ids)?;
        }
        let body = Body::Shared(body.take());
        Ok(Some(Command {
            method,
            content: Some(Content { properties, body }),
        }))
    }

    /// Goes on with a content; true when it is complete and lies in `State::Lent`.
    fn resume(&mut self, mut partial: Box<Partial>, frames: &mut Frames<'_, '_>) -> Result<bool, Exception> {
        if partial.header.is_none() {
            let Some((frame, payload)) = frames.next() else {
                self.state = State::Content(partial);
                return Ok(false);
            };
            let (size, properties) = self.header(frame, payload, partial.ids)?;
            partial.header = Some(Bytes::copy_from_slice(properties));
            partial.body = Gathered::new(size);
        }
        while !partial.body.is_complete() {
            let Some((frame, piece)) = frames.next() else {
                self.state = State::Content(partial);
                return Ok(false);
            };
            partial.body.add(frame, piece, partial.ids)?;
        }
        self.state = State::Lent(partial);
        Ok(true)
    }

    /// The command made of what lies in `State::Lent`.
    fn lent(&mut self) -> Option<Result<Command<'_>, Exception>> {
        let State::Lent(partial) = &mut self.state else {
            return None;
        };
        let body = Body::Shared(partial.body.take());
        let properties = partial.header.as_deref().unwrap_or_default();
        let method = Method::decode(&partial.method);
        Some(method.map(|method| Command {
            method,
            content: Some(Content { properties, body }),
        }))
    }

    /// Body size and raw properties of a content header.
    fn header<'p>(
        &mut self,
        frame: Frame,
        payload: &'p [u8],
        ids: (u16, u16),
    ) -> Result<(u64, &'p [u8]), Exception> {
        let unexpected = |text| Err(Exception::new(ReplyCode::UnexpectedFrame, text).on(ids));
        if frame.kind != FrameKind::Header {
            let class = ids.0;
            return unexpected(format!(
                "expected content header for class {class}, got non content header frame instead"
            ));
        }
        let fault = |_| Fault::Truncated.raise("content header fields").on(ids);
        let (rest, class) = wire::short(payload).map_err(fault)?;
        let (rest, weight) = wire::short(rest).map_err(fault)?;
        let (properties, size) = wire::longlong(rest).map_err(fault)?;
        if class != ids.0 {
            return unexpected(format!(
                "expected content header for class {}, got one for class {class} instead",
                ids.0
            ));
        }
        if weight != 0 {
            return unexpected(format!(
                "expected content header for class {class} of weight 0, got one of weight {weight} instead"
            ));
        }
        self.check_size(size, ids)?;
        Ok((size, properties))
    }

    fn check_size(&mut self, size: u64, ids: (u16, u16)) -> Result<(), Exception> {
        if size > HARD_MESSAGE_LIMIT {
            let text = format!("content body of {size} bytes is larger than {HARD_MESSAGE_LIMIT}");
            return Err(Exception::new(ReplyCode::FrameError, text).on(ids));
        }
        let max = self.max_message_size;
        if size > max {
            self.state = State::Skip(size);
            let text = format!("message size {size} is larger than configured max size {max}");
            return Err(Exception::new(ReplyCode::PreconditionFailed, text)
                .at(Scope::Channel)
                .on(ids));
        }
        Ok(())
    }

    /// Reads past the body of a refused content.
    fn skip(&mut self, mut left: u64, frames: &mut Frames<'_, '_>) -> Result<(), Exception> {
        while left > 0 {
            let Some((frame, piece)) = frames.next() else {
                self.state = State::Skip(left);
                return Ok(());
            };
            left = left
                .checked_sub(body_size(frame, piece, (0, 0))?)
                .ok_or_else(|| too_long((0, 0)))?;
        }
        Ok(())
    }
}

/// The frames of a batch from an index on.
struct Frames<'a, 'i> {
    batch: &'a FrameBatch,
    at: &'i mut usize,
}

impl<'a> Frames<'a, '_> {
    #[inline]
    fn next(&mut self) -> Option<(Frame, &'a [u8])> {
        let frame = self.batch.frames.get(*self.at)?;
        *self.at += 1;
        Some((*frame, self.batch.payload(frame)))
    }

    /// The body of `size` bytes if the next frame is all of it.
    #[inline]
    fn whole_body(&mut self, size: u64) -> Option<&'a [u8]> {
        if size == 0 {
            return Some(&[]);
        }
        let frame = self.batch.frames.get(*self.at)?;
        if frame.kind != FrameKind::Body || u64::from(frame.size()) != size {
            return None;
        }
        *self.at += 1;
        Some(self.batch.payload(frame))
    }
}

/// A body gathered from its frames.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    left: u64,
}

impl Gathered {
    fn new(size: u64) -> Self {
        let trusted = usize::try_from(size).unwrap_or(usize::MAX).min(TRUSTED_SIZE);
        Gathered {
            bytes: Vec::with_capacity(trusted),
            left: size,
        }
    }

    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn add(&mut self, frame: Frame, piece: &[u8], ids: (u16, u16)) -> Result<(), Exception> {
        let left = self
            .left
            .checked_sub(body_size(frame, piece, ids)?)
            .ok_or_else(|| too_long(ids))?;
        self.reserve(piece.len());
        self.bytes.extend_from_slice(piece);
        self.left = left;
        Ok(())
    }

    /// Makes room for `more` bytes: doubles what has arrived, but never beyond the announced size.
    fn reserve(&mut self, more: usize) {
        if self.bytes.capacity() - self.bytes.len() < more {
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            self.bytes.reserve_exact(self.bytes.len().max(more).min(left));
        }
    }

    fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.bytes))
    }
}

/// The size of a piece of body, or the refusal of a frame that is none.
fn body_size(frame: Frame, piece: &[u8], ids: (u16, u16)) -> Result<u64, Exception> {
    if frame.kind != FrameKind::Body {
        let text = "expected content body, got non content body frame instead";
        return Err(Exception::new(ReplyCode::UnexpectedFrame, text).on(ids));
    }
    Ok(piece.len() as u64)
}

#[cold]
fn too_long(ids: (u16, u16)) -> Exception {
    Exception::new(
        ReplyCode::FrameError,
        "content body frame exceeds remaining content size",
    )
    .on(ids)
}
