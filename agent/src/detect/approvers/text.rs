//! Approvers for people.

use std::collections::BTreeMap;

use gravlens_common::{EventClass, Hook};

use super::{ClassApprover, NamePattern, Wanted};
use crate::model::{ClassSummary, Kept, Syscall};

/// Names, ports or rules that are shown; of more the number is told.
const SHOWN: usize = 8;

/// Classes of which the same is wanted, together.
pub(super) fn summary(classes: &[ClassApprover]) -> Vec<ClassSummary> {
    let mut groups: Vec<(&Wanted, Vec<&ClassApprover>)> = Vec::new();
    for class in classes {
        match groups
            .iter_mut()
            .find(|(wanted, _)| **wanted == class.wanted)
        {
            Some((_, members)) => members.push(class),
            None => groups.push((&class.wanted, vec![class])),
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|(wanted, members)| summary_of(wanted, events(&members)))
        .collect()
}

fn summary_of(wanted: &Wanted, events: String) -> ClassSummary {
    let (kept, all): (_, Vec<String>) = match wanted {
        Wanted::Nothing => (Kept::Nothing, Vec::new()),
        Wanted::Names(names) => (Kept::ByName, names.iter().map(shown).collect()),
        Wanted::Ports(ports) => {
            let ports = ports.iter().map(u16::to_string).collect();
            (Kept::ByPort, ports)
        }
        Wanted::Everything { rules } => (Kept::Everything, rules.iter().cloned().collect()),
    };
    ClassSummary {
        events,
        kept,
        count: all.len(),
        by: all.into_iter().take(SHOWN).collect(),
    }
}

/// A name as part of a path: what stands before and behind it is open.
fn shown(pattern: &NamePattern) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match pattern {
        NamePattern::Last(name) => format!("*/{}", text(name)),
        NamePattern::Anywhere(name) => format!("*/{}/*", text(name)),
        NamePattern::Begin(begin) => format!("{}*", text(begin)),
    }
}

/// Calls that ended in the same ways stand together.
fn events(members: &[&ClassApprover]) -> String {
    let mut ends_of: BTreeMap<Syscall, Vec<EventClass>> = BTreeMap::new();
    for member in members {
        ends_of.entry(member.call).or_default().push(member.class);
    }
    let mut by_ends: Vec<(Vec<EventClass>, bool, Vec<Syscall>)> = Vec::new();
    for (call, ends) in ends_of {
        let opens = is_named_open(call);
        let same = by_ends
            .iter_mut()
            .find(|(found, found_opens, _)| *found == ends && *found_opens == opens);
        match same {
            Some((.., calls)) => calls.push(call),
            None => by_ends.push((ends, opens, vec![call])),
        }
    }
    let parts = by_ends.iter().map(|(ends, opens, calls)| {
        let names: Vec<&str> = calls.iter().map(|call| call.name()).collect();
        let names = names.join(", ");
        match ends_text(ends, *opens, calls[0]) {
            None => names,
            Some(text) => format!("{names} {text}"),
        }
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Its classes tell how a file is opened.
fn is_named_open(call: Syscall) -> bool {
    call.hook() == Hook::Open && call != Syscall::MemfdCreate
}

/// How calls ended, in words; `None` where it does not matter.
fn ends_text(ends: &[EventClass], opens: bool, call: Syscall) -> Option<String> {
    if ends.len() == EventClass::all_of(call).len() {
        return None;
    }
    let words: Vec<&str> = if opens {
        opens_text(ends)
    } else {
        ends.iter().map(|end| end_text(*end)).collect()
    };
    Some(format!("({})", words.join(", ")))
}

fn end_text(class: EventClass) -> &'static str {
    if class == EventClass::NO_RESULT {
        "result not known"
    } else if class.has_failed() {
        "failed"
    } else {
        "succeeded"
    }
}

fn opens_text(ends: &[EventClass]) -> Vec<&'static str> {
    let mut words: Vec<&'static str> = Vec::new();
    for end in ends {
        let word = match (end.has_failed(), end.reads(), end.writes(), end.creates()) {
            (true, true, false, _) => "failed for reading",
            (true, false, true, _) => "failed for writing",
            (true, true, true, _) => "failed for both",
            (true, false, false, _) => "failed for neither",
            (false, true, false, false) => "for reading",
            (false, true, false, true) => "for reading a file that it makes",
            (false, false, true, false) => "for writing",
            (false, false, true, true) => "for writing a file that it makes",
            (false, true, true, false) => "for both",
            (false, true, true, true) => "for both of a file that it makes",
            (false, false, false, false) => "for neither",
            (false, false, false, true) => "for neither of a file that it makes",
        };
        words.push(word);
    }
    let failed = ends.iter().filter(|end| end.has_failed()).count();
    if failed == 4 {
        words.retain(|word| !word.starts_with("failed"));
        words.push("failed");
    }
    words
}
