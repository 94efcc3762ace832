//! The reference of events: which hook tells of each, and where its values are read.

use std::fmt::Write as _;

use gravlens_common::{Call, Hook};

use super::topics::{COMPAT_HOOK, TOPICS, Topic};
use crate::detect::EventTypes;

/// The messages of an event with the meaning of each field, from the comments of the proto file.
const PAYLOADS: &str = include_str!(concat!(env!("OUT_DIR"), "/payloads.md"));

/// Every event type by topic, and every message, as Markdown.
pub fn markdown() -> String {
    let mut text = String::new();
    for topic in TOPICS {
        if let Some(hook) = topic.hook {
            describe(&mut text, topic, hook);
        }
    }
    text.push_str("## Messages\n\n");
    text.push_str(PAYLOADS);
    text
}

fn describe(text: &mut String, topic: &Topic, hook: Hook) {
    // An execution that fails is one of its own kind only in the accounts.
    let calls_of = match hook {
        Hook::ExecFailed => Hook::Exec,
        other => other,
    };
    let calls: Vec<String> = Call::ALL
        .iter()
        .filter(|call| call.hook() == calls_of && EventTypes::ALL.contains(**call))
        .map(|call| format!("`{}`", call.name()))
        .collect();
    let (payload, provenance) = contents(hook);
    // Writing to a string does not fail.
    let _ = writeln!(text, "## {}\n\n{}\n", topic.name, calls.join(", "));
    text.push_str("|  |  |\n|---|---|\n");
    let mut row = |name: &str, what: &str| {
        let _ = writeln!(text, "| {name} | {what} |");
    };
    row("hook", &format!("`{}`", topic.taken));
    if topic.follows_calls() {
        row("32-bit calls", &format!("`{COMPAT_HOOK}`"));
    }
    if let Some(trampolines) = topic.trampolines {
        let gain = format!("`{}`: also {}", trampolines.taken, trampolines.gain);
        row("where trampolines are granted", &gain);
    }
    row("payload", &format!("`{payload}`"));
    row("read from", provenance);
    text.push('\n');
}

/// The message of a topic's events, and where its values come from.
const fn contents(hook: Hook) -> (&'static str, &'static str) {
    const TASK: &str = "kernel objects of the task";
    match hook {
        Hook::Exec => (
            "ExecPayload",
            "kernel objects; arguments from the new image's memory, before it runs",
        ),
        Hook::Fork => ("ForkPayload", TASK),
        Hook::Exit => ("ExitPayload", TASK),
        Hook::CgroupMkdir | Hook::CgroupRmdir | Hook::CgroupAttach => {
            ("CgroupPayload", "kernel objects of the cgroup")
        }
        Hook::SetIds => (
            "SetIdsPayload",
            "the saved registers; the ids that result from kernel objects",
        ),
        Hook::Open => (
            "OpenPayload",
            "the file behind the descriptor, `fd_shared` where another thread could have replaced \
             it; `USER_MEMORY` where there is no file; with trampolines the kernel's own file, name \
             and flags",
        ),
        Hook::Connect | Hook::Send => (
            "SocketPayload",
            "the kernel's copy of an IP address; `USER_MEMORY` for addresses of other families \
             that name no socket",
        ),
        Hook::Bind | Hook::Listen | Hook::Accept => (
            "SocketPayload",
            "the socket behind the descriptor, `fd_shared` where another thread could have replaced \
             it",
        ),
        Hook::FileChange => (
            "PathsPayload",
            "the names from the caller's memory after the call (`USER_MEMORY`); the directory that \
             a relative one starts from, and what a descriptor stands for, from kernel objects; \
             with trampolines the kernel's own names of those that are removed, moved, linked and \
             made as directories",
        ),
        Hook::Mount | Hook::ExecFailed => (
            "PathsPayload",
            "the names from the caller's memory after the call (`USER_MEMORY`); the directory that \
             a relative one starts from, and what a descriptor stands for, from kernel objects",
        ),
        Hook::Privilege | Hook::Memory | Hook::Descriptor | Hook::Signal | Hook::Socket => (
            "CallPayload",
            "the saved registers; what a descriptor stands for from kernel objects, `fd_shared` \
             where another thread could have replaced it",
        ),
        Hook::Dns => ("DnsPayload", "the packets"),
    }
}
