//! Calls that take no path.

use gravlens_common::{
    BulkCallRecord, BulkContext, CALL_ARGUMENTS, Call, CallRecord, Hook, StdioRecord, call_flags,
};

use super::{Context, DecodeError, call, read, view::stdio};
use crate::model::Stdio;

/// A call that changes privileges or reaches into others.
#[derive(Clone, Debug)]
pub struct CallView {
    /// The process, as it was after the call.
    pub context: Context,
    /// The call.
    pub call: Call,
    /// Its result.
    pub result: i64,
    /// Its arguments.
    pub arguments: [u64; CALL_ARGUMENTS],
}

impl CallView {
    pub(super) fn new(raw: &CallRecord) -> Result<Self, DecodeError> {
        Ok(Self {
            context: Context::new(&raw.process),
            call: among(raw.call, &[Hook::Privilege])?,
            result: raw.result,
            arguments: raw.args,
        })
    }
}

/// A frequent call.
#[derive(Clone, Debug)]
pub struct BulkCallView {
    /// Who, by fingerprint.
    pub context: BulkContext,
    /// The call.
    pub call: Call,
    /// Its result.
    pub result: i64,
    /// Its arguments, the last ones zero.
    pub arguments: [u64; CALL_ARGUMENTS],
    /// What the descriptor is that the call made.
    pub descriptor: Option<Stdio>,
    /// The descriptor table is shared.
    pub fd_shared: bool,
}

impl BulkCallView {
    pub(super) fn new(raw: &BulkCallRecord, rest: &[u8]) -> Result<Self, DecodeError> {
        let hooks = [Hook::Memory, Hook::Descriptor, Hook::Signal, Hook::Socket];
        let call = among(raw.call, &hooks)?;
        let descriptor = match call.hook() {
            Hook::Descriptor => Some(stdio(&read::<StdioRecord>(rest)?.0)),
            _ => None,
        };
        let [first, second, third, fourth] = raw.args;
        Ok(Self {
            context: raw.context,
            call,
            result: raw.result,
            arguments: [first, second, third, fourth, 0, 0],
            descriptor,
            fd_shared: raw.flags & call_flags::FD_SHARED != 0,
        })
    }
}

/// A call that one of the hooks reports: another would be counted elsewhere than it was seen.
fn among(number: u8, hooks: &[Hook]) -> Result<Call, DecodeError> {
    let call = call(number)?;
    if hooks.contains(&call.hook()) {
        return Ok(call);
    }
    Err(DecodeError::Unknown {
        what: "call of this kind",
        number,
    })
}
