//! Calls on paths as protobuf messages.

use super::event::provenance;
use super::process::path;
use crate::alert::text::lossless;
use crate::model::{ArgumentNames, CallPath, Paths, Syscall};
use crate::proto;

pub(super) fn paths(call: Syscall, paths: &Paths<'_>) -> proto::PathsPayload {
    let names = ArgumentNames::of(call).map_or(["", ""], |names| [names.first, names.second]);
    proto::PathsPayload {
        paths: names
            .into_iter()
            .zip([&paths.first, &paths.second])
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, path)| argument(name, path))
            .collect(),
        numbers: paths
            .named_numbers(call)
            .map(|(name, value)| proto::NumberArgument {
                argument: name.to_owned(),
                value,
            })
            .collect(),
        descriptor: paths.descriptor,
    }
}

fn argument(name: &str, call: &CallPath<'_>) -> proto::PathArgument {
    let (passed, escaped) = lossless(call.name.as_deref().unwrap_or_default());
    proto::PathArgument {
        argument: name.to_owned(),
        path: Some(path(&call.path)),
        name: passed,
        provenance: call
            .provenance
            .map_or(proto::Provenance::Unspecified, provenance)
            .into(),
        fd_shared: call.fd_shared,
        escaped,
    }
}
