//! Class `queue`: declaring, binding, purging and deleting queues.

class! {
    "queue" 50 Queue;

    /// A method of class `queue`.
    enum Method<'a>;

    /// Creates a queue, or verifies that it exists with these attributes.
    10 "declare" Declare<'a> {
        [short]
        /// Its name; empty to let the server choose one.
        queue: shortstr,
        /// Only verify that it exists.
        passive: bit,
        /// It survives a restart.
        durable: bit,
        /// Only this connection may use it, and it ends with the connection.
        exclusive: bit,
        /// It is deleted with its last consumer.
        auto_delete: bit,
        /// Do not answer.
        nowait: bit,
        /// Further attributes.
        arguments: table,
    }

    /// The queue exists.
    11 "declare-ok" DeclareOk<'a> {
        /// Its name.
        queue: shortstr,
        /// Messages ready for delivery.
        message_count: long,
        /// Consumers.
        consumer_count: long,
    }

    /// Binds a queue to an exchange.
    20 "bind" Bind<'a> {
        [short]
        /// The queue that receives.
        queue: shortstr,
        /// The exchange that routes.
        exchange: shortstr,
        /// The key of the binding.
        routing_key: shortstr,
        /// Do not answer.
        nowait: bit,
        /// Further conditions.
        arguments: table,
    }

    /// The binding routes.
    21 "bind-ok" BindOk {}

    /// Drops the messages that are ready.
    30 "purge" Purge<'a> {
        [short]
        /// The queue.
        queue: shortstr,
        /// Do not answer.
        nowait: bit,
    }

    /// The messages are gone.
    31 "purge-ok" PurgeOk {
        /// How many they were.
        message_count: long,
    }

    /// Deletes a queue.
    40 "delete" Delete<'a> {
        [short]
        /// The queue.
        queue: shortstr,
        /// Only if it has no consumer.
        if_unused: bit,
        /// Only if it has no message.
        if_empty: bit,
        /// Do not answer.
        nowait: bit,
    }

    /// The queue is gone.
    41 "delete-ok" DeleteOk {
        /// How many messages went with it.
        message_count: long,
    }

    /// Removes a binding.
    50 "unbind" Unbind<'a> {
        [short]
        /// The queue that receives.
        queue: shortstr,
        /// The exchange that routes.
        exchange: shortstr,
        /// The key of the binding.
        routing_key: shortstr,
        /// Further conditions.
        arguments: table,
    }

    /// The binding is gone.
    51 "unbind-ok" UnbindOk {}
}
