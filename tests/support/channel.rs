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

/// The broker's answer to a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirm {
    Ack { tag: u64, multiple: bool },
    Nack { tag: u64, multiple: bool },
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

    /// Publishes without properties.
    pub(crate) fn publish(&self, exchange: &str, routing_key: &str, body: impl AsRef<[u8]>) {
        self.publish_as(
            basic::Publish {
                exchange,
                routing_key,
                ..Default::default()
            },
            &content::NONE,
            body,
        );
    }

    /// Publishes to the default exchange with these encoded properties.
    pub(crate) fn publish_with(&self, queue: &str, properties: &[u8], body: impl AsRef<[u8]>) {
        self.publish_as(
            basic::Publish {
                routing_key: queue,
                ..Default::default()
            },
            properties,
            body,
        );
    }

    /// Publishes with everything given, in one write.
    pub(crate) fn publish_as(&self, publish: basic::Publish<'_>, properties: &[u8], body: impl AsRef<[u8]>) {
        let frame_max = self.shared().frame_max;
        let mut bytes = Frame::new(METHOD, self.number, encoded(&publish)).bytes();
        bytes.extend(content::frames(self.number, properties, body.as_ref(), frame_max));
        self.write(&bytes);
    }

    /// One message of the queue, to be settled.
    #[track_caller]
    pub(crate) fn get(&self, queue: &str) -> Option<Got> {
        self.get_as(get(queue))
    }

    #[track_caller]
    pub(crate) fn get_as(&self, get: basic::Get<'_>) -> Option<Got> {
        self.send(get);
        match self.method() {
            Method::Basic(basic::Method::GetOk(ok)) => Some(Got::new(ok, content::read(self))),
            Method::Basic(basic::Method::GetEmpty(_)) => None,
            other => panic!("{other:?} instead of the answer to a get"),
        }
    }

    /// Takes everything out of the queue: the bodies in order.
    #[track_caller]
    pub(crate) fn drain(&self, queue: &str) -> Vec<String> {
        let take = || {
            self.get_as(basic::Get {
                no_ack: true,
                ..get(queue)
            })
        };
        std::iter::from_fn(take)
            .map(|got| String::from_utf8(got.body).expect("text"))
            .collect()
    }

    /// How many messages are ready in the queue.
    #[track_caller]
    pub(crate) fn ready(&self, queue: &str) -> u32 {
        self.call::<queue::DeclareOk<'_>>(passive(queue)).message_count
    }

    /// How many consumers the queue has.
    #[track_caller]
    pub(crate) fn consumers(&self, queue: &str) -> u32 {
        self.call::<queue::DeclareOk<'_>>(passive(queue)).consumer_count
    }

    /// Declares a transient, shared queue without arguments.
    #[track_caller]
    pub(crate) fn declare(&self, queue: &str) {
        self.call::<queue::DeclareOk<'_>>(super::methods::queue(queue));
    }

    /// Declares a queue and does not ask for an answer.
    pub(crate) fn declare_without_waiting(&self, queue: &str) {
        self.send(queue::Declare {
            nowait: true,
            ..super::methods::queue(queue)
        });
    }

    /// Subscribes, with acknowledgements, and gives the consumer tag.
    #[track_caller]
    pub(crate) fn consume(&self, queue: &str) -> String {
        self.consume_as(super::methods::consume(queue))
    }

    #[track_caller]
    pub(crate) fn consume_as(&self, consume: basic::Consume<'_>) -> String {
        self.call::<basic::ConsumeOk<'_>>(consume).consumer_tag.to_owned()
    }

    /// The next delivery.
    #[track_caller]
    pub(crate) fn delivery(&self) -> Delivery {
        let deliver = self.expect::<basic::Deliver<'_>>();
        Delivery::new(deliver, content::read(self))
    }

    /// The next deliveries.
    #[track_caller]
    pub(crate) fn deliveries(&self, count: usize) -> Vec<Delivery> {
        (0..count).map(|_| self.delivery()).collect()
    }

    /// The bodies of the next deliveries.
    #[track_caller]
    pub(crate) fn delivered(&self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| String::from_utf8(self.delivery().body).expect("text"))
            .collect()
    }

    /// The next method must be a return.
    #[track_caller]
    pub(crate) fn returned(&self) -> Returned {
        let method = self.expect::<basic::Return<'_>>();
        Returned::new(method, content::read(self))
    }

    pub(crate) fn ack(&self, delivery_tag: u64) {
        self.send(basic::Ack {
            delivery_tag,
            multiple: false,
        });
    }

    pub(crate) fn ack_up_to(&self, delivery_tag: u64) {
        self.send(basic::Ack {
            delivery_tag,
            multiple: true,
        });
    }

    pub(crate) fn requeue(&self, delivery_tag: u64) {
        self.send(basic::Nack {
            delivery_tag,
            multiple: false,
            requeue: true,
        });
    }

    pub(crate) fn reject(&self, delivery_tag: u64, requeue: bool) {
        self.send(basic::Reject {
            delivery_tag,
            requeue,
        });
    }

    /// Sets the prefetch of later consumers.
    #[track_caller]
    pub(crate) fn prefetch(&self, prefetch_count: u16) {
        self.call::<basic::QosOk>(basic::Qos {
            prefetch_count,
            ..Default::default()
        });
    }

    /// Sets the prefetch of the channel as a whole.
    #[track_caller]
    pub(crate) fn prefetch_together(&self, prefetch_count: u16) {
        self.call::<basic::QosOk>(basic::Qos {
            prefetch_count,
            global: true,
            ..Default::default()
        });
    }

    #[track_caller]
    pub(crate) fn confirm_select(&self) {
        self.call::<confirm::SelectOk>(confirm::Select::default());
    }

    #[track_caller]
    pub(crate) fn tx_select(&self) {
        self.call::<tx::SelectOk>(tx::Select {});
    }

    #[track_caller]
    pub(crate) fn commit(&self) {
        self.call::<tx::CommitOk>(tx::Commit {});
    }

    #[track_caller]
    pub(crate) fn rollback(&self) {
        self.call::<tx::RollbackOk>(tx::Rollback {});
    }

    /// The next method must be a confirm.
    #[track_caller]
    pub(crate) fn confirm(&self) -> Confirm {
        match self.method() {
            Method::Basic(basic::Method::Ack(ack)) => Confirm::Ack {
                tag: ack.delivery_tag,
                multiple: ack.multiple,
            },
            Method::Basic(basic::Method::Nack(nack)) => Confirm::Nack {
                tag: nack.delivery_tag,
                multiple: nack.multiple,
            },
            other => panic!("{other:?} instead of a confirm"),
        }
    }

    /// Waits until the publications `first..=last` are acked, each exactly once.
    #[track_caller]
    pub(crate) fn acked(&self, first: u64, last: u64) {
        let mut open: std::collections::BTreeSet<u64> = (first..=last).collect();
        while !open.is_empty() {
            match self.confirm() {
                Confirm::Ack { tag, multiple: false } => assert!(open.remove(&tag), "{tag} was not open"),
                Confirm::Ack { tag, multiple: true } => {
                    assert!(open.contains(&tag), "{tag} was not open");
                    open = open.split_off(&(tag + 1));
                }
                nack => panic!("{nack:?}"),
            }
        }
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
