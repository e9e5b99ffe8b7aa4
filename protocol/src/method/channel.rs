//! Class `channel`: opening, closing and pausing a channel.

class! {
    "channel" 20 Channel;

    /// A method of class `channel`.
    enum Method<'a>;

    /// The client opens the channel.
    10 "open" Open {
        ; [shortstr]
    }

    /// The channel is open.
    11 "open-ok" OpenOk {
        ; [longstr]
    }

    /// Either peer asks the other to pause or resume its contents.
    20 "flow" Flow {
        /// False to pause.
        active: bit,
    }

    /// The flow is as asked.
    21 "flow-ok" FlowOk {
        /// False when paused.
        active: bit,
    }

    /// Either peer ends the channel.
    40 "close" Close<'a> {
        /// Why; see [`ReplyCode`](crate::ReplyCode).
        reply_code: short,
        /// Why, in words.
        reply_text: shortstr,
        /// The class of the method that failed, or 0.
        class_id: short,
        /// The method that failed, or 0.
        method_id: short,
    }

    /// The end is agreed; the number may be used again.
    41 "close-ok" CloseOk {}
}
