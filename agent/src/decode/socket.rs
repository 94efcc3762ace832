//! Socket calls.

use gravlens_common::{BulkContext, Call, SocketRecord, socket_flags};

use super::{DecodeError, call, read, take, view::endpoint};
use crate::model::{AddressFamily, Endpoint, Provenance, SocketAddress, UnixName};

/// A socket call.
#[derive(Clone, Debug)]
pub struct SocketView<'a> {
    /// Who, by fingerprint.
    pub context: BulkContext,
    /// The call.
    pub call: Call,
    /// Descriptor, -1 for none.
    pub fd: i32,
    /// The result is known.
    pub has_result: bool,
    /// Where the address was read.
    pub provenance: Provenance,
    /// Another thread may have replaced the descriptor.
    pub fd_shared: bool,
    endpoint: Endpoint,
    unix_path: &'a [u8],
    unix_local: bool,
}

impl<'a> SocketView<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, mut rest) = read::<SocketRecord>(bytes)?;
        let unix_path = take(&mut rest, raw.path_len)?;
        let has = |bit: u16| raw.flags & bit != 0;
        Ok(Self {
            context: raw.context,
            call: call(raw.call)?,
            fd: raw.fd,
            has_result: !has(socket_flags::NO_RESULT),
            provenance: if has(socket_flags::KERNEL_ADDRESS) {
                Provenance::Kernel
            } else {
                Provenance::UserMemory
            },
            fd_shared: has(socket_flags::FD_SHARED),
            endpoint: endpoint(&raw.ends),
            unix_path,
            unix_local: has(socket_flags::UNIX_LOCAL),
        })
    }

    /// The socket with its two ends.
    pub fn endpoint(&self) -> Endpoint {
        let mut endpoint = self.endpoint.clone();
        if endpoint.family == AddressFamily::Unix && !self.unix_path.is_empty() {
            let name = SocketAddress::Unix(UnixName::new(trim_path(self.unix_path)));
            if self.unix_local {
                endpoint.local = Some(name);
            } else {
                endpoint.remote = Some(name);
            }
        }
        endpoint
    }
}

/// A path ends at its zero byte; an abstract name begins with one and is kept whole.
fn trim_path(name: &[u8]) -> &[u8] {
    if name.first() == Some(&0) {
        return name;
    }
    let end = name.iter().position(|byte| *byte == 0);
    &name[..end.unwrap_or(name.len())]
}
