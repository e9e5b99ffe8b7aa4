//! The methods of AMQP 0-9-1, one file a class.
//!
//! Structs carry the specification's names and borrow their strings from the frame they were read from.
//! Arguments that 0-9-1 reserves (`ticket` among them) have no field.

#[macro_use]
mod table;

pub mod access;
mod arguments;
pub mod basic;
pub mod channel;
pub mod confirm;
pub mod connection;
pub mod exchange;
pub mod queue;
pub mod tx;

use crate::{exception::Exception, wire::Fault};
use arguments::Arguments;
use bytes::{BufMut, BytesMut};

/// Any method, nested by class.
#[derive(Debug, Clone, PartialEq)]
pub enum Method<'a> {
    /// Class 10.
    Connection(connection::Method<'a>),
    /// Class 20.
    Channel(channel::Method<'a>),
    /// Class 30.
    Access(access::Method<'a>),
    /// Class 40.
    Exchange(exchange::Method<'a>),
    /// Class 50.
    Queue(queue::Method<'a>),
    /// Class 60.
    Basic(basic::Method<'a>),
    /// Class 85.
    Confirm(confirm::Method),
    /// Class 90.
    Tx(tx::Method),
}

impl<'a> Method<'a> {
    /// Reads the payload of a method frame.
    ///
    /// # Errors
    ///
    /// All end the connection: 540 for ids that AMQP 0-9-1 does not have, 501 for a short string that is not
    /// UTF-8, 502 when the arguments are cut, have bytes behind their end or hold a bad table.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Exception> {
        let Some(([a, b, c, d], rest)) = payload.split_first_chunk() else {
            return Err(Fault::Truncated.raise("method ids"));
        };
        let (class, method) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        match class {
            10 => connection::Method::decode(method, rest),
            20 => channel::Method::decode(method, rest),
            30 => access::Method::decode(method, rest),
            40 => exchange::Method::decode(method, rest),
            50 => queue::Method::decode(method, rest),
            60 => basic::Method::decode(method, rest),
            85 => confirm::Method::decode(method, rest),
            90 => tx::Method::decode(method, rest),
            _ => Err(refuse(Fault::Method, (class, method))),
        }
    }

    /// Class and method id.
    pub fn ids(&self) -> (u16, u16) {
        match self {
            Method::Connection(method) => method.ids(),
            Method::Channel(method) => method.ids(),
            Method::Access(method) => method.ids(),
            Method::Exchange(method) => method.ids(),
            Method::Queue(method) => method.ids(),
            Method::Basic(method) => method.ids(),
            Method::Confirm(method) => method.ids(),
            Method::Tx(method) => method.ids(),
        }
    }

    /// Class and method as the specification writes them, such as `queue.declare`.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Connection(method) => method.name(),
            Method::Channel(method) => method.name(),
            Method::Access(method) => method.name(),
            Method::Exchange(method) => method.name(),
            Method::Queue(method) => method.name(),
            Method::Basic(method) => method.name(),
            Method::Confirm(method) => method.name(),
            Method::Tx(method) => method.name(),
        }
    }

    /// True when a content header and body follow the method.
    pub fn has_content(&self) -> bool {
        use basic::Method::{Deliver, GetOk, Publish, Return};
        matches!(
            self,
            Method::Basic(Publish(_) | Return(_) | Deliver(_) | GetOk(_))
        )
    }
}

/// A method that can be written.
pub trait EncodeMethod {
    /// Class and method id.
    fn ids(&self) -> (u16, u16);

    /// Appends the arguments. Short strings longer than 255 bytes are cut between characters.
    fn encode_arguments(&self, out: &mut BytesMut);

    /// Appends the payload of a method frame: ids and arguments.
    fn encode(&self, out: &mut BytesMut) {
        let (class, method) = self.ids();
        out.put_u16(class);
        out.put_u16(method);
        self.encode_arguments(out);
    }
}

impl EncodeMethod for Method<'_> {
    fn ids(&self) -> (u16, u16) {
        Method::ids(self)
    }

    fn encode_arguments(&self, out: &mut BytesMut) {
        match self {
            Method::Connection(method) => method.encode_arguments(out),
            Method::Channel(method) => method.encode_arguments(out),
            Method::Access(method) => method.encode_arguments(out),
            Method::Exchange(method) => method.encode_arguments(out),
            Method::Queue(method) => method.encode_arguments(out),
            Method::Basic(method) => method.encode_arguments(out),
            Method::Confirm(method) => method.encode_arguments(out),
            Method::Tx(method) => method.encode_arguments(out),
        }
    }
}

/// A method that can be read.
pub(crate) trait DecodeMethod<'a>: Sized + Into<Method<'a>> {
    const IDS: (u16, u16);

    /// Reads the arguments from the front of `arguments`.
    fn parse(arguments: &mut Arguments<'a>) -> Result<Self, Fault>;

    /// Reads `arguments` to their end.
    ///
    /// A function of its own for each method, so that each writes its result in place: merged into one, the
    /// compiler shuffles the fields of sixty methods through the same registers.
    #[inline(never)]
    fn decode(arguments: &'a [u8]) -> Result<Method<'a>, Exception> {
        let mut arguments = Arguments::new(arguments);
        match Self::parse(&mut arguments) {
            Ok(method) if arguments.is_finished() => Ok(method.into()),
            Ok(_) => Err(refuse(Fault::Trailing, Self::IDS)),
            Err(fault) => Err(refuse(fault, Self::IDS)),
        }
    }
}

#[cold]
fn refuse(fault: Fault, (class, method): (u16, u16)) -> Exception {
    let what = match fault {
        Fault::Method => format!("class {class}, method {method}"),
        _ => format!("arguments of class {class}, method {method}"),
    };
    fault.raise(&what).on((class, method))
}
