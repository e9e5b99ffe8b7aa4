//! Class `exchange`: declaring, deleting and binding exchanges.

class! {
    "exchange" 40 Exchange;

    /// A method of class `exchange`.
    enum Method<'a>;

    /// Creates an exchange, or verifies that it exists with these attributes.
    10 "declare" Declare<'a> {
        [short]
        /// Its name.
        exchange: shortstr,
        /// Its type, such as `direct`.
        kind: shortstr,
        /// Only verify that it exists.
        passive: bit,
        /// It survives a restart.
        durable: bit,
        /// It is deleted with its last binding.
        auto_delete: bit,
        /// Clients may not publish to it.
        internal: bit,
        /// Do not answer.
        nowait: bit,
        /// Further attributes.
        arguments: table,
    }

    /// The exchange exists.
    11 "declare-ok" DeclareOk {}

    /// Deletes an exchange.
    20 "delete" Delete<'a> {
        [short]
        /// Its name.
        exchange: shortstr,
        /// Only if nothing is bound to it.
        if_unused: bit,
        /// Do not answer.
        nowait: bit,
    }

    /// The exchange is gone.
    21 "delete-ok" DeleteOk {}

    /// Binds an exchange to another.
    30 "bind" Bind<'a> {
        [short]
        /// The exchange that receives.
        destination: shortstr,
        /// The exchange that routes.
        source: shortstr,
        /// The key of the binding.
        routing_key: shortstr,
        /// Do not answer.
        nowait: bit,
        /// Further conditions.
        arguments: table,
    }

    /// The binding routes.
    31 "bind-ok" BindOk {}

    /// Removes a binding between exchanges.
    40 "unbind" Unbind<'a> {
        [short]
        /// The exchange that receives.
        destination: shortstr,
        /// The exchange that routes.
        source: shortstr,
        /// The key of the binding.
        routing_key: shortstr,
        /// Do not answer.
        nowait: bit,
        /// Further conditions.
        arguments: table,
    }

    /// The binding is gone. Its id is 51, out of step with its request.
    51 "unbind-ok" UnbindOk {}
}
