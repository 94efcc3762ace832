//! `doctor`: what this machine gives the sensor, topic by topic.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::probe::{Report, TopicReport};

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
    let _ = writeln!(out, "{:<15} {need:<10} {taken}", topic.name);
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
        if let Err(why) = &offset.found {
            let _ = writeln!(out, "  without {} (optional): {why}", offset.spec.symbol);
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
        })).collect::<Vec<_>>(),
        "not_seen": report.blind_spots,
    })
}

fn topic(topic: &TopicReport) -> Value {
    json!({
        "topic": topic.name,
        "mandatory": topic.mandatory,
        "taken": topic.taken,
        "refused": topic.refused.iter().map(|refusal| json!({
            "hook": refusal.hook,
            "why": refusal.why,
        })).collect::<Vec<_>>(),
    })
}
