//! A channel of the bare client.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use leveret_protocol::method::{basic, channel, confirm, queue, tx};
use leveret_protocol::{EncodeMethod, Method};

use super::connection::{Closed, Connection, Shared};
use super::content::{self, Delivery, Got, Returned};
use super::methods::{Reply, get, passive};
use super::wire::{Frame, METHOD, NoFrame};
use super::{BRIEFLY, PATIENCE};

/// One channel; clones are the same channel.
#[derive(Clone)]
pub(crate) struct Channel {
    shared: Rc<RefCell<Shared>>,
    number: u16,
}

impl Channel {
    pub(crate) fn new(shared: Rc<RefCell<Shared>>, number: u16) -> Channel {
        Channel { shared, number }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn shared(&self) -> RefMut<'_, Shared> {
        self.shared.borrow_mut()
    }

    pub(crate) fn shared_handle(&self) -> Rc<RefCell<Shared>> {
        Rc::clone(&self.shared)
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.shared().wire.write(bytes);
    }

    /// Writes a frame of this channel.
    pub(crate) fn send_frame(&self, kind: u8, payload: impl Into<Vec<u8>>) {
        self.write(&Frame::new(kind, self.number, payload).bytes());
    }

    /// Sends a method.
    pub(crate) fn send(&self, method: impl EncodeMethod) {
        self.send_frame(METHOD, encoded(&method));
    }

    /// Sends a method and expects the answer; deliveries that come before it are kept for later.
    #[track_caller]
    pub(crate) fn call<R: Reply>(&self, method: impl EncodeMethod) -> R {
        self.send(method);
        let mut early = Vec::new();
        let frame = loop {
            let frame = self.frame();
            match is_delivery(&frame) || frame.kind != METHOD {
                true => early.push(frame),
                false => break frame,
            }
        };
        self.shared().put_back(self.number, frame);
        let reply = self.expect();
        early
            .into_iter()
            .rev()
            .for_each(|frame| self.shared().put_back(self.number, frame));
        reply
    }

    /// Expects this method next on the channel.
    #[track_caller]
    pub(crate) fn expect<R: Reply>(&self) -> R {
        let method = self.method();
        let name = method.name();
        R::from_method(method.clone())
            .unwrap_or_else(|| panic!("{} instead of {}: {method:?}", name, R::WANTED))
    }

    /// The next method on the channel.
    #[track_caller]
    pub(crate) fn method(&self) -> Method<'static> {
        let frame = self.frame();
        assert_eq!(frame.kind, METHOD, "a method frame: {frame:?}");
        // A method borrows from its frame. A test is short, so the frames it reads may live for ever.
        Method::decode(frame.payload.leak()).expect("the broker's methods are well-formed")
    }

    /// The name of the next method; its content, if it has any, is read past.
    #[track_caller]
    pub(crate) fn method_past_content(&self) -> &'static str {
        let method = self.method();
        if method.has_content() {
            content::read(self);
        }
        method.name()
    }

    /// The connection this channel belongs to.
    pub(crate) fn connection(&self) -> Connection {
        Connection::of(self)
    }

    /// The next frame on the channel.
    #[track_caller]
    pub(crate) fn frame(&self) -> Frame {
        match self.next_frame(PATIENCE) {
            Ok(frame) => frame,
            Err(NoFrame::Silence) => panic!("nothing on channel {} within {PATIENCE:?}", self.number),
            Err(NoFrame::End) => panic!("the broker closed the socket"),
        }
    }

    #[track_caller]
    pub(crate) fn next_frame(&self, patience: Duration) -> Result<Frame, NoFrame> {
        self.shared().next(self.number, patience)
    }

    /// Asserts that the broker has nothing to say on this channel.
    #[track_caller]
    pub(crate) fn expect_nothing(&self) {
        match self.next_frame(BRIEFLY) {
            Err(NoFrame::Silence) => {}
            Err(NoFrame::End) => panic!("the broker closed the socket"),
            Ok(frame) => panic!("nothing was expected, but {:?}", Method::decode(&frame.payload)),
        }
    }

    /// Opens the channel.
    #[track_caller]
    pub(crate) fn open(&self) {
        self.call::<channel::OpenOk>(channel::Open {});
    }

    /// Closes the channel with the proper exchange of methods.
    #[track_caller]
    pub(crate) fn close(&self) {
        self.call::<channel::CloseOk>(channel::Close {
            reply_code: 200,
            reply_text: "bye",
            class_id: 0,
            method_id: 0,
        });
    }

    /// Closes the channel and forgets the deliveries that were under way.
    #[track_caller]
    pub(crate) fn close_among_deliveries(&self) {
        self.close();
        self.shared().forget(self.number);
    }

    /// Sends a method that must close the channel with this code and text.
    #[track_caller]
    pub(crate) fn fails(&self, method: impl EncodeMethod, code: u16, text: &str) {
        let ids = method.ids();
        self.send(method);
        self.closed(code, text, ids);
    }

    /// Sends a method that must close the whole connection with this code and text.
    #[track_caller]
    pub(crate) fn fails_connection(&self, method: impl EncodeMethod, code: u16, text: &str) {
        let ids = method.ids();
        self.send(method);
        self.connection_closed(code, text, ids);
    }

    /// Expects the broker to close the channel with this code and text, naming `ids`; answers it.
    #[track_caller]
    pub(crate) fn closed(&self, code: u16, text: &str, ids: (u16, u16)) {
        let closed = self.expect_close();
        assert_eq!(
            (closed.reply_code, closed.reply_text.as_str(), closed.ids),
            (code, text, ids)
        );
    }

    /// Expects the broker to close the channel; answers it.
    #[track_caller]
    pub(crate) fn expect_close(&self) -> Closed {
        let close: channel::Close<'_> = self.expect();
        self.send(channel::CloseOk {});
        let reply_text = self.shared().with_vhost_slash(close.reply_text);
        Closed {
            reply_code: close.reply_code,
            reply_text,
            ids: (close.class_id, close.method_id),
        }
    }

    /// Expects the broker to close the connection this channel belongs to.
    #[track_caller]
    pub(crate) fn connection_closed(&self, code: u16, text: &str, ids: (u16, u16)) {
        self.connection().closed(code, text, ids);
    }
}

fn is_delivery(frame: &Frame) -> bool {
    frame.kind == METHOD && frame.payload.starts_with(&[0, 60, 0, 60])
}

/// The payload of a method frame.
pub(crate) fn encoded(method: &impl EncodeMethod) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    method.encode(&mut bytes);
    bytes.to_vec()
}
