//! Fields of an event: one file per family, each with its table and its reader.

pub(crate) mod argument;
pub(crate) mod container;
pub(crate) mod dns;
pub(crate) mod evt;
pub(crate) mod fd;
mod groups;
pub(crate) mod names;
mod path_names;
pub(crate) mod paths;
pub(crate) mod proc;
pub(crate) mod sigma;
pub(crate) mod thread;
mod time;
pub(crate) mod user;

use std::io::Write as _;

use super::catalogue::{FieldArg, FieldId};
use super::value::Value;
use crate::model::{Event, Syscall};
pub(crate) use time::time_part;

/// Something whose fields can be read: an event, or a sample written by hand.
pub trait FieldSource {
    /// Type of the event.
    fn syscall(&self) -> Syscall;

    /// Value of a field. `scratch` is empty; a reader that must compute its text puts it there,
    /// so that a reused buffer is all the memory an event needs.
    fn get<'a>(
        &'a self,
        field: FieldId,
        argument: Option<&'a FieldArg>,
        scratch: &'a mut Vec<u8>,
    ) -> Value<'a>;
}

impl FieldSource for Event<'_> {
    fn syscall(&self) -> Syscall {
        self.syscall
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        argument: Option<&'a FieldArg>,
        scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        match field {
            FieldId::Evt(field) => evt::get(self, field, argument, scratch),
            FieldId::Argument(field) => argument::get(self, field, scratch),
            FieldId::Proc(field) => proc::get(self, field, argument, scratch),
            FieldId::Fd(field) => fd::get(self, field, scratch),
            FieldId::Container(field) => container::get(self, field, argument, scratch),
            FieldId::Dns(field) => dns::get(self, field, scratch),
            FieldId::User(field) => user::get(self.process.ids.as_ref(), field),
            FieldId::Fs(field) => paths::get(self, field, scratch),
            FieldId::Thread(field) => thread::get(self, field, scratch),
            FieldId::Sigma(field) => sigma::get(self, field, scratch),
        }
    }
}

/// Text computed into the scratch buffer.
fn computed<'a>(scratch: &'a mut Vec<u8>, arguments: std::fmt::Arguments<'_>) -> Value<'a> {
    put(scratch, arguments);
    Value::text(scratch)
}

/// `write!` to a buffer in memory, which cannot fail.
fn put(buffer: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    buffer
        .write_fmt(arguments)
        .expect("writing to memory cannot fail");
}

/// Text of bytes that may be absent.
fn present(bytes: &[u8]) -> Value<'_> {
    if bytes.is_empty() {
        Value::Missing
    } else {
        Value::text(bytes)
    }
}
