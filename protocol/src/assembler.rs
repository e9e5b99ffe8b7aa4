//! Joining the frames of one channel into commands.

use crate::{
    content::{Body, Content},
    exception::{Exception, Scope},
    frame::{Frame, FrameBatch, FrameKind},
    method::{Method, basic},
    repeated::Repeated,
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

/// Assembles the commands of one channel; small while no content is under way.
#[derive(Debug)]
pub struct Assembler {
    state: State,
    max_message_size: u64,
    /// There is one once something was published.
    repeated: Option<Box<Repeated>>,
}

#[derive(Debug, Default)]
enum State {
    /// A method is due.
    #[default]
    Method,
    /// A content is under way, cut by the end of a batch.
    Content(Box<Partial>),
    /// The content handed out last: it lends the command its method and properties.
    Lent(Box<Partial>),
    /// A content that was refused: so many bytes of its body are still to come.
    Skip { left: u64, ids: (u16, u16) },
}

/// A content of which some frames have not arrived.
#[derive(Debug)]
struct Partial {
    /// The payload of the method frame.
    method: Bytes,
    ids: (u16, u16),
    /// The properties and what there is of the body; absent while the header is due.
    content: Option<(Bytes, Gathered)>,
}

impl Assembler {
    /// An assembler that refuses bodies of more than `max_message_size` bytes.
    pub fn new(max_message_size: u64) -> Self {
        Assembler {
            state: State::Method,
            max_message_size,
            repeated: None,
        }
    }

    /// Bytes of memory that a content under way takes: what has arrived of it, and the room made for more.
    pub fn held(&self) -> usize {
        let State::Content(partial) = &self.state else {
            return 0;
        };
        let content = partial.content.as_ref();
        let content = content.map_or(0, |(properties, gathered)| {
            properties.len() + gathered.bytes.capacity()
        });
        size_of::<Partial>() + partial.method.len() + content
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
        let mut frames = Frames { batch, at };
        match std::mem::take(&mut self.state) {
            State::Method | State::Lent(_) => self.start(&mut frames),
            State::Content(partial) => self.resume(partial, &mut frames).transpose(),
            State::Skip { left, ids } => match self.skip(left, ids, &mut frames) {
                Ok(true) => self.start(&mut frames),
                Ok(false) => None,
                Err(exception) => Some(Err(exception)),
            },
        }
    }

    /// Begins a command.
    fn start<'a>(&'a mut self, frames: &mut Frames<'a, '_>) -> Option<Result<Command<'a>, Exception>> {
        let (frame, payload) = frames.next()?;
        if frame.kind != FrameKind::Method {
            let text = "expected method frame, got non method frame instead";
            return Some(Err(Exception::new(ReplyCode::UnexpectedFrame, text)));
        }
        let max_size = self.max_message_size;
        let is_repeated = self
            .repeated
            .as_mut()
            .is_some_and(|repeated| repeated.is(payload));
        if is_repeated && let Some(content) = frames.whole_content(basic::Publish::IDS.0, max_size) {
            let method = self.repeated.as_ref()?.last()?;
            return Some(Ok(Command {
                method,
                content: Some(content),
            }));
        }
        let method = match Method::decode(payload) {
            Ok(method) => method,
            Err(exception) => return Some(Err(exception)),
        };
        if let Method::Basic(basic::Method::Publish(publish)) = &method {
            self.repeated.get_or_insert_default().keep(payload, publish);
        }
        if !method.has_content() {
            return Some(Ok(Command {
                method,
                content: None,
            }));
        }
        let ids = method.ids();
        if let Some(content) = frames.whole_content(ids.0, max_size) {
            return Some(Ok(Command {
                method,
                content: Some(content),
            }));
        }
        let partial = Partial {
            method: Bytes::copy_from_slice(payload),
            ids,
            content: None,
        };
        self.resume(Box::new(partial), frames).transpose()
    }

    /// Goes on with a content that does not lie in one batch, or not in one body frame.
    fn resume<'a>(
        &'a mut self,
        mut partial: Box<Partial>,
        frames: &mut Frames<'a, '_>,
    ) -> Result<Option<Command<'a>>, Exception> {
        let (properties, mut gathered) = match partial.content.take() {
            Some(content) => content,
            None => {
                let Some((frame, payload)) = frames.next() else {
                    self.state = State::Content(partial);
                    return Ok(None);
                };
                let (size, properties) = self.header(frame, payload, partial.ids)?;
                (Bytes::copy_from_slice(properties), Gathered::new(size))
            }
        };
        let body = gathered.body(frames, partial.ids)?;
        partial.content = Some((properties, gathered));
        match body {
            Some(body) => {
                self.state = State::Lent(partial);
                self.lend(body).map(Some)
            }
            None => {
                self.state = State::Content(partial);
                Ok(None)
            }
        }
    }

    /// The command made of `body` and what lies in `State::Lent`.
    fn lend<'a>(&'a self, body: Body<'a>) -> Result<Command<'a>, Exception> {
        let (method, properties): (&[u8], &[u8]) = match &self.state {
            State::Lent(partial) => (
                &partial.method,
                partial.content.as_ref().map_or(&[], |(properties, _)| properties),
            ),
            _ => (&[], &[]),
        };
        let method = Method::decode(method)?;
        Ok(Command {
            method,
            content: Some(Content { properties, body }),
        })
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
            self.state = State::Skip { left: size, ids };
            let text = format!("message size {size} is larger than configured max size {max}");
            return Err(Exception::new(ReplyCode::PreconditionFailed, text)
                .at(Scope::Channel)
                .on(ids));
        }
        Ok(())
    }

    /// Reads past the body of a refused content; true when it has passed.
    fn skip(
        &mut self,
        mut left: u64,
        ids: (u16, u16),
        frames: &mut Frames<'_, '_>,
    ) -> Result<bool, Exception> {
        while left > 0 {
            let Some((frame, piece)) = frames.next() else {
                self.state = State::Skip { left, ids };
                return Ok(false);
            };
            left = left
                .checked_sub(body_size(frame, piece, ids)?)
                .ok_or_else(|| too_long(ids))?;
        }
        Ok(true)
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

    /// The content that the next frames are if they are the ordinary ones: a header within `max_size`, and
    /// a single body frame or none. Whatever else they are, none of them is consumed.
    #[inline]
    fn whole_content(&mut self, class: u16, max_size: u64) -> Option<Content<'a>> {
        let (header, after) = self.batch.frames.get(*self.at..)?.split_first()?;
        let (fields, properties) = self.batch.payload(header).split_first_chunk::<12>()?;
        let &[c1, c0, w1, w0, ref size @ ..] = fields;
        let (of, weight) = (u16::from_be_bytes([c1, c0]), u16::from_be_bytes([w1, w0]));
        let size = u64::from_be_bytes(*size);
        if (header.kind, of, weight) != (FrameKind::Header, class, 0)
            || size > max_size.min(HARD_MESSAGE_LIMIT)
        {
            return None;
        }
        let body: &[u8] = match after.first() {
            _ if size == 0 => &[],
            Some(body) if body.kind == FrameKind::Body && u64::from(body.size()) == size => {
                self.batch.payload(body)
            }
            _ => return None,
        };
        *self.at += if size == 0 { 1 } else { 2 };
        Some(Content {
            properties,
            body: Body::Slice(body),
        })
    }
}

/// A body gathered from its frames.
#[derive(Debug)]
struct Gathered {
    bytes: Vec<u8>,
    /// Bytes still to come.
    left: u64,
}

impl Gathered {
    fn new(size: u64) -> Self {
        Gathered {
            bytes: Vec::new(),
            left: size,
        }
    }

    /// Adds frames until the body is complete; a body that lies in one frame is not copied.
    #[inline]
    fn body<'a>(
        &mut self,
        frames: &mut Frames<'a, '_>,
        ids: (u16, u16),
    ) -> Result<Option<Body<'a>>, Exception> {
        if self.left == 0 {
            return Ok(Some(Body::Slice(&[])));
        }
        while let Some((frame, piece)) = frames.next() {
            let size = body_size(frame, piece, ids)?;
            if size == self.left && self.bytes.is_empty() {
                return Ok(Some(Body::Slice(piece)));
            }
            self.left = self.left.checked_sub(size).ok_or_else(|| too_long(ids))?;
            self.add(piece);
            if self.left == 0 {
                return Ok(Some(Body::Shared(std::mem::take(&mut self.bytes).into())));
            }
        }
        Ok(None)
    }

    /// Appends a piece. Room is made for eight times what has arrived, never beyond the announced size: a body is moved
    /// seldom, and room that is not written to takes no memory.
    fn add(&mut self, piece: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < piece.len() {
            let due = usize::try_from(self.left).unwrap_or(usize::MAX);
            let arrived = self.bytes.len().saturating_add(piece.len());
            let trusted = arrived.saturating_mul(8).max(TRUSTED_SIZE);
            self.bytes
                .reserve_exact(piece.len().saturating_add(due.min(trusted)));
        }
        self.bytes.extend_from_slice(piece);
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
