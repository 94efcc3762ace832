//! The name of a command.

use std::fmt;
use std::ops::Deref;

use gravlens_common::limits::COMM_LEN;

/// What a thread is called (prctl(2), PR_SET_NAME): at most 15 bytes. It lies where it is: records
/// that nothing matches allocate nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Comm {
    bytes: [u8; COMM_LEN],
    length: u8,
}

impl Comm {
    /// The bytes up to the first zero, or all.
    pub(super) fn until_zero(mut bytes: [u8; COMM_LEN]) -> Self {
        let end = bytes.iter().position(|byte| *byte == 0);
        let end = end.unwrap_or(COMM_LEN);
        // Equal names are equal values.
        bytes[end..].fill(0);
        Self {
            bytes,
            length: end as u8,
        }
    }
}

impl Deref for Comm {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_with_the_first_zero_or_with_its_room() {
        let comm = |bytes: &[u8; COMM_LEN]| Comm::until_zero(*bytes).to_vec();
        assert_eq!(comm(b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0x"), b"sh");
        assert_eq!(comm(&[0; COMM_LEN]), b"");
        assert_eq!(comm(&[b'x'; COMM_LEN]), [b'x'; COMM_LEN]);
    }
}
