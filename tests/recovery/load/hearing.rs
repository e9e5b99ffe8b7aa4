//! What a client hears: answers, and between them confirms and deliveries, which go into the model.

use std::time::Duration;

use leveret_protocol::method::{basic, connection};
use leveret_protocol::{EncodeMethod, Method};

use super::client::{Client, Ended};
use crate::support::PATIENCE;
use crate::support::channel::encoded;
use crate::support::wire::{BODY, Frame, HEADER, METHOD, NoFrame};

const CONNECTION_CLOSE: [u8; 4] = [0, 10, 0, 50];

/// What a client may hear.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    Nothing,
    /// A confirm or a delivery, which is dealt with.
    Told,
    Answer(Box<Method<'static>>),
}

impl Client<'_> {
    /// Sends a method and waits for its answer.
    pub(super) fn ask(&mut self, method: impl EncodeMethod, answer: &str) -> Result<(), Ended> {
        self.channel.send(method);
        let answered = self.method()?;
        assert_eq!(answered.name(), answer, "client {}: {answered:?}", self.number);
        Ok(())
    }

    /// The next method that is no confirm and no delivery.
    pub(super) fn method(&mut self) -> Result<Method<'static>, Ended> {
        loop {
            if let Heard::Answer(method) = self.step(PATIENCE)? {
                return Ok(*method);
            }
        }
    }

    /// Waits for a confirm.
    pub(super) fn listen(&mut self) -> Result<(), Ended> {
        match self.step(PATIENCE)? {
            Heard::Told => Ok(()),
            other => panic!("client {}: {other:?} instead of a confirm", self.number),
        }
    }

    /// Hears one thing.
    pub(super) fn step(&mut self, patience: Duration) -> Result<Heard, Ended> {
        let Some(frame) = self.frame(patience)? else {
            assert!(
                patience != PATIENCE,
                "client {}: the broker does not answer",
                self.number
            );
            return Ok(Heard::Nothing);
        };
        assert_eq!(frame.kind, METHOD, "{frame:?}");
        match Method::decode(frame.payload.leak()).expect("a method") {
            Method::Basic(basic::Method::Ack(ack)) => self.confirmed(ack.delivery_tag, ack.multiple, true),
            Method::Basic(basic::Method::Nack(nack)) => {
                self.confirmed(nack.delivery_tag, nack.multiple, false)
            }
            Method::Basic(basic::Method::Deliver(delivery)) => {
                let queue = self.consuming.clone().expect("a consumer");
                let tag = self.take(&queue, delivery.delivery_tag, delivery.redelivered)?;
                self.delivered.push(tag);
            }
            other => return Ok(Heard::Answer(Box::new(other))),
        }
        Ok(Heard::Told)
    }

    fn confirmed(&mut self, tag: u64, multiple: bool, acked: bool) {
        let mut model = self.model();
        let first = if multiple { 0 } else { tag };
        let covered: Vec<u64> = self.open.range(first..=tag).map(|(tag, _)| *tag).collect();
        for (id, persistent, queues) in covered.iter().filter_map(|tag| self.open.remove(tag)) {
            if acked {
                model.confirmed(id, persistent, &queues);
            }
        }
    }

    /// The properties are of no interest here.
    pub(super) fn content(&mut self) -> Result<Vec<u8>, Ended> {
        let part = |kind| {
            let frame = self.frame(PATIENCE)?.expect("content in time");
            assert_eq!(frame.kind, kind);
            Ok(frame.payload)
        };
        let header: Vec<u8> = part(HEADER)?;
        let length = u64::from_be_bytes(header[4..12].try_into().unwrap()) as usize;
        let mut body = Vec::with_capacity(length);
        while body.len() < length {
            body.extend(part(BODY)?);
        }
        Ok(body)
    }

    /// The next frame of the channel; `None` when none came in time.
    fn frame(&self, patience: Duration) -> Result<Option<Frame>, Ended> {
        loop {
            let frame = self.channel.shared().wire.read(patience);
            match frame {
                Ok(frame) if frame.channel != 0 => return Ok(Some(frame)),
                Ok(frame) if frame.payload.starts_with(&CONNECTION_CLOSE) => {
                    let close_ok = encoded(&connection::CloseOk {});
                    self.channel.write(&Frame::new(METHOD, 0, close_ok).bytes());
                    return Err(Ended);
                }
                Ok(_) => {}
                Err(NoFrame::Silence) => return Ok(None),
                Err(NoFrame::End) => return Err(Ended),
            }
        }
    }
}
