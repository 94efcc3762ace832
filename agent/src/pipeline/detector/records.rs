//! Records in, events out.

use std::sync::Arc;

use gravlens_common::{BulkContext, Hook, Kind, record_flags};
use tokio::time::Instant;

use super::super::event::{
    bulk_call_payload, call_payload, cgroup_payload, cgroup_syscall, open_payload, socket_payload,
};
use super::super::inputs::is_over;
use super::Detector;
use crate::decode::{
    BulkCallView, CallView, CgroupView, Context, DecodeError, ExecView, ExitView, ForkView, Head,
    OpenView, PathsView, Record, SetIdsView, SocketView, decode, origin,
};
use crate::enrich::process_table::ProcDetails;
use crate::ingest::Batch;
use crate::model::{Event, EventFlags, Payload, Process, SetIds, Syscall};
use crate::telemetry::{Counter, Failure};

struct Undecodable {
    error: DecodeError,
}

impl Failure for Undecodable {
    fn counter(&self) -> &'static Counter {
        static COUNTER: Counter = Counter::new("decode_failed");
        &COUNTER
    }

    fn log(&self, total: u64) {
        tracing::error!(message = "Record cannot be decoded.", error = %self.error, total);
    }
}

/// What is the same for every event made of one record.
pub(super) struct Origin {
    pub(super) head: Head,
    pub(super) cgroup_id: u64,
    tid: u32,
    process: Arc<Process>,
    process_unknown: bool,
    /// The canary made it: no rule sees it.
    pub(super) canary: bool,
}

impl Detector {
    /// Takes a batch of records, oldest first, at a stop until that time: what is left of it stays
    /// in flight, as the batches do that are not taken at all.
    pub(in crate::pipeline) fn batch(&mut self, batch: &Batch, until: Option<Instant>) {
        for bytes in batch.records() {
            if is_over(until) {
                break;
            }
            self.bytes(bytes);
        }
        self.ask_runtimes();
    }

    /// Takes one record.
    pub(in crate::pipeline) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.record(bytes);
        }
        match decode(bytes) {
            Ok((head, record)) => self.record(head, &record),
            Err(error) => {
                if let Some(origin) = origin(bytes) {
                    self.ledger.undecodable(origin);
                }
                Undecodable { error }.emit();
            }
        }
    }

    /// Takes a process that the task iterator found. No event: it began before the agent, or its
    /// own records were lost.
    pub(in crate::pipeline) fn found(&mut self, record: &[u8], details: &ProcDetails) {
        if let Some(tape) = &mut self.tape {
            tape.found(record, details);
        }
        match decode(record) {
            Ok((_, Record::Task(view))) => {
                let now = self.now_ns;
                self.processes.found(&view, details, now);
            }
            Ok(_) => {}
            Err(error) => Undecodable { error }.emit(),
        }
    }

    fn record(&mut self, head: Head, record: &Record<'_>) {
        self.now_ns = self.now_ns.max(head.boot_ns);
        self.containers.tick(self.now_ns);
        match record {
            Record::Exec(exec) => self.exec(head, exec),
            Record::Fork(fork) => self.fork(head, fork),
            Record::Exit(exit) => self.exit(head, exit),
            Record::Cgroup(change) => self.cgroup(head, change),
            Record::SetIds(call) => self.set_ids(head, call),
            Record::Open(open) => self.open(head, open),
            Record::Socket(socket) => self.socket(head, socket),
            Record::Call(call) => self.call(head, call),
            Record::BulkCall(call) => self.bulk_call(head, call),
            Record::Paths(call) => self.paths(head, call),
            Record::Dns(packet) => self.dns(head, packet),
            Record::Marker(nonce) => self.marker(*nonce),
            // The iterator does not write to the rings.
            Record::Task(_) => {}
        }
    }

    fn exec(&mut self, head: Head, exec: &ExecView<'_>) {
        let process = self.processes.exec(exec, head.boot_ns);
        let origin = self.critical(head, &exec.context, Hook::Exec, process);
        let syscall = if exec.by_descriptor {
            Syscall::Execveat
        } else {
            Syscall::Execve
        };
        self.event(&origin, syscall, Some(0), Payload::Exec);
    }

    fn fork(&mut self, head: Head, fork: &ForkView) {
        let process = self.processes.fork(fork, head.boot_ns);
        let origin = self.critical(head, &fork.child, Hook::Fork, process);
        // As the child sees the call.
        self.event(&origin, Syscall::Clone, Some(0), Payload::Fork);
    }

    fn exit(&mut self, head: Head, exit: &ExitView) {
        let Some(process) = self.processes.exit(&exit.context, head.boot_ns) else {
            self.ledger.received(exit.context.cgroup_id, Hook::Exit);
            return;
        };
        let origin = self.critical(head, &exit.context, Hook::Exit, process);
        let payload = Payload::Exit {
            status: exit.status,
            signal: exit.signal,
        };
        self.event(&origin, Syscall::Procexit, None, payload);
    }

    fn cgroup(&mut self, head: Head, change: &CgroupView<'_>) {
        let hook = match change.kind {
            Kind::CgroupMkdir => Hook::CgroupMkdir,
            Kind::CgroupRmdir => Hook::CgroupRmdir,
            _ => Hook::CgroupAttach,
        };
        let canary = self.guard.is_canary(&change.context, hook, head.boot_ns);
        if canary
            && let Some(own) = self.guard.canary_cgroup()
            && own != change.cgroup_id
        {
            self.ledger.count_as(change.cgroup_id, own);
        }
        self.ledger.received(change.cgroup_id, hook);
        match change.kind {
            Kind::CgroupMkdir => {
                self.containers
                    .mkdir(change.cgroup_id, change.path, head.boot_ns);
            }
            Kind::CgroupRmdir => {
                self.containers
                    .rmdir(change.cgroup_id, change.path, head.boot_ns);
            }
            _ => {}
        }
        self.cgroups_settled();
        let (process, process_unknown) = match change.kind {
            // Who changes the tree may lie outside the scope, where nobody can be found.
            Kind::CgroupMkdir | Kind::CgroupRmdir => {
                let process = self.processes.peek(&change.context);
                let unknown = !process.image.known;
                (process, unknown)
            }
            _ => {
                let process = self.processes.refresh(&change.context, head.boot_ns);
                let unknown = self.is_unknown(&process);
                (process, unknown)
            }
        };
        let origin = Origin {
            head,
            cgroup_id: change.cgroup_id,
            tid: change.context.tid,
            process,
            process_unknown,
            canary,
        };
        let payload = cgroup_payload(change.cgroup_id, change.path);
        self.event(&origin, cgroup_syscall(change.kind), None, payload);
    }

    fn set_ids(&mut self, head: Head, call: &SetIdsView) {
        let process = self.processes.refresh(&call.context, head.boot_ns);
        let origin = self.critical(head, &call.context, Hook::SetIds, process);
        let payload = Payload::SetIds(SetIds {
            argument: call.argument,
        });
        let result = Some(i64::from(call.result));
        self.event(&origin, call.call, result, payload);
    }

    fn open(&mut self, head: Head, open: &OpenView<'_>) {
        let origin = self.bulk(head, &open.context, Hook::Open);
        let result = Some(i64::from(open.context.result));
        self.event(&origin, open.call, result, open_payload(open));
    }

    fn socket(&mut self, head: Head, socket: &SocketView<'_>) {
        let origin = self.bulk(head, &socket.context, socket.call.hook());
        let result = socket
            .has_result
            .then_some(i64::from(socket.context.result));
        self.event(&origin, socket.call, result, socket_payload(socket));
    }

    fn paths(&mut self, head: Head, call: &PathsView<'_>) {
        let origin = self.bulk(head, &call.context, call.hook());
        let result = Some(i64::from(call.context.result));
        let payload = Payload::Paths(call.paths.clone());
        self.event(&origin, call.call, result, payload);
    }

    fn call(&mut self, head: Head, call: &CallView) {
        let process = self.processes.refresh(&call.context, head.boot_ns);
        let origin = self.critical(head, &call.context, call.call.hook(), process);
        self.event(&origin, call.call, Some(call.result), call_payload(call));
    }

    fn bulk_call(&mut self, head: Head, call: &BulkCallView) {
        let origin = self.bulk(head, &call.context, call.call.hook());
        let payload = bulk_call_payload(call);
        self.event(&origin, call.call, Some(call.result), payload);
    }

    fn critical(
        &mut self,
        head: Head,
        context: &Context,
        hook: Hook,
        process: Arc<Process>,
    ) -> Origin {
        self.ledger.received(context.cgroup_id, hook);
        let process_unknown = self.is_unknown(&process);
        Origin {
            head,
            cgroup_id: context.cgroup_id,
            tid: context.tid,
            process,
            process_unknown,
            canary: self.guard.is_canary(context, hook, head.boot_ns),
        }
    }

    pub(super) fn bulk(&mut self, head: Head, context: &BulkContext, hook: Hook) -> Origin {
        self.ledger.received(context.cgroup_id, hook);
        let process = self.processes.of_bulk(context);
        let process_unknown = self.is_unknown(&process);
        Origin {
            head,
            cgroup_id: context.cgroup_id,
            tid: context.tid,
            process,
            process_unknown,
            canary: self.guard.is_canary_thread(context, hook, head.boot_ns),
        }
    }

    /// Whether the image that the process runs is not known; then the task iterator is asked.
    fn is_unknown(&mut self, process: &Process) -> bool {
        let unknown = !process.image.known;
        // A stand-in without even a thread is nobody that the iterator could find.
        if unknown && process.exec_id.tgid != 0 {
            self.repair.want(self.now_ns);
        }
        unknown
    }

    pub(super) fn event(
        &mut self,
        origin: &Origin,
        syscall: Syscall,
        result: Option<i64>,
        mut payload: Payload<'_>,
    ) {
        if origin.canary {
            return;
        }
        self.number += 1;
        let container = self.containers.view(origin.cgroup_id);
        if let Payload::Socket(socket) = &mut payload {
            self.dns.name(socket, &container, origin.head.boot_ns);
        }
        let event = Event {
            number: self.number,
            boot_ns: origin.head.boot_ns,
            time: self.clock.time(origin.head.boot_ns),
            syscall,
            result,
            tid: origin.tid,
            process: Arc::clone(&origin.process),
            container,
            payload,
            flags: EventFlags {
                out_of_order: origin.head.flags & record_flags::OUT_OF_ORDER != 0,
                seen_late: origin.process.seen_late,
                process_unknown: origin.process_unknown,
            },
        };
        self.detect(&event, origin.cgroup_id);
    }
}
