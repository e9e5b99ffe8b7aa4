//! Class `access`: left over from AMQP 0-8; its tickets mean nothing.

class! {
    "access" 30 Access;

    /// A method of class `access`.
    enum Method<'a>;

    /// The client asks for a ticket.
    10 "request" Request<'a> {
        /// The realm asked for.
        realm: shortstr,
        /// To be the only one with access.
        exclusive: bit,
        /// To passively look.
        passive: bit,
        /// To actively change.
        active: bit,
        /// To write.
        write: bit,
        /// To read.
        read: bit,
    }

    /// The server hands out a ticket.
    11 "request-ok" RequestOk {
        /// Any number; nothing reads it.
        ticket: short,
    }
}
