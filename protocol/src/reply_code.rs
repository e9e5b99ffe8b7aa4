//! The reply codes of AMQP 0-9-1: what they are called, what they end, what they mean.

use crate::exception::Scope;

macro_rules! reply_codes {
    ($( $code:literal $variant:ident $name:literal $scope:ident $meaning:literal; )*) => {
        /// Why a channel or a connection is closed, or a message returned.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ReplyCode {
            $( #[doc = $meaning] $variant = $code, )*
        }

        impl ReplyCode {
            /// Every code, in ascending order.
            pub const ALL: &'static [ReplyCode] = &[ $( ReplyCode::$variant, )* ];

            /// The name that begins a reply text, such as `NOT_FOUND`.
            pub fn name(self) -> &'static str {
                match self { $( ReplyCode::$variant => $name, )* }
            }

            /// What an exception with this code ends unless it says otherwise.
            pub fn scope(self) -> Scope {
                match self { $( ReplyCode::$variant => Scope::$scope, )* }
            }

            /// What the code means, in one line.
            pub fn meaning(self) -> &'static str {
                match self { $( ReplyCode::$variant => $meaning, )* }
            }

            /// The code with this number, if AMQP 0-9-1 defines one.
            pub fn from_code(code: u16) -> Option<ReplyCode> {
                match code { $( $code => Some(ReplyCode::$variant), )* _ => None }
            }
        }
    };
}

reply_codes! {
    200 Success            "REPLY_SUCCESS"       Channel    "The close was asked for; nothing went wrong.";
    311 ContentTooLarge    "CONTENT_TOO_LARGE"   Channel    "The content is larger than the peer takes now.";
    312 NoRoute            "NO_ROUTE"            Channel    "A mandatory message matched no queue.";
    313 NoConsumers        "NO_CONSUMERS"        Channel    "An immediate message found no ready consumer.";
    320 ConnectionForced   "CONNECTION_FORCED"   Connection "An operator closed the connection.";
    402 InvalidPath        "INVALID_PATH"        Connection "The virtual host is unknown.";
    403 AccessRefused      "ACCESS_REFUSED"      Channel    "The user may not do this.";
    404 NotFound           "NOT_FOUND"           Channel    "The named entity does not exist.";
    405 ResourceLocked     "RESOURCE_LOCKED"     Channel    "Another connection holds the entity exclusively.";
    406 PreconditionFailed "PRECONDITION_FAILED" Channel    "The request contradicts what exists or is allowed.";
    501 FrameError         "FRAME_ERROR"         Connection "A frame cannot be decoded.";
    502 SyntaxError        "SYNTAX_ERROR"        Connection "A frame holds illegal values.";
    503 CommandInvalid     "COMMAND_INVALID"     Connection "The method does not fit the moment.";
    504 ChannelError       "CHANNEL_ERROR"       Connection "The channel is not open, or opened twice.";
    505 UnexpectedFrame    "UNEXPECTED_FRAME"    Connection "A frame came where another kind was due.";
    506 ResourceError      "RESOURCE_ERROR"      Connection "A resource is exhausted.";
    530 NotAllowed         "NOT_ALLOWED"         Connection "The request breaks a rule of the server.";
    540 NotImplemented     "NOT_IMPLEMENTED"     Connection "The server does not do this.";
    541 InternalError      "INTERNAL_ERROR"      Connection "The server failed.";
}

impl ReplyCode {
    /// The number on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }
}
