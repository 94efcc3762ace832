//! Compile-time layout checks.

/// Asserts the size of a type and the offset of each named field.
macro_rules! assert_layout {
    ($type:ty, size = $size:expr $(, $field:ident = $offset:expr)* $(,)?) => {
        const _: () = {
            assert!(core::mem::size_of::<$type>() == $size);
            assert!(core::mem::align_of::<$type>() <= 8);
            $(assert!(core::mem::offset_of!($type, $field) == $offset);)*
        };
    };
}

pub(crate) use assert_layout;
