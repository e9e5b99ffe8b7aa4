//! The channels of a connection, and the way of frames to them.

use std::rc::Rc;

use actix::prelude::*;
use leveret_protocol::method::{Method, channel};
use leveret_protocol::{Exception, Frame, FrameBatch, FrameKind, ReplyCode};
use rustc_hash::FxHashMap;

use super::actor::Connection;
use crate::channel::actor::Channel;
use crate::channel::messages::{Close, Commands, End};
use crate::id::ChannelId;
use crate::lease::Lease;
use crate::node::{self, Context, Near};

/// One number of the table.
enum Slot {
    Open {
        addr: Addr<Channel>,
        near: Near<Channel>,
    },
    /// The broker closed the channel; until close-ok, what the client still sends is dropped.
    Closing,
}

/// The channels by the numbers their client gave them.
#[derive(Default)]
pub(crate) struct Channels {
    by_number: FxHashMap<u16, Slot>,
    number_of: FxHashMap<ChannelId, u16>,
}

impl Channels {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether no channel actor is left.
    pub(super) fn all_gone(&self) -> bool {
        self.number_of.is_empty()
    }

    /// The open channel of that number.
    #[cfg(feature = "faults")]
    pub(crate) fn open(&self, number: u16) -> Option<&Addr<Channel>> {
        match self.by_number.get(&number)? {
            Slot::Open { addr, .. } => Some(addr),
            Slot::Closing => None,
        }
    }

    fn insert(&mut self, number: u16, id: ChannelId, addr: Addr<Channel>, near: Near<Channel>) {
        self.by_number.insert(number, Slot::Open { addr, near });
        self.number_of.insert(id, number);
    }

    /// A channel is gone; returns its number, which stays taken until the client has answered if the broker closed it.
    pub(super) fn gone(&mut self, id: ChannelId, end: End) -> Option<u16> {
        let number = self.number_of.remove(&id)?;
        match end {
            End::ByBroker => self.by_number.insert(number, Slot::Closing),
            End::ByClient => self.by_number.remove(&number),
        };
        Some(number)
    }

    /// Tells every channel to finish.
    pub(super) fn close_all(&self) {
        for slot in self.by_number.values() {
            if let Slot::Open { addr, .. } = slot {
                addr.do_send(Close);
            }
        }
    }
}

impl Connection {
    /// Hands frames to their channel, which may have to be opened first.
    pub(super) fn hand_to_channel(
        &mut self,
        number: u16,
        commands: Commands,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        match self.channels.by_number.get(&number) {
            Some(Slot::Open { addr, near }) => near.tell(commands, addr),
            Some(Slot::Closing) => self.skip_to_close_ok(number, commands, ctx)?,
            None => {
                let channel = self.open_channel(number, &commands.batch, ctx)?;
                channel.do_send(commands);
            }
        }
        Ok(())
    }

    /// Starts the channel whose first method is channel.open; the channel itself answers it.
    fn open_channel(
        &mut self,
        number: u16,
        batch: &FrameBatch,
        ctx: &mut Context<Self>,
    ) -> Result<Addr<Channel>, Exception> {
        let first = batch
            .frames
            .first()
            .map(|frame| opening(batch, frame))
            .transpose()?
            .flatten();
        let Some(session) = &self.session else {
            return Err(Exception::new(
                ReplyCode::ChannelError,
                "the connection is not open",
            ));
        };
        if let Some(refused) = first {
            return Err(refused);
        }
        let most = self.tuning.channel_max;
        if self.channels.len() >= most.into() {
            let text = format!(
                "number of channels opened ({}) has reached the negotiated channel_max ({most})",
                self.channels.len()
            );
            return Err(Exception::new(ReplyCode::NotAllowed, text).on(channel::Open::IDS));
        }
        let id = ChannelId::next();
        let lease = Lease::new(ctx.address().recipient(), id);
        let ended = ctx.address().recipient();
        let channel = Channel::new(id, number, Rc::clone(session), ended, lease);
        let (addr, near) = node::start_near(|_| channel);
        self.channels.insert(number, id, addr.clone(), near);
        self.gate.set_channels(self.channels.len());
        Ok(addr)
    }

    /// Frees the number when the client has seen that its channel is closed. What follows is for a new channel.
    fn skip_to_close_ok(
        &mut self,
        number: u16,
        commands: Commands,
        ctx: &mut Context<Self>,
    ) -> Result<(), Exception> {
        let batch = &commands.batch;
        for (at, frame) in batch.frames.iter().enumerate() {
            if frame.kind != FrameKind::Method {
                continue;
            }
            match Method::decode(batch.payload(frame)) {
                Ok(Method::Channel(channel::Method::CloseOk(_))) => {
                    self.channels.by_number.remove(&number);
                    let batch = batch.rest(at + 1);
                    return if batch.frames.is_empty() {
                        Ok(())
                    } else {
                        self.hand_to_channel(number, Commands { batch, ..commands }, ctx)
                    };
                }
                Ok(Method::Channel(channel::Method::Close(_))) => self.send(number, &channel::CloseOk {}),
                _ => {}
            }
        }
        Ok(())
    }

    /// A channel crashed: its client is told, and nobody else notices.
    pub(super) fn channel_crashed(&self, number: u16) {
        let reply_text = "INTERNAL_ERROR - the channel failed";
        let reply_code = ReplyCode::InternalError as u16;
        self.send(
            number,
            &channel::Close {
                reply_code,
                reply_text,
                class_id: 0,
                method_id: 0,
            },
        );
    }
}

/// None when the frame opens a channel, else what is wrong with it.
fn opening(batch: &FrameBatch, frame: &Frame) -> Result<Option<Exception>, Exception> {
    if frame.kind != FrameKind::Method {
        return Ok(Some(Exception::new(
            ReplyCode::ChannelError,
            "expected 'channel.open'",
        )));
    }
    let method = Method::decode(batch.payload(frame))?;
    Ok(match method {
        Method::Channel(channel::Method::Open(_)) => None,
        Method::Connection(_) => {
            let text = format!("{} belongs on channel 0", method.name());
            Some(Exception::new(ReplyCode::CommandInvalid, text).on(method.ids()))
        }
        other => Some(Exception::new(ReplyCode::ChannelError, "expected 'channel.open'").on(other.ids())),
    })
}
