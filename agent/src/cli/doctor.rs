//! `doctor`: what this machine gives the sensor, topic by topic.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::probe::{Report, TopicReport};
use crate::telemetry::MissingProgram;

/// For people.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        out,
        "kernel      {} (supported: 6.1 and later, with BTF)",
        report.kernel_release
    );
    let _ = writeln!(out, "cgroup v2   {}", report.cgroup_mount);
    let _ = writeln!(out, "scope       {}", report.scope);
    let trampolines = match &report.trampolines {
        Ok(()) => "granted".to_owned(),
        Err(why) => format!("refused: {why}"),
    };
    let _ = writeln!(out, "trampolines {trampolines}\n");
    for topic in &report.topics {
        write_topic(&mut out, topic);
    }
    write_offsets(&mut out, report);
    let _ = writeln!(out, "\nNot seen on this kernel:");
    if report.blind_spots.is_empty() {
        let _ = writeln!(out, "  nothing that is known");
    }
    for spot in &report.blind_spots {
        let _ = writeln!(out, "  {spot}");
    }
    out
}

fn write_topic(out: &mut String, topic: &TopicReport) {
    let need = if topic.mandatory {
        "mandatory"
    } else {
        "optional"
    };
    let taken = topic.taken.unwrap_or("NONE: this topic is not watched");
    let state = topic.state().name();
    let _ = writeln!(out, "{:<15} {need:<10} {state:<8} {taken}", topic.name);
    for missing in &topic.missing {
        let MissingProgram {
            program,
            not_seen,
            why,
        } = missing;
        let _ = writeln!(out, "{:26} NOT SEEN {not_seen} ({program}: {why})", "");
    }
    for refusal in &topic.refused {
        let _ = writeln!(out, "{:26} refused {}: {}", "", refusal.hook, refusal.why);
    }
}

fn write_offsets(out: &mut String, report: &Report) {
    let total = report.offsets.offsets.len();
    let absent: Vec<_> = report.offsets.absent().collect();
    let _ = writeln!(
        out,
        "\nkernel fields   {} of {total} found in the kernel's BTF",
        total - absent.len()
    );
    for offset in absent {
        let symbol = offset.spec.symbol;
        let need = match report.offsets.stand_in(symbol) {
            Some(other) => format!("{other} stands in"),
            None => "optional".to_owned(),
        };
        if let Err(why) = &offset.found {
            let _ = writeln!(out, "  without {symbol} ({need}): {why}");
        }
    }
}

/// For programs.
pub(super) fn json(report: &Report) -> Value {
    json!({
        "kernel_release": report.kernel_release,
        "cgroup_mount": report.cgroup_mount,
        "scope": report.scope,
        "trampolines": match &report.trampolines {
            Ok(()) => json!({ "granted": true }),
            Err(why) => json!({ "granted": false, "why": why }),
        },
        "topics": report.topics.iter().map(topic).collect::<Vec<_>>(),
        "fields": report.offsets.offsets.iter().map(|offset| json!({
            "symbol": offset.spec.symbol,
            "required": offset.spec.required,
            "path": offset.found.as_ref().ok().map(|(_, path)| path),
            "offset": offset.found.as_ref().ok().map(|(offset, _)| offset),
            "why": offset.found.as_ref().err(),
            "stand_in": report.offsets.stand_in(offset.spec.symbol),
        })).collect::<Vec<_>>(),
        "not_seen": report.blind_spots,
    })
}

fn topic(topic: &TopicReport) -> Value {
    json!({
        "topic": topic.name,
        "mandatory": topic.mandatory,
        "state": topic.state(),
        "taken": topic.taken,
        "attached": topic.attached,
        "missing": topic.missing,
        "refused": topic.refused.iter().map(|refusal| json!({
            "hook": refusal.hook,
            "why": refusal.why,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_in_part_says_what_is_not_seen() {
        let report = TopicReport {
            hook: None,
            name: "open",
            mandatory: false,
            taken: Some("tracepoints"),
            attached: vec!["sys_exit_openat"],
            missing: vec![MissingProgram {
                program: "sys_exit_openat2".to_owned(),
                not_seen: "openat2 calls".to_owned(),
                why: "refused".to_owned(),
            }],
            refused: Vec::new(),
        };
        let mut text = String::new();
        write_topic(&mut text, &report);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "open            optional   partial  tracepoints",
                "NOT SEEN openat2 calls (sys_exit_openat2: refused)"
            ]
        );
        let json = topic(&report);
        assert_eq!(json["state"], "partial");
        assert_eq!(json["missing"][0]["not_seen"], "openat2 calls");
    }
}
