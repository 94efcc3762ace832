//! Attaches the programs of the topics, says how much of each topic that covers, and holds the
//! links.

use std::{any::Any, fs::File};

use aya::{
    Btf, Ebpf,
    maps::{Array, MapData},
    programs::{
        BtfTracePoint, CgroupAttachMode, CgroupSockAddr, Program as AyaProgram, TracePoint,
    },
};
use gravlens_common::{Call, Hook};

use super::{
    ProbeError,
    loader::chain,
    topics::{Attach, Program, TOPICS, Topic},
    tracefs,
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
    links: Vec<Link>,
    ended: Array<MapData, u32>,
}

impl Hooks {
    /// Silences every program at once, and detaches them. When it returns, none of them reports
    /// any more.
    pub fn detach(&mut self) {
        if self.links.is_empty() {
            return;
        }
        let silenced = self.ended.set(0, 1, 0).is_ok();
        // Closing a link waits until every program that runs has ended. The last one first, so
        // that without the switch no record is about a process of which nobody saw the exec.
        drop(self.links.pop());
        let rest = std::mem::take(&mut self.links);
        if silenced {
            // The kernel closes one at a time, and each takes as long: dozens would take seconds.
            // Without a thread they are closed here.
            let _ = std::thread::Builder::new().spawn(move || close(rest));
        } else {
            close(rest);
        }
    }
}

fn close(mut links: Vec<Link>) {
    while let Some(link) = links.pop() {
        drop(link);
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.detach();
    }
}

type Link = Box<dyn Any + Send>;

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hooks").field(&self.links.len()).finish()
    }
}

/// What attaching needs.
pub(super) struct Attacher<'a> {
    pub(super) ebpf: &'a mut Ebpf,
    pub(super) btf: &'a Btf,
    pub(super) scope_directory: &'a File,
    pub(super) trampolines: &'a Result<(), String>,
}

impl Attacher<'_> {
    /// Attaches every topic, lifecycle first. Fails when a program of a mandatory topic cannot be
    /// attached.
    pub(super) fn attach(mut self) -> Result<(Vec<AttachedTopic>, Hooks), ProbeError> {
        let mut links = Vec::new();
        let topics = TOPICS
            .iter()
            .map(|topic| {
                let better = better_hook(topic, self.trampolines);
                attach_topic(topic, better, |program| {
                    links.push(self.attach_program(program)?);
                    Ok(())
                })
            })
            .collect::<Result<_, _>>()?;
        let ended = ended(self.ebpf)?;
        Ok((topics, Hooks { links, ended }))
    }

    fn attach_program(&mut self, program: &Program) -> Result<Link, String> {
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
            (Attach::SharedExit { .. }, AyaProgram::TracePoint(loaded)) => {
                attach_tracepoint(loaded, program.name)
            }
            (Attach::CgroupSockAddr(_), AyaProgram::CgroupSockAddr(loaded)) => {
                attach_cgroup(loaded, self.scope_directory)
            }
            _ => Err("the object has another program type".to_owned()),
        }
    }
}

/// The switch that silences the programs.
fn ended(ebpf: &mut Ebpf) -> Result<Array<MapData, u32>, ProbeError> {
    let map = ebpf
        .take_map("ENDED")
        .ok_or_else(|| ProbeError::Load("the object has no map ENDED".to_owned()))?;
    Array::try_from(map).map_err(|error| ProbeError::Load(error.to_string()))
}

/// Tries every program of a topic.
fn attach_topic(
    topic: &'static Topic,
    better: Option<Refusal>,
    mut attach: impl FnMut(&Program) -> Result<(), String>,
) -> Result<AttachedTopic, ProbeError> {
    let mut attached = Vec::new();
    let mut missing = Vec::new();
    for program in topic.programs {
        if is_absent(program) {
            continue;
        }
        match attach(program) {
            Ok(()) => attached.push(program.name),
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

/// The kernel is older than the call: nobody can make it, and nothing is missed.
fn is_absent(program: &Program) -> bool {
    match program.attach {
        Attach::SharedExit {
            call: Call::Fchmodat2,
            ..
        } => !tracefs::has_event("syscalls", program.name),
        _ => false,
    }
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

fn attach_btf(program: &mut BtfTracePoint, name: &str, btf: &Btf) -> Result<Link, String> {
    program.load(name, btf).map_err(|error| chain(&error))?;
    let link = program.attach().map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    Ok(Box::new(link))
}

fn attach_tracepoint(program: &mut TracePoint, name: &str) -> Result<Link, String> {
    // A program that serves several calls is loaded with the first.
    if program.fd().is_err() {
        program.load().map_err(|error| chain(&error))?;
    }
    let link = program
        .attach("syscalls", name)
        .map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    Ok(Box::new(link))
}

fn attach_cgroup(program: &mut CgroupSockAddr, directory: &File) -> Result<Link, String> {
    program.load().map_err(|error| chain(&error))?;
    // A bpf_link is always "multi": other programs on the cgroup go on.
    let link = program
        .attach(directory, CgroupAttachMode::Single)
        .map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    Ok(Box::new(link))
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
            Ok(())
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
            better: None,
        };
        let refuse_second = |program: &Program| match program.name {
            "second" => Err("refused".to_owned()),
            _ => Ok(()),
        };
        let error = attach_topic(&TWO, None, refuse_second).unwrap_err();
        assert!(error.to_string().contains("second: refused"), "{error}");
    }
}
