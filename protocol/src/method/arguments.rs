//! Reading and writing the arguments of a method one after the other.

use crate::{
    text,
    types::{self, FieldTable},
    wire::{self, Fault, Parsed},
};
use bytes::{BufMut, BytesMut};

/// A method's arguments, read from the front.
pub(crate) struct Arguments<'a> {
    rest: &'a [u8],
    /// The octet whose bits are being read, shifted so that the next is lowest.
    bits: u8,
    /// How many bits of it are left.
    bits_left: u8,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Arguments {
            rest,
            bits: 0,
            bits_left: 0,
        }
    }

    /// True when everything has been read.
    pub(crate) fn is_finished(&self) -> bool {
        self.rest.is_empty()
    }

    /// Consecutive bits share an octet, the first in its lowest bit.
    #[inline]
    pub(crate) fn bit(&mut self) -> Result<bool, Fault> {
        if self.bits_left == 0 {
            self.bits = self.octet()?;
            self.bits_left = 8;
        }
        let bit = self.bits & 1 == 1;
        self.bits >>= 1;
        self.bits_left -= 1;
        Ok(bit)
    }

    #[inline]
    pub(crate) fn octet(&mut self) -> Result<u8, Fault> {
        self.take(wire::octet)
    }

    #[inline]
    pub(crate) fn short(&mut self) -> Result<u16, Fault> {
        self.take(wire::short)
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<u32, Fault> {
        self.take(wire::long)
    }

    #[inline]
    pub(crate) fn longlong(&mut self) -> Result<u64, Fault> {
        self.take(wire::longlong)
    }

    #[inline]
    pub(crate) fn shortstr(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.take(wire::shortstr)?).map_err(|_| Fault::Utf8)
    }

    #[inline]
    pub(crate) fn longstr(&mut self) -> Result<&'a [u8], Fault> {
        self.take(wire::longstr)
    }

    #[inline]
    pub(crate) fn table(&mut self) -> Result<FieldTable, Fault> {
        self.take(types::decode::table)
    }

    #[inline]
    fn take<T>(&mut self, parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>) -> Result<T, Fault> {
        let (rest, value) = parser(self.rest)?;
        self.rest = rest;
        self.bits_left = 0;
        Ok(value)
    }
}

/// A method's arguments, written at the end of a buffer.
pub(crate) struct ArgumentsMut<'a> {
    out: &'a mut BytesMut,
    /// How many bits of the last octet are in use; zero when it is not an octet of bits.
    bits: u8,
}

impl<'a> ArgumentsMut<'a> {
    pub(crate) fn new(out: &'a mut BytesMut) -> Self {
        ArgumentsMut { out, bits: 0 }
    }

    pub(crate) fn bit(&mut self, value: &bool) {
        if self.bits == 0 {
            self.out.put_u8(0);
        }
        if let Some(octet) = self.out.last_mut() {
            *octet |= u8::from(*value) << self.bits;
        }
        self.bits = (self.bits + 1) % 8;
    }

    pub(crate) fn octet(&mut self, value: &u8) {
        self.out().put_u8(*value);
    }

    pub(crate) fn short(&mut self, value: &u16) {
        self.out().put_u16(*value);
    }

    pub(crate) fn long(&mut self, value: &u32) {
        self.out().put_u32(*value);
    }

    pub(crate) fn longlong(&mut self, value: &u64) {
        self.out().put_u64(*value);
    }

    /// A string longer than 255 bytes is cut between characters.
    pub(crate) fn shortstr(&mut self, value: &str) {
        let value = text::short(value);
        self.out().put_u8(u8::try_from(value.len()).unwrap_or(u8::MAX));
        self.out.extend_from_slice(value.as_bytes());
    }

    pub(crate) fn longstr(&mut self, value: &[u8]) {
        self.out().put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.out.extend_from_slice(value);
    }

    pub(crate) fn table(&mut self, value: &FieldTable) {
        value.encode(self.out());
    }

    /// The buffer for anything but a bit, which ends a run of bits.
    fn out(&mut self) -> &mut BytesMut {
        self.bits = 0;
        self.out
    }
}
