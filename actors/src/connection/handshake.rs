//! The handshake: header, start, tune, open. Pure: methods in, the next step out.

use std::net::IpAddr;

use leveret_protocol::method::{Method, connection};
use leveret_protocol::{Exception, FieldTable, ProtocolHeader, ReplyCode};

use super::sasl::Mechanism;
use super::tuning::Tuning;
use crate::name::Name;
use crate::node::{Login, LoginRefused, Settings};

/// What is due from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Header,
    StartOk,
    TuneOk,
    Open,
}

/// What the broker does next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Send connection.start.
    Start,
    /// Send connection.tune.
    Tune,
    /// Keep these limits, start the heartbeats.
    Tuned(Tuning),
    /// Open this virtual host.
    Open { vhost: String },
}

/// Why the handshake ends here.
#[derive(Debug, PartialEq)]
pub(super) enum Refused {
    /// The peer doesn't speak the protocol: it is sent ours, and the hint is for the log.
    Header { hint: Option<&'static str> },
    /// The user may not log in. Clients that can be told are told.
    Login {
        user: String,
        mechanism: &'static str,
        why: Option<LoginRefused>,
        tell: bool,
    },
    /// Anything else.
    Exception(Exception),
}

impl From<Exception> for Refused {
    fn from(exception: Exception) -> Self {
        Refused::Exception(exception)
    }
}

/// How far a client is, and what it said on the way.
#[derive(Debug)]
pub(super) struct Handshake {
    stage: Stage,
    /// Who logged in.
    pub(super) user: Name,
    /// What the client says of itself.
    pub(super) client_properties: FieldTable,
    /// The limits, once they are agreed.
    pub(super) tuning: Option<Tuning>,
}

impl Handshake {
    pub(super) fn new() -> Self {
        Handshake {
            stage: Stage::Header,
            user: Name::from(""),
            client_properties: FieldTable::default(),
            tuning: None,
        }
    }

    /// Whether the client says that it can do something.
    pub(super) fn client_can(&self, capability: &str) -> bool {
        let capabilities = self
            .client_properties
            .get("capabilities")
            .and_then(|value| value.as_table());
        capabilities
            .and_then(|table| table.get(capability))
            .and_then(|value| value.as_bool())
            .unwrap_or(false)
    }

    /// Whether the client calls itself that.
    pub(super) fn client_is(&self, product: &str) -> bool {
        let told = self.client_properties.get("product");
        told.and_then(|value| value.as_str()) == Some(product)
    }

    /// The first bytes of the connection.
    pub(super) fn header(&mut self, header: &ProtocolHeader) -> Result<Step, Refused> {
        if header.is_0_9_1() && self.stage == Stage::Header {
            self.stage = Stage::StartOk;
            return Ok(Step::Start);
        }
        let hint = match header {
            ProtocolHeader::Tls => Some("a TLS client on the plain port"),
            ProtocolHeader::Http => Some("an HTTP client on the AMQP port"),
            ProtocolHeader::Amqp10 | ProtocolHeader::Amqp10Sasl => Some("an AMQP 1.0 client"),
            _ => None,
        };
        Err(Refused::Header { hint })
    }

    /// A method on channel 0.
    pub(super) fn method(
        &mut self,
        method: &Method<'_>,
        settings: &Settings,
        peer: IpAddr,
    ) -> Result<Step, Refused> {
        match (self.stage, method) {
            (Stage::StartOk, Method::Connection(connection::Method::StartOk(start_ok))) => {
                self.client_properties = start_ok.client_properties.clone();
                self.log_in(start_ok, settings, peer)?;
                self.stage = Stage::TuneOk;
                Ok(Step::Tune)
            }
            (Stage::TuneOk, Method::Connection(connection::Method::TuneOk(answer))) => {
                let tuning = Tuning::agree(settings, answer)?;
                self.tuning = Some(tuning);
                self.stage = Stage::Open;
                Ok(Step::Tuned(tuning))
            }
            (Stage::Open, Method::Connection(connection::Method::Open(open))) => Ok(Step::Open {
                vhost: open.vhost.to_owned(),
            }),
            (_, method) => Err(self.unexpected(method).into()),
        }
    }

    fn log_in(
        &mut self,
        start_ok: &connection::StartOk<'_>,
        settings: &Settings,
        peer: IpAddr,
    ) -> Result<(), Refused> {
        let mechanism = Mechanism::parse(start_ok.mechanism).ok_or_else(|| {
            let text = format!("unknown authentication mechanism '{}'", start_ok.mechanism);
            Exception::new(ReplyCode::CommandInvalid, text).on(connection::StartOk::IDS)
        })?;
        let tell = self.client_can("authentication_failure_close");
        let refused = |user, why| Refused::Login {
            user,
            mechanism: mechanism.name(),
            why,
            tell,
        };
        let Some(credentials) = mechanism.credentials(start_ok.response) else {
            return Err(refused(String::new(), None));
        };
        let login = Login {
            user: &credentials.user,
            password: &credentials.password,
            peer,
        };
        match settings.authority.authenticate(login) {
            Ok(()) => {
                self.user = Name::from(credentials.user.as_str());
                Ok(())
            }
            Err(why) => Err(refused(credentials.user, Some(why))),
        }
    }

    fn unexpected(&self, method: &Method<'_>) -> Exception {
        let state = match self.stage {
            Stage::Header | Stage::StartOk => "starting",
            Stage::TuneOk => "tuning",
            Stage::Open => "opening",
        };
        let text = format!("unexpected method {} in connection state {state}", method.name());
        Exception::new(ReplyCode::ChannelError, text).on(method.ids())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn start_ok<'a>(mechanism: &'a str, response: &'a [u8], tell: bool) -> Method<'a> {
        let mut capabilities = FieldTable::default();
        capabilities.insert("authentication_failure_close", tell);
        let mut client_properties = FieldTable::default();
        client_properties.insert("capabilities", capabilities);
        Method::from(connection::StartOk {
            client_properties,
            mechanism,
            response,
            locale: "en_US",
        })
    }

    fn started() -> Handshake {
        let mut handshake = Handshake::new();
        assert_eq!(handshake.header(&ProtocolHeader::Amqp091), Ok(Step::Start));
        handshake
    }

    #[test]
    fn a_client_that_says_everything_in_order_gets_its_virtual_host() {
        let settings = Settings::default();
        let mut handshake = started();
        let login = start_ok("PLAIN", b"\0guest\0guest", true);
        assert_eq!(handshake.method(&login, &settings, HERE), Ok(Step::Tune));
        let tune_ok = connection::TuneOk {
            channel_max: 9,
            frame_max: 4096,
            heartbeat: 0,
        };
        let tuning = Tuning {
            channel_max: 9,
            frame_max: 4096,
            heartbeat: 0,
        };
        assert_eq!(
            handshake.method(&tune_ok.into(), &settings, HERE),
            Ok(Step::Tuned(tuning))
        );
        let open = connection::Open { vhost: "/" };
        let step = handshake.method(&open.into(), &settings, HERE);
        assert_eq!(step, Ok(Step::Open { vhost: "/".into() }));
        assert_eq!(&*handshake.user, "guest");
    }

    #[test]
    fn a_refused_login_is_told_to_clients_that_can_be_told() {
        for tell in [true, false] {
            let login = start_ok("PLAIN", b"\0guest\0wrong", tell);
            let refused = started().method(&login, &Settings::default(), HERE).unwrap_err();
            let why = Some(LoginRefused::InvalidCredentials);
            assert_eq!(
                refused,
                Refused::Login {
                    user: "guest".into(),
                    mechanism: "PLAIN",
                    why,
                    tell
                }
            );
        }
    }

    #[test]
    fn an_unknown_mechanism_is_an_invalid_command() {
        let login = start_ok("GSSAPI", b"", true);
        let refused = started().method(&login, &Settings::default(), HERE).unwrap_err();
        let Refused::Exception(exception) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(exception.code, ReplyCode::CommandInvalid);
    }

    #[test]
    fn a_method_out_of_turn_is_a_channel_error() {
        let open = connection::Open { vhost: "/" };
        let refused = started()
            .method(&open.into(), &Settings::default(), HERE)
            .unwrap_err();
        let Refused::Exception(exception) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            exception.reply_text(),
            "CHANNEL_ERROR - unexpected method connection.open in connection state starting"
        );
    }

    #[test]
    fn another_protocol_is_refused_with_a_hint() {
        let refused = Handshake::new().header(&ProtocolHeader::Tls).unwrap_err();
        assert_eq!(
            refused,
            Refused::Header {
                hint: Some("a TLS client on the plain port")
            }
        );
    }
}
