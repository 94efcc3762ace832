//! Calls on paths.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::event::Path;
use super::is_default;
use crate::proto;
use crate::sinks::render::enum_word;

/// Arguments of a call on paths, by name.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Paths<'a> {
    /// Paths and names.
    paths: BTreeMap<&'a str, Argument<'a>>,
    /// Modes, flags and ids.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    numbers: BTreeMap<&'a str, u64>,
    /// Descriptor that the first path comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    descriptor: Option<i32>,
}

#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "PathArgument")]
struct Argument<'a> {
    /// Absolute; `null` when it could not be read.
    path: Option<Path<'a>>,
    /// As the caller passed it; left out when the path is the kernel's own.
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    /// Where it was read: `kernel`, `user_memory`, `inferred` or `unspecified`.
    provenance: String,
    /// Another thread may have replaced the descriptor.
    #[serde(skip_serializing_if = "is_default")]
    fd_shared: bool,
    /// `name` holds escapes.
    #[serde(skip_serializing_if = "is_default")]
    escaped: bool,
}

impl<'a> From<&'a proto::PathsPayload> for Paths<'a> {
    fn from(call: &'a proto::PathsPayload) -> Self {
        Self {
            paths: call
                .paths
                .iter()
                .map(|path| (&*path.argument, Argument::from(path)))
                .collect(),
            numbers: call
                .numbers
                .iter()
                .map(|number| (&*number.argument, number.value))
                .collect(),
            descriptor: call.descriptor,
        }
    }
}

impl<'a> From<&'a proto::PathArgument> for Argument<'a> {
    fn from(argument: &'a proto::PathArgument) -> Self {
        Self {
            path: argument.path.as_ref().map(Path::from),
            name: &argument.name,
            provenance: enum_word(argument.provenance().as_str_name(), "PROVENANCE_"),
            fd_shared: argument.fd_shared,
            escaped: argument.escaped,
        }
    }
}
