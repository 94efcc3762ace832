//! Attaches the programs of the topics, says how much of each topic that covers, and holds the
//! links.

use std::{fs::File, os::fd::AsFd};

use aya::{
    Btf, Ebpf,
    maps::{Array, Map, MapData},
    programs::{
        BtfTracePoint, CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSockAddr,
        Program as AyaProgram, TracePoint, links::FdLink,
    },
};
use gravlens_common::Hook;

use super::{
    ProbeError, compat,
    integrity::{HeldLink, Links},
    loader::chain,
    topics::{Attach, COMPAT, Program, TOPICS, Topic, Trampolines},
    tracefs, trampolines,
};
use crate::telemetry::{MissingProgram, TopicState};

/// A hook that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the hook.
    pub hook: String,
    /// The kernel's answer, or why it was not tried.
    pub why: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.hook, self.why)
    }
}

/// How a topic is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedTopic {
    /// What is accounted under the topic; `None` for helpers of other topics.
    pub hook: Option<Hook>,
    /// Name.
    pub name: &'static str,
    /// The agent does not start unless every program is attached.
    pub mandatory: bool,
    /// The alternative in use, `None` when there is none.
    pub taken: Option<&'static str>,
    /// Programs that are attached.
    pub attached: Vec<&'static str>,
    /// Programs that are not.
    pub missing: Vec<MissingProgram>,
    /// Alternatives that were refused.
    pub refused: Vec<Refusal>,
}

impl AttachedTopic {
    /// Programs on kernel functions serve it, which see more than those on system calls.
    pub(super) fn is_on_trampolines(&self) -> bool {
        let topic = TOPICS.iter().find(|topic| topic.name == self.name);
        let trampolines = topic.and_then(|topic| topic.trampolines);
        trampolines.is_some_and(|trampolines| self.taken == Some(trampolines.taken))
    }

    /// How much of the topic is watched.
    pub fn state(&self) -> TopicState {
        match (self.attached.is_empty(), self.missing.is_empty()) {
            (true, _) => TopicState::Off,
            (false, false) => TopicState::Partial,
            (false, true) => TopicState::Full,
        }
    }
}

/// The links of the attached programs, lifecycle first. The maps stay without them.
pub struct Hooks {
    links: Links,
    ended: Array<MapData, u32>,
}

impl Hooks {
    /// Silences every program at once, and detaches them. When it returns, none of them reports
    /// any more.
    pub fn detach(&mut self) {
        let mut silenced = false;
        let mut links = self.links.end(|| {
            silenced = self.ended.set(0, 1, 0).is_ok();
        });
        // Closing a link waits until every program that runs has ended. The last one first, so
        // that without the switch no record is about a process of which nobody saw the exec.
        drop(links.pop());
        if silenced {
            // The kernel closes one at a time, and each takes as long: dozens would take seconds.
            // Without a thread they are closed here.
            let _ = std::thread::Builder::new().spawn(move || close(links));
        } else {
            close(links);
        }
    }

    /// The links, to be looked at while they are attached.
    pub(super) fn links(&self) -> Links {
        self.links.clone()
    }
}

fn close(mut links: Vec<HeldLink>) {
    while let Some(link) = links.pop() {
        drop(link);
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hooks").field(&self.links.len()).finish()
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.detach();
    }
}

/// What attaching needs.
pub(super) struct Attacher<'a> {
    pub(super) ebpf: &'a mut Ebpf,
    pub(super) btf: &'a Btf,
    pub(super) scope_directory: &'a File,
    pub(super) trampolines: &'a Result<(), String>,
    /// Attach the topic of 32-bit calls.
    pub(super) compat: bool,
    /// Take trampolines where they are granted.
    pub(super) use_trampolines: bool,
}

impl Attacher<'_> {
    /// Attaches every topic, lifecycle first. Fails when a program of a mandatory topic cannot be
    /// attached.
    pub(super) fn attach(mut self) -> Result<(Vec<AttachedTopic>, Hooks), ProbeError> {
        let mut links = Vec::new();
        let compat = self.compat;
        let topics = TOPICS
            .iter()
            .filter(|topic| compat || topic.name != COMPAT)
            .map(|topic| self.attach_best(topic, &mut links))
            .collect::<Result<_, _>>()?;
        let ended = switch(self.ebpf)?;
        let links = Links::new(links);
        Ok((topics, Hooks { links, ended }))
    }

    /// Attaches the first alternative of a topic that this kernel grants.
    fn attach_best(
        &mut self,
        topic: &'static Topic,
        links: &mut Vec<HeldLink>,
    ) -> Result<AttachedTopic, ProbeError> {
        let better = match topic.trampolines {
            Some(trampolines) => match self.attach_trampolines(topic, trampolines) {
                Ok(attached) => {
                    let names = attached.iter().map(HeldLink::program).collect();
                    links.extend(attached);
                    compat::on_trampolines(self.ebpf, trampolines.serve)?;
                    return Ok(on_trampolines(topic, trampolines, names));
                }
                Err(why) => Some(Refusal {
                    hook: trampolines.taken.to_owned(),
                    why: format!("{why}; would also see {}", trampolines.gain),
                }),
            },
            None => better_hook(topic, self.trampolines),
        };
        let attached = attach_topic(topic, better, |program| {
            if lacks_call(program) {
                return Ok(Outcome::NoSuchCall);
            }
            let link = self.attach_program(program)?;
            links.push(HeldLink::new(program.name, link)?);
            Ok(Outcome::Attached)
        })?;
        if topic.name == COMPAT && attached.state() == TopicState::Full {
            compat::watched(self.ebpf)?;
        }
        Ok(attached)
    }

    /// All of them, or why not.
    fn attach_trampolines(
        &mut self,
        topic: &Topic,
        trampolines: Trampolines,
    ) -> Result<Vec<HeldLink>, String> {
        if let Err(why) = self.trampolines {
            return Err(format!("trampolines are refused: {why}"));
        }
        if !self.use_trampolines {
            return Err("sensor.trampolines is off".to_owned());
        }
        let btf = self.btf;
        let lacks = |program: &Program| lacks_request(program, btf);
        if trampolines.programs.iter().all(lacks) {
            return Err("this kernel's io_uring has no such requests".to_owned());
        }
        let programs = topic.programs_with(trampolines);
        let programs = programs.filter(|program| !lacks_call(program) && !lacks(program));
        let links = programs.map(|program| {
            let link = self
                .attach_program(program)
                .map_err(|why| format!("{}: {why}", program.name))?;
            HeldLink::new(program.name, link)
        });
        links.collect()
    }

    fn attach_program(&mut self, program: &Program) -> Result<FdLink, String> {
        let name = match program.attach {
            Attach::SharedExit { program, .. } => program,
            _ => program.name,
        };
        let loaded = self
            .ebpf
            .program_mut(name)
            .ok_or_else(|| "not in the object".to_owned())?;
        match (program.attach, loaded) {
            (Attach::BtfTracepoint(name), AyaProgram::BtfTracePoint(loaded)) => {
                attach_btf(loaded, name, self.btf)
            }
            (Attach::SyscallEntry(call), AyaProgram::TracePoint(loaded)) => {
                attach_tracepoint(loaded, &format!("sys_enter_{}", call.name()))
            }
            (Attach::SyscallExit(call), AyaProgram::TracePoint(loaded)) => {
                attach_tracepoint(loaded, &format!("sys_exit_{}", call.name()))
            }
            (
                Attach::FunctionEntry(name, _) | Attach::RequestEntry(name, _),
                AyaProgram::FEntry(loaded),
            ) => trampolines::attach_entry(loaded, name, self.btf),
            (
                Attach::FunctionExit(name, _) | Attach::RequestExit(name, _),
                AyaProgram::FExit(loaded),
            ) => trampolines::attach_exit(loaded, name, self.btf),
            (Attach::SharedExit { .. }, AyaProgram::TracePoint(loaded)) => {
                attach_tracepoint(loaded, program.name)
            }
            (Attach::CgroupSockAddr(_), AyaProgram::CgroupSockAddr(loaded)) => {
                attach_cgroup(loaded, self.scope_directory)
            }
            (Attach::CgroupIngress(_), AyaProgram::CgroupSkb(loaded)) => {
                attach_packets(loaded, self.scope_directory, CgroupSkbAttachType::Ingress)
            }
            (Attach::CgroupEgress(_), AyaProgram::CgroupSkb(loaded)) => {
                attach_packets(loaded, self.scope_directory, CgroupSkbAttachType::Egress)
            }
            _ => Err("the object has another program type".to_owned()),
        }
    }
}

fn on_trampolines(
    topic: &Topic,
    trampolines: Trampolines,
    attached: Vec<&'static str>,
) -> AttachedTopic {
    AttachedTopic {
        hook: topic.hook,
        name: topic.name,
        mandatory: topic.mandatory,
        taken: Some(trampolines.taken),
        attached,
        missing: Vec::new(),
        refused: Vec::new(),
    }
}

/// The switch that silences the programs. The object keeps its own descriptor of the map, for those
/// who look whether somebody else has used it.
fn switch(ebpf: &Ebpf) -> Result<Array<MapData, u32>, ProbeError> {
    let Some(Map::Array(map)) = ebpf.map("ENDED") else {
        return Err(ProbeError::Load("the object has no array ENDED".to_owned()));
    };
    let fd = map.fd().as_fd().try_clone_to_owned();
    let fd = fd.map_err(|error| ProbeError::io("cannot copy the map ENDED".to_owned(), error))?;
    let map = MapData::from_fd(fd).map_err(|error| ProbeError::Load(chain(&error)))?;
    Array::try_from(Map::Array(map)).map_err(|error| ProbeError::Load(chain(&error)))
}

/// What became of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Attached,
    /// The kernel was built without the call, so there is nothing to see.
    NoSuchCall,
}

fn lacks_call(program: &Program) -> bool {
    match program.attach {
        Attach::SyscallExit(call) => tracefs::lacks_call(call.name()),
        // Not the call's own name: that of the tracepoint can differ.
        Attach::SharedExit { .. } => program
            .name
            .strip_prefix("sys_exit_")
            .is_some_and(tracefs::lacks_call),
        _ => false,
    }
}

/// The kernel's io_uring does not have what the program is for.
fn lacks_request(program: &Program, btf: &Btf) -> bool {
    match program.attach {
        Attach::RequestEntry(function, _) | Attach::RequestExit(function, _) => {
            trampolines::lacks_function(btf, function)
        }
        _ => false,
    }
}

/// Tries every program of a topic.
fn attach_topic(
    topic: &'static Topic,
    better: Option<Refusal>,
    mut attach: impl FnMut(&Program) -> Result<Outcome, String>,
) -> Result<AttachedTopic, ProbeError> {
    let mut attached = Vec::new();
    let mut missing = Vec::new();
    for program in topic.programs {
        match attach(program) {
            Ok(Outcome::Attached) => attached.push(program.name),
            Ok(Outcome::NoSuchCall) => {}
            Err(why) => missing.push(MissingProgram {
                program: program.name.to_owned(),
                not_seen: program.attach.sees(),
                why,
            }),
        }
    }
    if topic.mandatory && !missing.is_empty() {
        return Err(ProbeError::MandatoryTopic {
            topic: topic.name,
            reasons: describe(&missing),
        });
    }
    Ok(AttachedTopic {
        hook: topic.hook,
        name: topic.name,
        mandatory: topic.mandatory,
        taken: (!attached.is_empty()).then_some(topic.taken),
        attached,
        missing,
        refused: better.into_iter().collect(),
    })
}

/// The hook that would see more, and why it is not taken.
fn better_hook(topic: &Topic, trampolines: &Result<(), String>) -> Option<Refusal> {
    let (hook, gain) = topic.better?;
    let why = match trampolines {
        Err(why) => format!("trampolines are refused: {why}; would also see {gain}"),
        Ok(()) => format!("not built into this version; would also see {gain}"),
    };
    Some(Refusal {
        hook: hook.to_owned(),
        why,
    })
}

fn describe(missing: &[MissingProgram]) -> String {
    let lines: Vec<String> = missing
        .iter()
        .map(|missing| format!("{}: {}", missing.program, missing.why))
        .collect();
    lines.join("; ")
}

fn attach_btf(program: &mut BtfTracePoint, name: &str, btf: &Btf) -> Result<FdLink, String> {
    program.load(name, btf).map_err(|error| chain(&error))?;
    let link = program.attach().map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    Ok(link.into())
}

fn attach_tracepoint(program: &mut TracePoint, name: &str) -> Result<FdLink, String> {
    // A program that serves several calls is loaded with the first.
    if program.fd().is_err() {
        program.load().map_err(|error| chain(&error))?;
    }
    let link = program
        .attach("syscalls", name)
        .map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    FdLink::try_from(link).map_err(|error| chain(&error))
}

fn attach_cgroup(program: &mut CgroupSockAddr, directory: &File) -> Result<FdLink, String> {
    program.load().map_err(|error| chain(&error))?;
    // A bpf_link is always "multi": other programs on the cgroup go on.
    let link = program
        .attach(directory, CgroupAttachMode::Single)
        .map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    FdLink::try_from(link).map_err(|error| chain(&error))
}

fn attach_packets(
    program: &mut CgroupSkb,
    directory: &File,
    direction: CgroupSkbAttachType,
) -> Result<FdLink, String> {
    program.load().map_err(|error| chain(&error))?;
    let link = program
        .attach(directory, direction, CgroupAttachMode::Single)
        .map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    FdLink::try_from(link).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> &'static Topic {
        let found = TOPICS.iter().find(|topic| topic.name == name);
        found.expect("a topic of that name")
    }

    /// Attaches a topic while the kernel refuses the named programs.
    fn without(name: &str, refused: &[&str]) -> Result<AttachedTopic, ProbeError> {
        attach_topic(topic(name), None, |program| {
            if refused.contains(&program.name) {
                return Err("no such tracepoint".to_owned());
            }
            Ok(Outcome::Attached)
        })
    }

    #[test]
    fn a_topic_is_full_with_every_program_only() {
        let full = without("open", &[]).unwrap();
        assert_eq!(full.state(), TopicState::Full);
        assert!(full.missing.is_empty());

        let partial = without("open", &["sys_exit_openat2"]).unwrap();
        assert_eq!(partial.state(), TopicState::Partial);
        assert!(partial.attached.contains(&"sys_exit_openat"));
        assert_eq!(partial.missing.len(), 1);
        assert_eq!(partial.missing[0].not_seen, "openat2 calls");
        assert_eq!(partial.missing[0].why, "no such tracepoint");

        let off = without("connect", &["sys_exit_connect"]).unwrap();
        assert_eq!((off.state(), off.taken), (TopicState::Off, None));
    }

    #[test]
    fn a_call_that_the_kernel_lacks_is_not_missed() {
        let privilege = attach_topic(topic("privilege"), None, |program| {
            Ok(match program.name {
                "sys_exit_finit_module" => Outcome::NoSuchCall,
                _ => Outcome::Attached,
            })
        });
        let privilege = privilege.unwrap();
        assert_eq!(privilege.state(), TopicState::Full);
        assert!(!privilege.attached.contains(&"sys_exit_finit_module"));
    }

    #[test]
    fn trampolines_take_the_place_of_the_calls_that_they_serve() {
        let with = |name: &str| -> Vec<&str> {
            let topic = topic(name);
            let trampolines = topic.trampolines.expect("the topic has trampolines");
            let programs = topic.programs_with(trampolines);
            programs.map(|program| program.name).collect()
        };
        let opens = with("open");
        assert!(opens.contains(&"open_file") && opens.contains(&"sys_exit_memfd_create"));
        assert!(!opens.contains(&"sys_exit_openat"));
        let changes = with("file_change");
        assert!(changes.contains(&"rename_begins") && changes.contains(&"sys_exit_fchmodat"));
        assert!(!changes.contains(&"sys_exit_renameat2"));
    }

    #[test]
    fn what_begins_on_a_trampoline_ends_on_one_that_was_there_before() {
        for name in ["file_change", "connect", "send"] {
            let programs = topic(name).trampolines.unwrap().programs;
            let mut ends = Vec::new();
            for program in programs {
                match program.attach {
                    Attach::FunctionExit(function, _) | Attach::RequestExit(function, _) => {
                        ends.push(function);
                    }
                    Attach::FunctionEntry(function, _) | Attach::RequestEntry(function, _) => {
                        assert!(ends.contains(&function), "{function}");
                    }
                    other => panic!("{} is on no function: {other:?}", program.name),
                }
            }
        }
    }

    #[test]
    fn a_mandatory_topic_needs_every_program() {
        for name in ["cgroup_mkdir", "fork", "exec", "exit"] {
            let topic = topic(name);
            assert!(topic.mandatory);
            for program in topic.programs {
                let error = without(name, &[program.name]).unwrap_err();
                assert!(error.to_string().contains("no such tracepoint"), "{error}");
            }
        }
        // One of several is not enough either.
        static TWO: Topic = Topic {
            hook: None,
            name: "two",
            mandatory: true,
            taken: "two",
            programs: &[
                Program {
                    name: "first",
                    attach: Attach::BtfTracepoint("first"),
                },
                Program {
                    name: "second",
                    attach: Attach::BtfTracepoint("second"),
                },
            ],
            trampolines: None,
            better: None,
        };
        let refuse_second = |program: &Program| match program.name {
            "second" => Err("refused".to_owned()),
            _ => Ok(Outcome::Attached),
        };
        let error = attach_topic(&TWO, None, refuse_second).unwrap_err();
        assert!(error.to_string().contains("second: refused"), "{error}");
    }
}
