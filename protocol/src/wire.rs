//! The primitives of the wire as nom parsers over a slice.

use crate::{exception::Exception, reply_code::ReplyCode, types::MAX_DEPTH};
use nom::{
    Err, IResult,
    error::{ErrorKind, ParseError},
};

/// What a parser of complete input gives: the rest and a value.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// Why bytes are not what they should be; small, so that parsers stay fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The input ends too early.
    Truncated,
    /// The input goes on after its end.
    Trailing,
    /// A short string argument is not UTF-8.
    Utf8,
    /// Tables and arrays are nested too deep.
    Depth,
    /// A table holds a value of an unknown type.
    ValueType(u8),
    /// A property flag that AMQP 0-9-1 does not define is set.
    PropertyFlag,
    /// No method has these ids.
    Method,
}

impl Fault {
    /// The exception to raise; `what` says what was being read.
    #[cold]
    pub(crate) fn raise(self, what: &str) -> Exception {
        use ReplyCode::{FrameError, NotImplemented, SyntaxError};
        match self {
            Fault::Truncated => Exception::new(SyntaxError, format!("{what} end too early")),
            Fault::Trailing => Exception::new(SyntaxError, format!("{what} have trailing bytes")),
            Fault::Utf8 => Exception::new(FrameError, "Malformed UTF-8 in shortstr"),
            Fault::Depth => Exception::new(
                SyntaxError,
                format!("{what} are nested more than {MAX_DEPTH} levels deep"),
            ),
            Fault::ValueType(kind) => {
                Exception::new(SyntaxError, format!("{what} hold a field of unknown type {kind}"))
            }
            Fault::PropertyFlag => Exception::new(SyntaxError, format!("{what} have an undefined flag")),
            Fault::Method => Exception::new(NotImplemented, format!("unimplemented method: {what}")),
        }
    }
}

impl<I> ParseError<I> for Fault {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Fault::Truncated
    }

    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl From<Err<Fault>> for Fault {
    fn from(error: Err<Fault>) -> Self {
        match error {
            Err::Error(fault) | Err::Failure(fault) => fault,
            Err::Incomplete(_) => Fault::Truncated,
        }
    }
}

/// A parser's refusal.
pub(crate) fn fail<T>(fault: Fault) -> Result<T, Err<Fault>> {
    Err(Err::Failure(fault))
}

#[inline]
pub(crate) fn bytes(input: &[u8], count: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(count) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => fail(Fault::Truncated),
    }
}

#[inline]
fn array<const N: usize>(input: &[u8]) -> Parsed<'_, [u8; N]> {
    match input.split_first_chunk::<N>() {
        Some((taken, rest)) => Ok((rest, *taken)),
        None => fail(Fault::Truncated),
    }
}

#[inline]
pub(crate) fn octet(input: &[u8]) -> Parsed<'_, u8> {
    array(input).map(|(rest, bytes)| (rest, u8::from_be_bytes(bytes)))
}

#[inline]
pub(crate) fn short(input: &[u8]) -> Parsed<'_, u16> {
    array(input).map(|(rest, bytes)| (rest, u16::from_be_bytes(bytes)))
}

#[inline]
pub(crate) fn long(input: &[u8]) -> Parsed<'_, u32> {
    array(input).map(|(rest, bytes)| (rest, u32::from_be_bytes(bytes)))
}

#[inline]
pub(crate) fn longlong(input: &[u8]) -> Parsed<'_, u64> {
    array(input).map(|(rest, bytes)| (rest, u64::from_be_bytes(bytes)))
}

/// A string of at most 255 bytes behind one octet of length; any bytes.
#[inline]
pub(crate) fn shortstr(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = octet(input)?;
    bytes(rest, usize::from(length))
}

/// A string behind four octets of length; any bytes.
#[inline]
pub(crate) fn longstr(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = long(input)?;
    bytes(rest, length as usize)
}
