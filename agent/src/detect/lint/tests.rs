use std::time::{Duration, SystemTime};

use super::super::bundled;
use super::super::load::read_paths;
use super::super::testing::corpora;
use super::*;

/// As of some day of the year 2026.
fn options() -> LoadOptions {
    LoadOptions {
        now: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000)),
        ..LoadOptions::default()
    }
}

fn checked(text: &str) -> Loaded {
    let file = RuleFile {
        path: "test.yaml".to_owned(),
        text: text.to_owned(),
    };
    check(&[file], &options())
}

/// Lines, columns and words of the warnings about a file.
fn told(text: &str) -> Vec<String> {
    let loaded = checked(text);
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    let shown = |warning: &Warning| {
        assert!(!warning.reason.is_empty() && warning.file == "test.yaml");
        format!(
            "{}:{} {}",
            warning.line,
            warning.column,
            warning.kind.word()
        )
    };
    loaded.report.warnings.iter().map(shown).collect()
}

fn rule(name: &str, condition: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: WARNING\n"
    )
}

/// What is told of a rule with this condition, whose first column is 1.
fn of_condition(condition: &str) -> Vec<String> {
    let loaded = checked(&rule("r", condition));
    assert!(
        loaded.report.refused.is_empty(),
        "{}",
        loaded.report.to_text()
    );
    let begin = "  condition: ".len() as u32;
    let shown = |warning: &Warning| {
        assert_eq!(warning.line, 3, "{warning:?}");
        format!("{} {}", warning.column - begin, warning.kind.word())
    };
    loaded.report.warnings.iter().map(shown).collect()
}

#[test]
fn the_bundled_rules_get_no_warning() {
    let report = check(&bundled(), &options()).report;
    assert!(report.warnings.is_empty(), "{}", report.to_text());
}

/// Each of these is true: what it says of Falco's rules was looked at by hand.
#[test]
fn falcos_rules_get_the_warnings_that_are_true() {
    let files = read_paths(&[corpora("falco/falco_rules.yaml").unwrap()]).unwrap();
    let report = check(&files, &options()).report;
    let linted = report
        .warnings
        .iter()
        .filter(|warning| warning.kind != WarningKind::Meaning);
    let linted: Vec<_> = linted
        .map(|warning| {
            let rule = warning.rule.as_deref().unwrap_or("-");
            format!("{} {rule}", warning.kind.word())
        })
        .collect();
    let allowed = [
        // The processes that it leaves out were left out before by their parents.
        "always_false Read sensitive file untrusted",
        // Fields of the output that the sensor does not fill.
        "unfilled_field Drop and execute new binary in container",
        "unfilled_field Fileless execution via memfd_create",
    ];
    for warning in &linted {
        assert!(allowed.contains(&warning.as_str()), "{}", report.to_text());
    }
}

#[test]
fn rules_that_say_the_same_are_told_however_they_are_written() {
    let a = rule("a", "evt.type = execve and proc.name in (sh, bash)");
    let b = rule(
        "b",
        "(proc.name = bash or proc.name = sh) and evt.type in (execve)",
    );
    let loaded = checked(&format!("{a}{b}"));
    let warning = &loaded.report.warnings[0];
    assert_eq!(
        warning.kind,
        WarningKind::ShadowedRule,
        "{}",
        loaded.report.to_text()
    );
    let twice = rule(
        "c",
        "evt.type = execve and not (not proc.name in (sh, bash))",
    );
    let told = told(&format!("{a}{twice}"));
    assert_eq!(told, ["6:9 duplicate_rule"]);
}

#[test]
fn a_rule_that_another_one_implies_is_told() {
    for (narrow, wide) in [
        ("fd.name = /etc/shadow", "fd.name startswith /etc/"),
        ("fd.name startswith /etc/ssh/", "fd.name pmatch (/etc)"),
        ("fd.name pmatch (/etc/ssh)", "fd.name startswith /etc/"),
        ("fd.name endswith .ssh/id_rsa", "fd.name contains id_rsa"),
        ("fd.name contains id_rsa", "fd.name icontains ID_"),
        ("fd.num > 5", "fd.num >= 3"),
        ("fd.num in (3, 4)", "fd.num < 10 and fd.num != 9"),
        ("proc.aname[2] = sshd", "proc.aname[2] exists"),
        (
            "proc.name = sh and fd.name = /x",
            "fd.name = /x and not proc.name = bash",
        ),
        (
            "(fd.name = /a and fd.num = 3) or fd.name = /b",
            "fd.name in (/a, /b, /c)",
        ),
    ] {
        let (narrow, wide) = (
            format!("evt.type = openat and ({narrow})"),
            format!("evt.type in (open, openat) and {wide}"),
        );
        let text = format!("{}{}", rule("narrow", &narrow), rule("wide", &wide));
        assert_eq!(told(&text), ["1:9 shadowed_rule"], "{narrow} / {wide}");
    }
}

#[test]
fn a_rule_is_not_shadowed_by_what_does_not_hold_with_it() {
    for (one, other) in [
        ("fd.name = /etc/shadow", "fd.name startswith /usr/"),
        ("fd.name startswith /etc", "fd.name pmatch (/etc)"),
        ("fd.name icontains id", "fd.name contains id"),
        // One ancestor may be the one, another one not.
        ("proc.aname = sh", "not proc.aname = bash"),
        // Only one is needed here, all there.
        ("fd.num = 3 or fd.num = 4", "fd.num = 3"),
        ("proc.name = sh", "proc.name = sh and not user_known"),
    ] {
        let text = format!(
            "- list: known\n  items: []\n- macro: user_known\n  condition: (proc.name in (known))\n{}{}",
            rule("one", &format!("evt.type = openat and ({one})")),
            rule("other", &format!("evt.type = openat and {other}"))
        );
        let told: Vec<_> = told(&text);
        assert!(
            !told
                .iter()
                .any(|warning| warning.starts_with("5:9 shadowed")),
            "{one} / {other}: {told:?}"
        );
    }
    // One that is more urgent says something that the other one does not.
    let urgent = rule("a", "evt.type = openat and fd.name = /x").replace("WARNING", "CRITICAL");
    let wide = rule("b", "evt.type = openat and fd.name startswith /");
    assert!(told(&format!("{urgent}{wide}")).is_empty());
    let off = rule("a", "evt.type = openat and fd.name = /x") + "  enabled: false\n";
    assert!(told(&format!("{off}{wide}")).is_empty());
}

#[test]
fn terms_that_make_no_difference_are_told_where_they_stand() {
    for (condition, expected) in [
        (
            "evt.type = execve and proc.name = sh and proc.name in (sh, bash)",
            "42 always_true",
        ),
        (
            "evt.type = execve and proc.name = sh and proc.name = bash",
            "42 always_false",
        ),
        (
            "evt.type = execve and proc.name = sh and not proc.name = sh",
            "46 always_true",
        ),
        (
            "evt.type = execve and proc.name = sh and not proc.name = bash",
            "46 always_false",
        ),
        (
            "evt.type = execve and proc.name = sh and (proc.pname = a or proc.name = b)",
            "61 always_false",
        ),
        (
            "evt.type = execve and proc.name = sh and not fd.name = /x",
            "46 unfilled_field",
        ),
    ] {
        assert_eq!(of_condition(condition), [expected], "{condition}");
    }
    let told = of_condition("evt.type = execve and proc.name = sh and fd.name != /x");
    assert_eq!(told, ["1 never_holds", "42 unfilled_field"]);
}

#[test]
fn what_is_good_style_or_open_is_not_told() {
    for condition in [
        "evt.type = openat and fd.name = /x and evt.type in (open, openat)",
        "evt.type = execve and proc.pname exists and not proc.pname in (a)",
        "evt.type = openat and evt.is_open_write = true and fd.typechar = f and fd.num >= 0",
        "evt.type = execve and (proc.name = sh or proc.name in (sh, bash))",
        "evt.type in (execve, openat) and (proc.name = sh or fd.name = /x)",
        "evt.type = execve and proc.aname = a and proc.aname = b",
        "evt.type = connect and fd.ip = 10.0.0.1 and fd.ip = 10.0.0.2",
        "evt.type = dns and dns.answers = 10.0.0.1 and dns.answers = 10.0.0.2",
    ] {
        assert!(
            of_condition(condition).is_empty(),
            "{condition}: {:?}",
            of_condition(condition)
        );
    }
    let placeholders = "- macro: never\n  condition: (evt.num = 0)\n\
                        - macro: one\n  condition: (never)\n\
                        - macro: two\n  condition: (never)\n"
        .to_owned()
        + &rule(
            "r",
            "evt.type = execve and proc.name = x and not one and not two",
        );
    assert!(told(&placeholders).is_empty(), "{:?}", told(&placeholders));
}

#[test]
fn a_macro_is_judged_by_itself_and_its_call_as_a_whole() {
    let text = "- macro: twice\n  condition: (proc.name = a and proc.name = b)\n\
                - macro: shells\n  condition: (proc.name in (sh, bash))\n"
        .to_owned()
        + &rule("r", "evt.type = execve and (twice or proc.pname = x)")
        + &rule("q", "evt.type = execve and proc.name = sh and shells");
    assert_eq!(
        told(&text),
        [
            "2:33 always_false",
            "7:37 always_false",
            "12:55 always_true"
        ]
    );
}

#[test]
fn names_that_the_kernel_cuts_are_told_at_the_list_item() {
    let text = "- list: tools\n  items:\n    - sh\n    - systemd-networkd-wait\n".to_owned()
        + &rule("r", "evt.type = execve and proc.name in (tools)")
        + &rule("q", "evt.type = execve and proc.pname in (tools, x)")
        + &rule(
            "s",
            "evt.type = execve and proc.aname[2] startswith sixteen-letters-",
        )
        + &rule(
            "t",
            "evt.type = execve and proc.name glob sixteen-letters-*",
        )
        + &rule(
            "u",
            "evt.type = execve and proc.exepath = /usr/bin/sixteen-letters-",
        );
    assert_eq!(told(&text), ["4:7 long_name", "17:61 long_name"]);
    let hint = checked(&text).report.warnings[0].hint.clone().unwrap();
    assert!(
        hint.contains("'systemd-network'") && hint.contains("proc.exepath"),
        "{hint}"
    );
}

#[test]
fn exceptions_that_hide_all_or_nothing_are_told() {
    let exceptions = |values: &str| {
        rule("r", "evt.type = openat and fd.name startswith /etc/ssh/")
            + "  exceptions:\n    - name: x\n      fields: [fd.name, proc.name]\n      \
               comps: [startswith, startswith]\n      values:\n"
            + values
    };
    assert!(told(&exceptions("        - [/etc/ssh/x, sshd]\n")).is_empty());
    assert!(told(&exceptions("        - [/etc/, sshd]\n")).is_empty());
    let none = exceptions("        - [/usr/, sshd]\n");
    assert_eq!(told(&none), ["7:7 useless_exception"]);
    let some = exceptions("        - [/usr/, sshd]\n        - [/etc/ssh/x, sshd]\n");
    assert_eq!(told(&some), ["7:7 useless_exception"]);
    let all = rule("r", "evt.type = openat and fd.name startswith /etc/ssh/")
        + "  exceptions:\n    - name: x\n      fields: fd.name\n      comps: pmatch\n      \
           values: [/etc, /usr]\n";
    assert_eq!(told(&all), ["7:7 hiding_exception"]);
}

#[test]
fn an_exception_that_has_ended_is_told() {
    let text = |expires: &str| {
        rule("r", "evt.type = openat and fd.name = /x")
            + "  exceptions:\n    - name: x\n      owner: me\n      reason: because\n      expires: "
            + expires
            + "\n      fields: [proc.name]\n      values: [[a]]\n"
    };
    assert!(told(&text("2030-01-01")).is_empty());
    assert_eq!(told(&text("2020-01-01")), ["10:16 expired_exception"]);
}

#[test]
fn macros_and_lists_that_no_rule_reaches_are_told() {
    let text = "- list: inner\n  items: [a]\n\
                - list: outer\n  items: [inner]\n\
                - list: spare\n  items: [b]\n\
                - list: to_be_filled\n  items: []\n\
                - macro: used\n  condition: (proc.name in (outer))\n\
                - macro: unused\n  condition: (proc.pname in (spare))\n\
                - macro: user_knwon\n  condition: (proc.name = x)\n\
                - macro: never\n  condition: (evt.num = 0)\n\
                - macro: user_known\n  condition: (evt.num = 0)\n"
        .to_owned()
        + &rule("r", "evt.type = execve and used and not user_known");
    assert_eq!(
        told(&text),
        [
            "5:9 unused_list",
            "11:10 unused_macro",
            "13:10 unused_macro"
        ]
    );
    let hint = checked(&text).report.warnings[2].hint.clone().unwrap();
    assert!(hint.contains("'user_known'"), "{hint}");
}

#[test]
fn substrings_of_everything_are_told() {
    for (condition, broad) in [
        ("proc.cmdline contains a", true),
        ("proc.cmdline contains sh", true),
        ("proc.args icontains usr/", true),
        ("proc.exepath contains /bin/", true),
        ("fd.name contains \"\"", true),
        ("not proc.cmdline contains /usr/bin", true),
        ("proc.cmdline contains \" -e\"", false),
        ("proc.args contains -U", false),
        ("proc.cmdline contains xmrig", false),
        ("container.name contains db", false),
    ] {
        let told = of_condition(&format!("evt.type in (openat, execve) and {condition}"));
        let is_told = told
            .iter()
            .any(|warning| warning.ends_with("broad_contains"));
        assert_eq!(is_told, broad, "{condition}: {told:?}");
    }
}

#[test]
fn fields_that_are_never_printed_are_told() {
    let text = rule("r", "evt.type = execve and proc.name = x").replace(
        "output: o",
        "output: o %proc.name %proc.nthreads %container.info",
    );
    assert_eq!(told(&text), ["4:25 unfilled_field"]);
}

#[test]
fn every_warning_says_what_to_write_instead() {
    let text = rule(
        "r",
        "evt.type = execve and proc.name = sixteen-letters- and proc.name = b",
    );
    let warnings = checked(&text).report.warnings;
    assert!(warnings.len() >= 2);
    assert!(
        warnings.iter().all(|warning| warning.hint.is_some()),
        "{warnings:?}"
    );
}

#[test]
fn the_report_has_the_shape_that_programs_read() {
    let text = rule("r", "evt.type = execve and proc.name = sixteen-letters-")
        + &rule("q", "evt.type = execve and proc.nam = x");
    let report = serde_json::to_value(checked(&text).report).unwrap();
    assert_eq!(report["loaded"], 1);
    let refused = &report["refused"][0];
    assert_eq!(refused["rule"], "q");
    assert_eq!(refused["hint"], "did you mean 'proc.name'?");
    let warning = &report["warnings"][0];
    assert_eq!(warning["kind"], "long_name");
    for key in ["rule", "file", "line", "column", "reason", "hint"] {
        assert!(
            refused.get(key).is_some() && warning.get(key).is_some(),
            "{key}"
        );
    }
}
