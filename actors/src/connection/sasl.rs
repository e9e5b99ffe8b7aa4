//! SASL mechanisms: pure. Responses in, a name and a password out.

use leveret_protocol::types::{FieldTable, FieldValue};

/// What connection.start offers, in the order clients should prefer them.
pub(crate) const OFFERED: &str = "PLAIN AMQPLAIN";

/// A mechanism the client chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// RFC 4616.
    Plain,
    /// A field table with LOGIN and PASSWORD.
    AmqPlain,
}

/// A name and a password as the client sent them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Vec<u8>,
}

impl Mechanism {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "PLAIN" => Some(Mechanism::Plain),
            "AMQPLAIN" => Some(Mechanism::AmqPlain),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::AmqPlain => "AMQPLAIN",
        }
    }

    /// None when the response is malformed.
    pub(crate) fn credentials(self, response: &[u8]) -> Option<Credentials> {
        match self {
            Mechanism::Plain => plain(response),
            Mechanism::AmqPlain => amqplain(response),
        }
    }
}

/// `authzid NUL authcid NUL password`; acting for another identity is not offered.
fn plain(response: &[u8]) -> Option<Credentials> {
    let mut parts = response.splitn(3, |&byte| byte == 0);
    let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if !authzid.is_empty() || password.contains(&0) {
        return None;
    }
    Some(Credentials {
        user: str::from_utf8(user).ok()?.to_owned(),
        password: password.to_vec(),
    })
}

/// A field table without the length that tables otherwise begin with.
fn amqplain(response: &[u8]) -> Option<Credentials> {
    let length = u32::try_from(response.len()).ok()?;
    let table = FieldTable::decode(&[&length.to_be_bytes(), response].concat()).ok()?;
    let field = |name| match table.get(name) {
        Some(FieldValue::LongString(value)) => Some(value),
        _ => None,
    };
    let user = str::from_utf8(field("LOGIN")?).ok()?.to_owned();
    Some(Credentials {
        user,
        password: field("PASSWORD")?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Credentials {
        Credentials {
            user: "guest".into(),
            password: b"secret".to_vec(),
        }
    }

    #[test]
    fn plain_carries_a_name_and_a_password() {
        assert_eq!(Mechanism::Plain.credentials(b"\0guest\0secret"), Some(guest()));
    }

    #[test]
    fn plain_with_an_authorization_identity_or_missing_parts_is_malformed() {
        for response in [b"admin\0guest\0secret".as_slice(), b"\0guest", b"", b"\0a\0b\0c"] {
            assert_eq!(Mechanism::Plain.credentials(response), None);
        }
    }

    #[test]
    fn amqplain_carries_a_table_without_its_length() {
        let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x06secret";
        assert_eq!(Mechanism::AmqPlain.credentials(response), Some(guest()));
        assert_eq!(Mechanism::AmqPlain.credentials(b"\x05LOGIN"), None);
    }
}
