//! Calls on paths.

use std::borrow::Cow;

use gravlens_common::{BulkContext, Call, Hook, PathCall, PathsRecord, open_marks, path_flags};

use super::{DecodeError, call, lexical, read, take, view::path};
use crate::model::{CallPath, Paths, Provenance};

/// Keys of fsconfig(2) whose values are paths. Other values can be passwords.
const PATH_KEYS: [&[u8]; 6] = [
    b"source",
    b"lowerdir",
    b"lowerdir+",
    b"datadir+",
    b"upperdir",
    b"workdir",
];

/// A call on paths.
#[derive(Clone, Debug)]
pub struct PathsView<'a> {
    /// Who, by fingerprint.
    pub context: BulkContext,
    /// The call.
    pub call: Call,
    /// Its arguments.
    pub paths: Paths<'a>,
}

impl<'a> PathsView<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (raw, mut rest) = read::<PathsRecord>(bytes)?;
        let call = call(raw.call)?;
        PathCall::of(call).ok_or(DecodeError::Unknown {
            what: "call on paths",
            number: raw.call,
        })?;
        let first = take(&mut rest, raw.first_len)?;
        let second = take(&mut rest, raw.second_len)?;
        let first = call_path(first, raw.first_name_len, raw.first_marks)?;
        let second = call_path(second, raw.second_name_len, raw.second_marks)?;
        let (first, second) = as_meant(call, first, second);
        Ok(Self {
            context: raw.context,
            call,
            paths: Paths {
                first,
                second,
                numbers: raw.args,
                descriptor: (raw.descriptor != -1).then_some(raw.descriptor),
            },
        })
    }

    /// The topic that the call is accounted under.
    pub fn hook(&self) -> Hook {
        PathsRecord::hook(self.call)
    }
}

/// Strings that are no paths stay as they were passed.
fn as_meant<'a>(
    call: Call,
    first: CallPath<'a>,
    second: CallPath<'a>,
) -> (CallPath<'a>, CallPath<'a>) {
    match call {
        Call::Symlink | Call::Symlinkat | Call::Mount | Call::Fsopen => (verbatim(first), second),
        Call::Setxattr
        | Call::Lsetxattr
        | Call::Fsetxattr
        | Call::Removexattr
        | Call::Lremovexattr
        | Call::Fremovexattr => (first, verbatim(second)),
        Call::Fsconfig => {
            let key = verbatim(first);
            let value = if PATH_KEYS.contains(&&*key.path.bytes) {
                verbatim(second)
            } else {
                CallPath::default()
            };
            (key, value)
        }
        _ => (first, second),
    }
}

fn verbatim(mut path: CallPath<'_>) -> CallPath<'_> {
    if let Some(name) = &path.name {
        path.path.bytes = name.clone();
    }
    path
}

fn call_path(bytes: &[u8], name_len: u16, marks: u8) -> Result<CallPath<'_>, DecodeError> {
    let has = |bit: u8| marks & bit != 0;
    let name = name(bytes, name_len)?;
    let provenance = match (has(path_flags::USER_MEMORY), bytes.is_empty()) {
        (true, _) => Some(Provenance::UserMemory),
        (false, false) => Some(Provenance::Kernel),
        (false, true) => None,
    };
    Ok(CallPath {
        path: placed(bytes, name, marks),
        name: name.map(Cow::Borrowed),
        provenance,
        fd_shared: has(open_marks::FD_SHARED),
    })
}

/// A path with what the caller passed resolved lexically.
pub(super) fn placed<'a>(
    bytes: &'a [u8],
    name: Option<&'a [u8]>,
    marks: u8,
) -> crate::model::Path<Cow<'a, [u8]>> {
    let path = path(bytes, marks);
    match name {
        // The directory was lost on the way: the name is what remains.
        Some(name) if path.bytes.is_empty() => path.map(|_| lexical::resolved(name)),
        // An absolute name does not lead out of the caller's root.
        Some(name) if name.starts_with(b"/") => path.map(|bytes| {
            let root = &bytes[..bytes.len() - name.len()];
            lexical::below(root, name)
        }),
        Some(_) => path.map(lexical::resolved),
        None => path.map(Cow::Borrowed),
    }
}

/// The last `len` bytes of the path.
pub(super) fn name(path: &[u8], len: u16) -> Result<Option<&[u8]>, DecodeError> {
    let start = path
        .len()
        .checked_sub(len.into())
        .ok_or(DecodeError::Short { len: path.len() })?;
    Ok((len > 0).then(|| &path[start..]))
}
