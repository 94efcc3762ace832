//! Processes.

use super::object::Object;
use super::{millis, values};
use crate::proto;

/// `file.type_id` of an executable file.
const EXECUTABLE: u64 = 8;

/// A process with its ancestors.
pub(super) fn process(process: &proto::Process, ancestors: &[proto::Process]) -> Object {
    let parent = ancestors.first().map_or_else(
        || Object::default().maybe("pid", known(process.parent_pid)),
        described,
    );
    described(process)
        .object("parent_process", parent)
        .list("ancestry", values(ancestors.iter().map(entity)))
}

/// A process by itself.
fn described(process: &proto::Process) -> Object {
    let file = process
        .executable
        .as_ref()
        .and_then(|executable| executable.path.as_ref())
        .map_or_else(Object::default, |path| file(&path.text, EXECUTABLE));
    let cwd = process.cwd.as_ref().map_or("", |cwd| &cwd.text);
    let uid = process.credentials.map(|ids| ids.uid.to_string());
    let user = Object::default().text("uid", &uid.unwrap_or_default());
    identity(process)
        .maybe("namespace_pid", process.container_pid)
        .object("file", file)
        .object("user", user)
        .text("working_directory", cwd)
}

/// What tells an ancestor.
fn entity(process: &proto::Process) -> Object {
    let path = process
        .executable
        .as_ref()
        .and_then(|exe| exe.path.as_ref());
    identity(process).text("path", path.map_or("", |path| &path.text))
}

fn identity(process: &proto::Process) -> Object {
    let uid = process.exec_id.as_ref().map(|id| {
        // As long as the kernel lives; what is not known of the start makes no identity.
        format!("{}-{}-{}", id.pid, id.start_boot_ns, id.exec_number)
    });
    Object::default()
        .number("pid", process.pid)
        .text("uid", &uid.unwrap_or_default())
        .text("name", &process.name)
        .text("cmd_line", &process.command_line)
        .maybe("created_time", millis(process.start_time.as_ref()))
}

/// A file at that path; empty where the path has no last name.
pub(super) fn file(path: &str, type_id: u64) -> Object {
    let name = path.rsplit('/').next().unwrap_or_default();
    // The root has no name but itself.
    let name = if name.is_empty() { path } else { name };
    if name.is_empty() {
        return Object::default();
    }
    Object::default()
        .text("name", name)
        .text("path", path)
        .number("type_id", type_id)
}

/// Pid 0 is nobody's.
fn known(pid: u32) -> Option<u32> {
    (pid != 0).then_some(pid)
}
