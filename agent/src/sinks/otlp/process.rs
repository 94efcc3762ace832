//! Attributes of processes.

use opentelemetry_semantic_conventions::attribute;

use super::attributes::Attributes;
use crate::proto::{self, Layer, Process};
use crate::sinks::render::enum_word;

/// Adds those of the process that made the event.
pub(super) fn add(to: &mut Attributes, process: &Process) {
    to.number(attribute::PROCESS_PID, process.pid);
    to.nonzero(attribute::PROCESS_PARENT_PID, process.parent_pid);
    to.maybe(attribute::PROCESS_VPID, process.container_pid);
    to.text("gravlens.process.name", &process.name);
    to.text(attribute::PROCESS_COMMAND_LINE, &process.command_line);
    to.texts(attribute::PROCESS_COMMAND_ARGS, &process.args);
    to.mark("gravlens.process.args_truncated", process.args_truncated);
    if let Some(executable) = &process.executable {
        self::executable(to, executable);
    }
    to.text("gravlens.process.filename", &process.filename);
    to.text("gravlens.process.interpreter", &process.interpreter);
    let cwd = process.cwd.as_ref().map_or("", |cwd| &cwd.text);
    to.text(attribute::PROCESS_WORKING_DIRECTORY, cwd);
    credentials(to, process);
    to.time(
        attribute::PROCESS_CREATION_TIME,
        process.start_time.as_ref(),
    );
    to.mark(attribute::PROCESS_INTERACTIVE, process.tty.is_some());
    if let Some(id) = &process.exec_id {
        let id = format!("{}-{}-{}", id.pid, id.start_boot_ns, id.exec_number);
        to.text("gravlens.process.exec_id", &id);
    }
    to.mark("gravlens.process.seen_late", process.seen_late);
    to.mark("gravlens.process.escaped", process.escaped);
}

/// Adds the parent, and who stands above it, the parent first.
pub(super) fn ancestors(to: &mut Attributes, ancestors: &[Process], truncated: bool) {
    if let Some(parent) = ancestors.first() {
        to.text("gravlens.process.parent.name", &parent.name);
        to.text("gravlens.process.parent.command_line", &parent.command_line);
        to.text("gravlens.process.parent.executable", path(parent));
    }
    let named = ancestors
        .iter()
        .map(|ancestor| format!("{}[{}]", ancestor.name, ancestor.pid));
    to.texts("gravlens.process.ancestors", named);
    to.mark("gravlens.process.ancestors_truncated", truncated);
}

fn path(process: &Process) -> &str {
    let executable = process.executable.as_ref();
    let path = executable.and_then(|executable| executable.path.as_ref());
    path.map_or("", |path| &path.text)
}

fn executable(to: &mut Attributes, executable: &proto::Executable) {
    let path = executable.path.as_ref().map_or("", |path| &path.text);
    let name = path.rsplit('/').next().unwrap_or_default();
    to.text(attribute::PROCESS_EXECUTABLE_NAME, name);
    to.text(attribute::PROCESS_EXECUTABLE_PATH, path);
    if executable.layer() != Layer::Unspecified {
        let layer = enum_word(executable.layer().as_str_name(), "LAYER_");
        to.text("gravlens.process.executable.layer", &layer);
    }
    to.mark("gravlens.process.executable.memfd", executable.memfd);
    to.mark("gravlens.process.executable.unlinked", executable.unlinked);
}

fn credentials(to: &mut Attributes, process: &Process) {
    if let Some(ids) = &process.credentials {
        to.number(attribute::PROCESS_REAL_USER_ID, ids.uid);
        to.number(attribute::PROCESS_USER_ID, ids.euid);
        to.number("gravlens.process.gid", ids.gid);
        to.number("gravlens.process.egid", ids.egid);
        to.maybe("gravlens.process.login_uid", ids.login_uid);
    }
    if let Some(held) = &process.capabilities {
        let effective = format!("{:#x}", held.effective);
        to.text("gravlens.process.capabilities.effective", &effective);
    }
}
