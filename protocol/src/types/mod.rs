//! Field tables: the maps of typed values that arguments and headers are made of.

pub(crate) mod decode;
mod encode;
mod short_string;
mod table;
mod value;

pub use short_string::ShortString;
pub use table::FieldTable;
pub use value::FieldValue;

/// How deep tables and arrays may be nested in each other; the outermost table counts as one.
pub const MAX_DEPTH: usize = 32;
