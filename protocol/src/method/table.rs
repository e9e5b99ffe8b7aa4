//! The `class!` table: from the arguments of each method to its struct, its parser and its encoding.

/// Declares one AMQP class.
///
/// A line `10 "declare" Declare<'a> { [short] queue: shortstr, passive: bit, ; [bit] }` reads: method 10 is
/// called `declare`, its struct is `Declare`; it carries a reserved short, then the fields, then a reserved bit.
/// Kinds are the specification's own: `bit octet short long longlong shortstr longstr table`.
/// Reserved arguments (in brackets) have no field: they are read past and written as zero or empty.
macro_rules! class {
    (
        $class:literal $class_id:literal $Class:ident;
        $(#[$enum_doc:meta])*
        enum Method $(<$enum_life:lifetime>)?;
        $(
            $(#[$doc:meta])*
            $id:literal $name:literal $Name:ident $(<$life:lifetime>)? {
                $( $([$reserved:ident])* $(#[$field_doc:meta])* $field:ident : $kind:ident, )*
                $(; $([$trailing:ident])+ )?
            }
        )+
    ) => {
        $(#[$enum_doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub enum Method $(<$enum_life>)? {
            $( $(#[$doc])* $Name($Name $(<$life>)?), )+
        }

        impl<'a> Method $(<$enum_life>)? {
            /// Reads the arguments of the class's method `id`.
            pub(crate) fn decode(
                id: u16,
                arguments: &'a [u8],
            ) -> Result<$crate::method::Method<'a>, $crate::exception::Exception> {
                use $crate::method::DecodeMethod;
                match id {
                    $( $id => $Name::decode(arguments), )+
                    _ => Err($crate::method::refuse($crate::wire::Fault::Method, ($class_id, id))),
                }
            }

            /// Class and method id.
            pub fn ids(&self) -> (u16, u16) {
                match self { $( Method::$Name(_) => $Name::IDS, )+ }
            }

            /// Class and method as the specification writes them, such as `queue.declare`.
            pub fn name(&self) -> &'static str {
                match self { $( Method::$Name(_) => $Name::NAME, )+ }
            }
        }

        impl $(<$enum_life>)? $crate::method::EncodeMethod for Method $(<$enum_life>)? {
            fn ids(&self) -> (u16, u16) {
                Method::ids(self)
            }

            fn encode_arguments(&self, out: &mut bytes::BytesMut) {
                match self { $( Method::$Name(method) => method.encode_arguments(out), )+ }
            }
        }

        impl<'a> From<Method $(<$enum_life>)?> for $crate::method::Method<'a> {
            fn from(method: Method $(<$enum_life>)?) -> Self {
                $crate::method::Method::$Class(method)
            }
        }

        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Default)]
            pub struct $Name $(<$life>)? {
                $( $(#[$field_doc])* pub $field: argument_type!($kind), )*
            }

            impl $(<$life>)? $Name $(<$life>)? {
                /// Class and method id.
                pub const IDS: (u16, u16) = ($class_id, $id);
                /// Class and method as the specification writes them.
                pub const NAME: &'static str = concat!($class, ".", $name);
            }

            impl<'a> $crate::method::DecodeMethod<'a> for $Name $(<$life>)? {
                const IDS: (u16, u16) = ($class_id, $id);

                #[inline]
                #[allow(unused_variables, reason = "some methods have no arguments")]
                fn parse(
                    arguments: &mut $crate::method::arguments::Arguments<'a>,
                ) -> Result<Self, $crate::wire::Fault> {
                    $(
                        $( arguments.$reserved()?; )*
                        let $field = arguments.$kind()?;
                    )*
                    $( $( arguments.$trailing()?; )+ )?
                    Ok($Name { $( $field, )* })
                }
            }

            impl $(<$life>)? $crate::method::EncodeMethod for $Name $(<$life>)? {
                fn ids(&self) -> (u16, u16) {
                    Self::IDS
                }

                #[allow(unused_variables, unused_mut, reason = "some methods have no arguments")]
                fn encode_arguments(&self, out: &mut bytes::BytesMut) {
                    let mut arguments = $crate::method::arguments::ArgumentsMut::new(out);
                    $(
                        $( arguments.$reserved(reserved_argument!($reserved)); )*
                        arguments.$kind(&self.$field);
                    )*
                    $( $( arguments.$trailing(reserved_argument!($trailing)); )+ )?
                }
            }

            impl<'a> From<$Name $(<$life>)?> for $crate::method::Method<'a> {
                fn from(method: $Name $(<$life>)?) -> Self {
                    $crate::method::Method::$Class(Method::$Name(method))
                }
            }
        )+
    };
}

/// The type of a field of this kind.
macro_rules! argument_type {
    (bit) => { bool };
    (octet) => { u8 };
    (short) => { u16 };
    (long) => { u32 };
    (longlong) => { u64 };
    (shortstr) => { &'a str };
    (longstr) => { &'a [u8] };
    (table) => { $crate::types::FieldTable };
}

/// What is written for a reserved argument of this kind.
macro_rules! reserved_argument {
    (bit) => {
        &false
    };
    (short) => {
        &0
    };
    (shortstr) => {
        ""
    };
    (longstr) => {
        &[]
    };
}
