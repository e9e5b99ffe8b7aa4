//! Class `connection`: the handshake, its end, and what concerns all channels.

class! {
    "connection" 10 Connection;

    /// A method of class `connection`; always on channel 0.
    enum Method<'a>;

    /// The server opens the handshake and says what it offers.
    10 "start" Start<'a> {
        /// 0 for AMQP 0-9-1.
        version_major: octet,
        /// 9 for AMQP 0-9-1.
        version_minor: octet,
        /// Product, version, capabilities and the like.
        server_properties: table,
        /// Names of the login mechanisms, separated by spaces.
        mechanisms: longstr,
        /// Names of the languages of reply texts, separated by spaces.
        locales: longstr,
    }

    /// The client chooses a mechanism and a locale.
    11 "start-ok" StartOk<'a> {
        /// Product, version, capabilities and the like.
        client_properties: table,
        /// The login mechanism chosen.
        mechanism: shortstr,
        /// What the mechanism says first.
        response: longstr,
        /// The locale chosen.
        locale: shortstr,
    }

    /// The server asks for more of the login.
    20 "secure" Secure<'a> {
        /// The mechanism's challenge.
        challenge: longstr,
    }

    /// The client answers the challenge.
    21 "secure-ok" SecureOk<'a> {
        /// The mechanism's response.
        response: longstr,
    }

    /// The server proposes limits.
    30 "tune" Tune {
        /// The highest channel number; 0 for no limit.
        channel_max: short,
        /// The largest frame in bytes, its envelope included; 0 for no limit.
        frame_max: long,
        /// Seconds between heartbeats; 0 for none.
        heartbeat: short,
    }

    /// The client settles the limits.
    31 "tune-ok" TuneOk {
        /// The highest channel number; 0 for no limit.
        channel_max: short,
        /// The largest frame in bytes, its envelope included; 0 for no limit.
        frame_max: long,
        /// Seconds between heartbeats; 0 for none.
        heartbeat: short,
    }

    /// The client enters a virtual host.
    40 "open" Open<'a> {
        /// The name of the virtual host.
        vhost: shortstr,
        ; [shortstr] [bit]
    }

    /// The connection is open.
    41 "open-ok" OpenOk {
        ; [shortstr]
    }

    /// Either peer ends the connection.
    50 "close" Close<'a> {
        /// Why; see [`ReplyCode`](crate::ReplyCode).
        reply_code: short,
        /// Why, in words.
        reply_text: shortstr,
        /// The class of the method that failed, or 0.
        class_id: short,
        /// The method that failed, or 0.
        method_id: short,
    }

    /// The end is agreed; the socket may be closed.
    51 "close-ok" CloseOk {}

    /// The server takes no more publications for now.
    60 "blocked" Blocked<'a> {
        /// Why, in words.
        reason: shortstr,
    }

    /// The server takes publications again.
    61 "unblocked" Unblocked {}

    /// The client renews its credentials.
    70 "update-secret" UpdateSecret<'a> {
        /// The password or token that replaces the present one.
        new_secret: longstr,
        /// Why, in words.
        reason: shortstr,
    }

    /// The new credentials are taken.
    71 "update-secret-ok" UpdateSecretOk {}
}
