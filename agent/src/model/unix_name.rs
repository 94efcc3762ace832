//! Names of unix sockets.

use std::fmt;
use std::ops::Deref;

use gravlens_common::limits::UNIX_PATH_MAX;

/// The name of a unix socket: a path, or an abstract name, which begins with a zero byte; empty when
/// the socket has none. It is kept in place, so that an event about such a socket allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnixName {
    length: u8,
    bytes: [u8; UNIX_PATH_MAX],
}

impl UnixName {
    /// Takes the bytes of a name, as many as the kernel allows (unix(7)).
    pub fn new(name: &[u8]) -> Self {
        let name = &name[..name.len().min(UNIX_PATH_MAX)];
        let mut bytes = [0; UNIX_PATH_MAX];
        bytes[..name.len()].copy_from_slice(name);
        Self {
            length: name.len() as u8,
            bytes,
        }
    }
}

impl Deref for UnixName {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for UnixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_up_to_the_kernels_limit() {
        for name in [
            &b""[..],
            b"\0abstract",
            b"/run/a.sock",
            &[b'x'; UNIX_PATH_MAX],
        ] {
            assert_eq!(&*UnixName::new(name), name);
        }
        assert_eq!(UnixName::new(&[b'x'; 300]).len(), UNIX_PATH_MAX);
        assert_eq!(format!("{:?}", UnixName::new(b"\0a")), "\"\\x00a\"");
    }
}
