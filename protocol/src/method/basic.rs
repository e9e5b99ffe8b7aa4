//! Class `basic`: publishing, consuming and settling messages.

class! {
    "basic" 60 Basic;

    /// A method of class `basic`.
    enum Method<'a>;

    /// Limits how much may be delivered and not yet acknowledged.
    10 "qos" Qos {
        /// In bytes; 0 for no limit.
        prefetch_size: long,
        /// In messages; 0 for no limit.
        prefetch_count: short,
        /// For the channel as a whole instead of for each new consumer.
        global: bit,
    }

    /// The limits hold.
    11 "qos-ok" QosOk {}

    /// Subscribes to a queue.
    20 "consume" Consume<'a> {
        [short]
        /// The queue.
        queue: shortstr,
        /// A name for the subscription; empty to let the server choose one.
        consumer_tag: shortstr,
        /// Not to be sent messages published on this connection.
        no_local: bit,
        /// Deliveries count as acknowledged when sent.
        no_ack: bit,
        /// To be the only consumer.
        exclusive: bit,
        /// Do not answer.
        nowait: bit,
        /// Further attributes.
        arguments: table,
    }

    /// The subscription holds.
    21 "consume-ok" ConsumeOk<'a> {
        /// Its name.
        consumer_tag: shortstr,
    }

    /// Ends a subscription; sent by the server too, when the queue is gone.
    30 "cancel" Cancel<'a> {
        /// Its name.
        consumer_tag: shortstr,
        /// Do not answer.
        nowait: bit,
    }

    /// The subscription is over.
    31 "cancel-ok" CancelOk<'a> {
        /// Its name.
        consumer_tag: shortstr,
    }

    /// Publishes the content that follows.
    40 "publish" Publish<'a> {
        [short]
        /// The exchange that routes; empty for the default exchange.
        exchange: shortstr,
        /// What it routes by.
        routing_key: shortstr,
        /// Return the message if it matches no queue.
        mandatory: bit,
        /// Return the message if no consumer is ready for it.
        immediate: bit,
    }

    /// Returns the content that follows to its publisher.
    50 "return" Return<'a> {
        /// Why; see [`ReplyCode`](crate::ReplyCode).
        reply_code: short,
        /// Why, in words.
        reply_text: shortstr,
        /// The exchange it was published to.
        exchange: shortstr,
        /// The key it was published with.
        routing_key: shortstr,
    }

    /// Delivers the content that follows to a consumer.
    60 "deliver" Deliver<'a> {
        /// The subscription.
        consumer_tag: shortstr,
        /// The number by which the channel settles it.
        delivery_tag: longlong,
        /// It may have been delivered before.
        redelivered: bit,
        /// The exchange it was published to.
        exchange: shortstr,
        /// The key it was published with.
        routing_key: shortstr,
    }

    /// Asks for one message.
    70 "get" Get<'a> {
        [short]
        /// The queue.
        queue: shortstr,
        /// The message counts as acknowledged when sent.
        no_ack: bit,
    }

    /// Answers with the content that follows.
    71 "get-ok" GetOk<'a> {
        /// The number by which the channel settles it.
        delivery_tag: longlong,
        /// It may have been delivered before.
        redelivered: bit,
        /// The exchange it was published to.
        exchange: shortstr,
        /// The key it was published with.
        routing_key: shortstr,
        /// Messages still ready in the queue.
        message_count: long,
    }

    /// There is no message.
    72 "get-empty" GetEmpty {
        ; [shortstr]
    }

    /// Settles deliveries; from the server, confirms publications.
    80 "ack" Ack {
        /// The number settled.
        delivery_tag: longlong,
        /// All up to it too.
        multiple: bit,
    }

    /// Refuses a delivery.
    90 "reject" Reject {
        /// The number refused.
        delivery_tag: longlong,
        /// Put the message back instead of dropping it.
        requeue: bit,
    }

    /// Asks for all unsettled deliveries again, without an answer.
    100 "recover-async" RecoverAsync {
        /// Put them back instead of delivering to this consumer again.
        requeue: bit,
    }

    /// Asks for all unsettled deliveries again.
    110 "recover" Recover {
        /// Put them back instead of delivering to this consumer again.
        requeue: bit,
    }

    /// The deliveries are on their way.
    111 "recover-ok" RecoverOk {}

    /// Refuses deliveries; from the server, publications.
    120 "nack" Nack {
        /// The number refused.
        delivery_tag: longlong,
        /// All up to it too.
        multiple: bit,
        /// Put the messages back instead of dropping them.
        requeue: bit,
    }
}
