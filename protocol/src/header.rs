//! The protocol header: the first bytes on a connection, before any frame.

use bytes::Bytes;

/// The header of AMQP 0-9-1.
pub const AMQP_0_9_1: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// Octets in a protocol header.
const LENGTH: usize = 8;
const NAME: &[u8] = b"AMQP";
const HTTP_METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI ",
];

/// What the first bytes of a peer say it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtocolHeader {
    /// AMQP 0-9-1.
    Amqp091,
    /// AMQP 0-9, which clients mean as 0-9-1.
    Amqp09,
    /// AMQP 1.0 without a login.
    Amqp10,
    /// AMQP 1.0 with SASL.
    Amqp10Sasl,
    /// Any other version of AMQP.
    OtherAmqp([u8; 8]),
    /// A TLS handshake.
    Tls,
    /// An HTTP request.
    Http,
    /// Something else; at most its first eight bytes.
    Unknown(Bytes),
}

impl ProtocolHeader {
    /// Classifies the first bytes of a connection as soon as they allow it; `None` asks for more.
    pub fn classify(input: &[u8]) -> Option<ProtocolHeader> {
        if begins(input, NAME) {
            return amqp(input);
        }
        match input {
            [] | [0x16] => None,
            [0x16, 0x03, ..] => Some(ProtocolHeader::Tls),
            _ => http(input),
        }
    }

    /// How many bytes of the input the header takes: what follows in it are frames.
    pub fn length(&self) -> usize {
        use ProtocolHeader::{Amqp09, Amqp10, Amqp10Sasl, Amqp091, Http, OtherAmqp, Tls, Unknown};
        match self {
            Amqp091 | Amqp09 | Amqp10 | Amqp10Sasl | OtherAmqp(_) => LENGTH,
            Tls | Http => 0,
            Unknown(bytes) => bytes.len(),
        }
    }

    /// True for the headers whose connection goes on in frames of AMQP 0-9-1.
    pub fn is_0_9_1(&self) -> bool {
        matches!(self, ProtocolHeader::Amqp091 | ProtocolHeader::Amqp09)
    }
}

fn amqp(input: &[u8]) -> Option<ProtocolHeader> {
    let header = input.first_chunk::<LENGTH>()?;
    Some(match header {
        [_, _, _, _, 0, 0, 9, 1] => ProtocolHeader::Amqp091,
        [_, _, _, _, 1, 1, 0, 9] => ProtocolHeader::Amqp09,
        [_, _, _, _, 0, 1, 0, 0] => ProtocolHeader::Amqp10,
        [_, _, _, _, 3, 1, 0, 0] => ProtocolHeader::Amqp10Sasl,
        _ => ProtocolHeader::OtherAmqp(*header),
    })
}

fn http(input: &[u8]) -> Option<ProtocolHeader> {
    if HTTP_METHODS.iter().any(|method| input.starts_with(method)) {
        return Some(ProtocolHeader::Http);
    }
    if HTTP_METHODS.iter().any(|method| begins(input, method)) {
        return None;
    }
    let first = input.get(..LENGTH).unwrap_or(input);
    Some(ProtocolHeader::Unknown(Bytes::copy_from_slice(first)))
}

/// True when `input` is not empty and agrees with `text` as far as both go.
fn begins(input: &[u8], text: &[u8]) -> bool {
    !input.is_empty() && input.iter().zip(text).all(|(one, two)| one == two)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The classification, and after how many bytes it was made.
    fn classified(input: &[u8]) -> Option<(usize, ProtocolHeader)> {
        (0..=input.len()).find_map(|end| Some((end, ProtocolHeader::classify(&input[..end])?)))
    }

    #[test]
    fn amqp_is_told_by_its_version_after_eight_bytes() {
        let versions = [
            ([0, 0, 9, 1], ProtocolHeader::Amqp091),
            ([1, 1, 0, 9], ProtocolHeader::Amqp09),
            ([0, 1, 0, 0], ProtocolHeader::Amqp10),
            ([3, 1, 0, 0], ProtocolHeader::Amqp10Sasl),
            ([1, 1, 8, 0], ProtocolHeader::OtherAmqp(*b"AMQP\x01\x01\x08\x00")),
        ];
        for (version, expected) in versions {
            let input = [NAME, &version].concat();
            assert_eq!(classified(&input), Some((8, expected)));
        }
    }

    #[test]
    fn a_tls_handshake_is_told_by_two_bytes() {
        assert_eq!(classified(&[0x16, 0x03, 0x01]), Some((2, ProtocolHeader::Tls)));
    }

    #[test]
    fn an_http_request_is_told_by_its_method() {
        assert_eq!(classified(b"GET / HTTP/1.1\r\n"), Some((4, ProtocolHeader::Http)));
        assert_eq!(
            classified(b"POST / HTTP/1.1\r\n"),
            Some((5, ProtocolHeader::Http))
        );
    }

    #[test]
    fn garbage_is_told_at_the_first_byte_that_fits_nothing() {
        assert_eq!(
            classified(b"xyz"),
            Some((1, ProtocolHeader::Unknown(Bytes::from_static(b"x"))))
        );
        assert_eq!(
            classified(b"AMx"),
            Some((3, ProtocolHeader::Unknown(Bytes::from_static(b"AMx"))))
        );
        assert_eq!(
            classified(&[0x16, 0x04]),
            Some((2, ProtocolHeader::Unknown(Bytes::from_static(&[0x16, 4]))))
        );
    }

    #[test]
    fn nothing_is_told_from_nothing() {
        assert_eq!(ProtocolHeader::classify(b""), None);
    }
}
