//! Fields of processes: groups, sessions and the environment.

use std::sync::Arc;

use super::super::testing::{event, exec, loaded, open, process, verdict, with_condition};
use super::super::*;
use crate::model::{Environment, Event, Groups, Payload, Process, Syscall};

/// A process in those groups: group and session on the node, and the same inside the container.
fn grouped(
    pid: u32,
    name: &str,
    [group, session, own_group, own_session]: [u32; 4],
    parent: Option<Arc<Process>>,
) -> Process {
    Process {
        groups: Some(Groups {
            group,
            session,
            own_group,
            own_session,
        }),
        ..process(pid, name, &[], parent)
    }
}

/// `id` by a script in a login shell, in a pid namespace whose numbers are 100 less.
fn by_a_script() -> Event<'static> {
    let runtime = grouped(90, "runc", [90, 90, 0, 0], None);
    let shell = grouped(101, "bash", [101, 101, 1, 1], Some(Arc::new(runtime)));
    let script = grouped(110, "job.sh", [110, 101, 10, 1], Some(Arc::new(shell)));
    exec(grouped(
        111,
        "id",
        [110, 101, 10, 1],
        Some(Arc::new(script)),
    ))
}

#[test]
fn groups_and_sessions_are_told_with_their_leaders() {
    let event = by_a_script();
    for (condition, expected) in [
        ("proc.pid = 111 and proc.vpid = 11", "true"),
        (
            "proc.pgid = 110 and proc.vpgid = 10 and proc.sid = 1",
            "true",
        ),
        ("proc.is_pgid_leader = true", "false"),
        ("proc.is_vpgid_leader = true", "false"),
        ("proc.is_sid_leader = true", "false"),
        ("proc.sname = bash and proc.sid.exe = bash", "true"),
        ("proc.sid.exepath = /usr/bin/bash", "true"),
        (
            "proc.pgid.name = job.sh and proc.vpgid.name = job.sh",
            "true",
        ),
        ("proc.pgid.exe = job.sh and proc.vpgid.exe = job.sh", "true"),
        ("proc.pgid.exepath = /usr/bin/job.sh", "true"),
        ("proc.vpgid.exepath = /usr/bin/job.sh", "true"),
        // The script's name ends in sh too: the eldest counts.
        ("proc.loginshellid = 101", "true"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn who_leads_is_told() {
    let shell = exec(grouped(101, "bash", [101, 101, 1, 1], None));
    // The shell of the node entered: its numbers are of the namespace outside.
    let entered = exec(grouped(102, "id", [90, 90, 0, 0], None));
    for (condition, of_shell, of_entered) in [
        ("proc.is_pgid_leader = true", "true", "false"),
        ("proc.is_vpgid_leader = true", "true", "false"),
        ("proc.is_sid_leader = true", "true", "false"),
        ("proc.vpgid = 0 and proc.sid = 0", "false", "true"),
        ("proc.sname = bash", "true", "false"),
        ("proc.sname = id", "false", "true"),
        ("proc.loginshellid exists", "true", "false"),
    ] {
        assert_eq!(verdict(condition, &shell), of_shell, "{condition}");
        assert_eq!(verdict(condition, &entered), of_entered, "{condition}");
    }
}

#[test]
fn groups_that_could_not_be_read_are_missing() {
    let event = exec(process(10, "sh", &[], None));
    for field in [
        "proc.sid",
        "proc.sname",
        "proc.sid.exe",
        "proc.pgid",
        "proc.pgid.name",
        "proc.vpgid",
        "proc.vpgid.exepath",
        "proc.is_sid_leader",
        "proc.is_pgid_leader",
        "proc.is_vpgid_leader",
        "proc.env",
        "proc.env.truncated",
        "proc.env[PATH]",
        "proc.aenv",
        "proc.aenv[1]",
        "proc.aenv[PATH]",
    ] {
        assert_eq!(
            verdict(&format!("{field} exists"), &event),
            "false",
            "{field}"
        );
    }
}

fn with_environment(mut process: Process, variables: &[u8], truncated: bool) -> Process {
    let image = Arc::get_mut(&mut process.image).expect("nobody else has it");
    image.environment = Some(Environment::new(variables, truncated));
    process
}

fn curl() -> Event<'static> {
    let eldest = with_environment(process(2, "init", &[], None), b"SECRET=old\0USER=a\0", true);
    let parent = process(3, "sh", &[], Some(Arc::new(eldest)));
    let child = process(4, "curl", &[], Some(Arc::new(parent)));
    exec(with_environment(
        child,
        b"PATH=/bin\0http_proxy=http://p:1\0SECRET=hunter2 x\0",
        false,
    ))
}

#[test]
fn the_environment_is_told() {
    let event = curl();
    for (condition, expected) in [
        ("proc.env icontains HTTP_PROXY", "true"),
        ("proc.env contains HTTP_PROXY", "false"),
        ("proc.env startswith \"PATH=/bin\"", "true"),
        ("proc.env[SECRET] = \"hunter2 x\"", "true"),
        ("proc.env[secret] exists", "false"),
        ("proc.env[x] exists", "false"),
        ("proc.env[0] exists", "false"),
        ("len(proc.env[PATH]) = 4", "true"),
        ("proc.env.truncated = true", "false"),
        ("proc.aenv contains \"USER=a\"", "true"),
        ("proc.aenv contains hunter2", "false"),
        ("proc.aenv[1] exists", "false"),
        ("proc.aenv[2] = \"SECRET=old USER=a\"", "true"),
        ("proc.aenv[SECRET] = old", "true"),
        ("proc.aenv[PATH] exists", "false"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn an_alert_shows_the_environment_only_where_its_output_names_it() {
    let rule = |output: &str| {
        format!(
            "- rule: r\n  desc: d\n  condition: proc.env contains PATH and tolower(proc.env[SECRET]) != x \
             and proc.name = curl\n  output: {output}\n  priority: INFO\n"
        )
    };
    let Loaded { set, report } = loaded(&rule("o %proc.name"));
    assert_eq!(report.refused, []);
    let finding = set.finding(RuleIndex(0), &curl());
    let shown = format!("{finding:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let values: Vec<_> = finding
        .evidence
        .iter()
        .map(|term| (&*term.field, term.value.as_deref()))
        .collect();
    assert_eq!(
        values,
        [
            ("proc.env", Some("<not shown>")),
            ("tolower(proc.env[SECRET])", Some("<not shown>")),
            ("proc.name", Some("curl")),
        ]
    );
    let set = loaded(&rule("o %proc.env[SECRET]")).set;
    let finding = set.finding(RuleIndex(0), &curl());
    assert_eq!(finding.output, "o hunter2 x");
}

#[test]
fn the_environment_is_captured_for_rules_that_ask_for_it() {
    let rule = |keys: &str| {
        let text = format!("- rule: r\n  desc: d\n  priority: INFO\n{keys}");
        let Loaded { set, report } = loaded(&text);
        assert_eq!(report.refused, [], "{text}");
        set.reads_environment()
    };
    for (keys, expected) in [
        ("  condition: proc.name = x\n  output: o\n", false),
        ("  condition: proc.env contains x\n  output: o\n", true),
        (
            "  condition: proc.name = x\n  output: o %proc.aenv[1]\n",
            true,
        ),
        (
            "  condition: proc.name = val(proc.env[X])\n  output: o\n",
            true,
        ),
        (
            "  condition: getopt(proc.args, proc.env[X]) exists\n  output: o\n",
            true,
        ),
        (
            "  condition: proc.name = x\n  output: o\n  correlation: {type: event_count, \
             group-by: ['proc.env[X]'], timespan: 1m, condition: {gte: 2}}\n",
            true,
        ),
        (
            "  condition: len(proc.env) > 1\n  output: o\n  enabled: false\n",
            false,
        ),
    ] {
        assert_eq!(rule(keys), expected, "{keys}");
    }
    assert!(
        !load(&bundled(), &LoadOptions::default())
            .set
            .reads_environment()
    );
}

#[test]
fn the_environment_is_captured_for_sigma_too_and_correlations_do_not_show_it() {
    let sigma = |search: &str| {
        format!(
            "title: One\nname: one\nlogsource: {{product: linux, category: process_creation}}\n\
             detection:\n  s:\n    {search}\n  condition: s\n"
        )
    };
    for (search, expected) in [
        ("Image|endswith: curl", false),
        ("proc.env|contains: SECRET", true),
        ("Image|fieldref|endswith: proc.env", true),
    ] {
        let Loaded { set, report } = loaded(&sigma(search));
        assert_eq!(report.refused, [], "{search}");
        assert_eq!(set.reads_environment(), expected, "{search}");
    }
    let set = loaded(&format!(
        "{}---\ntitle: Two\ncorrelation: {{type: event_count, rules: [one], timespan: 1m, \
         group-by: [proc.env, User], condition: {{gte: 1}}}}\n",
        sigma("Image|endswith: curl")
    ))
    .set;
    assert!(set.reads_environment());
    let found = Correlator::default().observe(&set, RuleIndex(0), &curl(), 0);
    let evidence = found[0].finding.evidence.iter();
    let groups: Vec<_> = evidence
        .filter(|term| term.operator == "group-by")
        .map(|term| term.value.as_deref())
        .collect();
    assert_eq!(groups, [Some("<not shown>"), Some("root")]);
}

#[test]
fn an_open_that_makes_a_program_is_told() {
    let made = |executable| {
        let mut event = open(process(10, "cp", &[], None), "/tmp/x", 0o101);
        if let Payload::Open(open) = &mut event.payload {
            open.created = true;
            open.executable = executable;
        }
        event
    };
    assert_eq!(verdict("evt.is_open_exec = true", &made(true)), "true");
    assert_eq!(verdict("evt.is_open_exec = false", &made(false)), "true");
    let other = event(process(10, "cp", &[], None), Syscall::Clone, Payload::Fork);
    assert_eq!(verdict("evt.is_open_exec = false", &other), "true");
    let listed = with_condition("evt.is_open_exec = true").report;
    assert_eq!(listed.refused, []);
}
