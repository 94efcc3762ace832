//! `thread.*`: the calling thread.

use super::super::catalogue::{family, flag, number, text};
use super::super::value::Value;
use super::names;
use crate::model::{Capabilities, Event};

family! { Thread {
    Tid = number("thread.tid", "Thread id.");
    IsMain = flag("thread.ismain", "The thread is its process's first.");
    CapEffective = text("thread.cap_effective", "Effective capabilities, separated by spaces.");
    CapPermitted = text("thread.cap_permitted", "Permitted capabilities, separated by spaces.");
    CapInheritable = text("thread.cap_inheritable", "Inheritable capabilities, separated by spaces.");
} }

pub(super) fn get<'a>(event: &Event<'_>, field: Thread, scratch: &'a mut Vec<u8>) -> Value<'a> {
    let set: fn(&Capabilities) -> u64 = match field {
        Thread::Tid => return Value::number(event.tid),
        Thread::IsMain if !event.process.is_identified() => return Value::Missing,
        Thread::IsMain => return Value::flag(event.tid == event.process.exec_id.tgid),
        Thread::CapEffective => |sets| sets.effective,
        Thread::CapPermitted => |sets| sets.permitted,
        Thread::CapInheritable => |sets| sets.inheritable,
    };
    let Some(sets) = &event.process.capabilities else {
        return Value::Missing;
    };
    names::capabilities(set(sets), scratch);
    Value::text(scratch)
}
