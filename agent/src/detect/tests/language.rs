//! Parts of Falco's language, each from its text to what it does.

use super::super::testing::{exec, loaded, process, verdict, with_condition};
use super::super::*;
use std::sync::Arc;

#[test]
fn getopt_reads_the_options() {
    let event = exec(process(
        4,
        "nc",
        &["-lv", "-e", "/bin/sh", "-p4444", "host", "-x"],
        None,
    ));
    for (condition, expected) in [
        ("getopt(proc.args, \"lve:p:\")[e] = /bin/sh", "true"),
        ("getopt(proc.args, \"lve:p:\")[p] = 4444", "true"),
        ("getopt(proc.args, \"lve:p:\")[l] = l", "true"),
        ("getopt(proc.args, \"lve:p:x\")[x] exists", "false"),
        ("not getopt(proc.args, \"lve:p:x\")[x] != y", "true"),
        ("basename(getopt(proc.args, \"lve:p:\")[e]) = sh", "true"),
        ("getopt(proc.args, \"lve:p:\") intersects (e, c)", "true"),
        ("getopt(proc.args, \"lve:p:\") intersects (x)", "false"),
        (
            "getopt(proc.args, \"lve:p:\") in (l, v, e, p, /bin/sh, 4444)",
            "true",
        ),
        ("getopt(proc.args, \"lve:p:\") in (l, v)", "false"),
        ("e in getopt(proc.args, \"lve:p:\")", "syntax"),
        ("proc.args[2] in getopt(proc.args, \"lve:p:\")", "true"),
        (
            "join(\" \", getopt(proc.args, \"lve:p:\")) = \"l v e /bin/sh p 4444\"",
            "true",
        ),
        (
            "getopt((proc.args[1], proc.args[2]), \"e:\")[e] = /bin/sh",
            "true",
        ),
    ] {
        if expected == "syntax" {
            assert_eq!(with_condition(condition).report.loaded, 0, "{condition}");
        } else {
            assert_eq!(verdict(condition, &event), expected, "{condition}");
        }
    }
    let output = loaded(
        "- rule: r\n  desc: d\n  condition: evt.type = execve\n  priority: INFO\n  \
         output: \"%getopt(proc.args, 'lve:p:')[e] %getopt(proc.args, 'lve:p:')\"\n",
    );
    let finding = output.set.finding(RuleIndex(0), &event);
    assert_eq!(finding.output, "/bin/sh l,v,e,/bin/sh,p,4444");
}

#[test]
fn getopt_says_what_it_takes() {
    for (condition, reason) in [
        ("getopt(proc.args) exists", "takes the arguments"),
        ("getopt(proc.args, \"a\")[ab] = x", "hold one letter"),
        ("getopt(proc.args, proc.pid) exists", "takes texts"),
        ("getopt(proc.aname, \"a\") exists", "takes texts"),
        ("getopt(proc.args, \"a\") = a", "is a list"),
        ("getopt(proc.args, \"a\") startswith a", "is a list"),
        ("getopt(proc.args, \"a\") pmatch (a)", "is a list"),
        ("len(getopt(proc.args, \"a\")) = 1", "several values"),
        ("proc.name = getopt(proc.args, \"a\")", "cannot be compared"),
    ] {
        let report = with_condition(condition).report;
        let reasons: Vec<_> = report.refused.iter().map(|it| &*it.reason).collect();
        assert!(
            reasons.iter().any(|found| found.contains(reason)),
            "{condition}: {reasons:?}"
        );
    }
}

#[test]
fn every_text_operator_takes_a_field() {
    let parent = Arc::new(process(3, "s.*", &["6e63"], None));
    let event = exec(process(4, "sync", &["s.*", "nc"], Some(parent)));
    for (condition, expected) in [
        ("proc.name regex val(proc.pname)", "true"),
        ("proc.pname regex val(proc.name)", "false"),
        ("proc.name regex val(fd.name)", "false"),
        ("proc.name bcontains val(proc.args[1])", "true"),
        ("proc.name bcontains val(proc.pname)", "false"),
        ("proc.name bstartswith val(proc.args[1])", "false"),
        ("proc.cmdline bstartswith val(proc.name)", "true"),
        ("proc.name glob val(proc.pname)", "false"),
        ("proc.args[0] = val(proc.pname)", "true"),
    ] {
        assert_eq!(verdict(condition, &event), expected, "{condition}");
    }
}

#[test]
fn a_field_that_is_written_as_a_text_is_remarked_upon() {
    for (condition, expected) in [
        ("proc.name = proc.pname", true),
        ("proc.name = \"proc.pname \"", true),
        ("proc.name = val(proc.pname)", false),
        ("proc.name = proc.pnam", false),
        ("proc.name = NA", false),
    ] {
        let report = with_condition(condition).report;
        assert_eq!(report.refused, [], "{condition}");
        let remarked = report
            .warnings
            .iter()
            .any(|warning| warning.reason.contains("val(proc.pname)"));
        assert_eq!(remarked, expected, "{condition}: {}", report.to_text());
    }
}

#[test]
fn an_event_at_the_begin_of_a_call_is_remarked_upon() {
    for (condition, expected) in [
        ("evt.type = setuid and evt.dir=>", true),
        ("evt.type = setuid and evt.dir != <", true),
        ("evt.type = setuid and evt.dir=<", false),
        ("evt.type = setuid and evt.dir != >", false),
    ] {
        let report = with_condition(condition).report;
        assert_eq!(report.refused, [], "{condition}");
        let warned = |text: &str| report.warnings.iter().any(|it| it.reason.contains(text));
        assert_eq!(warned("always '<'"), expected, "{condition}");
        assert_eq!(warned("never holds"), expected, "{condition}");
    }
    let event = exec(process(4, "sh", &[], None));
    assert_eq!(verdict("evt.dir != >", &event), "true");
    assert_eq!(verdict("evt.dir = >", &event), "false");
}

/// Whether a rule with that exception fires on `sh -c id`, a child of `SH`.
fn fires_except(exception: &str) -> bool {
    let Loaded { set, report } = loaded(&format!(
        "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n  \
         exceptions:\n    - {exception}\n"
    ));
    assert_eq!(report.refused, [], "{exception}");
    let parent = Arc::new(process(3, "SH", &[], None));
    let event = exec(process(4, "sh", &["-c", "id"], Some(parent)));
    let mut outcome = Outcome::default();
    set.evaluate(&event, &mut outcome);
    !outcome.matched.is_empty()
}

#[test]
fn exceptions_compare_with_every_operator() {
    for (field, comparison, holds, fails) in [
        ("proc.name", "=", "sh", "bash"),
        ("proc.name", "==", "sh", "bash"),
        ("proc.name", "'!='", "bash", "sh"),
        ("proc.pid", "<", "5", "4"),
        ("proc.pid", "<=", "4", "3"),
        ("proc.pid", "'>'", "3", "4"),
        ("proc.pid", "'>='", "4", "5"),
        ("proc.cmdline", "contains", "-c", "-d"),
        ("proc.cmdline", "icontains", "-C ID", "-d"),
        ("proc.cmdline", "bcontains", "6964", "6965"),
        ("proc.cmdline", "startswith", "sh -c", "sh -d"),
        ("proc.cmdline", "bstartswith", "7368", "6873"),
        ("proc.cmdline", "endswith", "c id", "d id"),
        ("proc.cmdline", "glob", "'sh * id'", "'sh *x'"),
        ("proc.cmdline", "iglob", "'SH * ID'", "'SH *X'"),
        ("proc.cmdline", "regex", "'sh -[a-z] id'", "'sh -[A-Z] id'"),
        ("proc.name", "in", "[sh, x]", "[bash, x]"),
        ("proc.name", "intersects", "[sh, x]", "[bash, x]"),
        ("proc.exepath", "pmatch", "[/usr/bin]", "[/bin]"),
        ("proc.name", "startswith anyof", "'(s, x)'", "'(b, x)'"),
        ("tolower(proc.pname)", "=", "sh", "SH"),
        (
            "proc.pname",
            "=",
            "toupper(proc.name)",
            "tolower(proc.name)",
        ),
        (
            "proc.exepath",
            "endswith",
            "val(proc.name)",
            "val(proc.pname)",
        ),
    ] {
        for (value, expected) in [(holds, false), (fails, true)] {
            let exception = format!(
                "{{name: n, fields: ['{field}', proc.name], comps: [{comparison}, =], \
                 values: [[{value}, sh]]}}"
            );
            assert_eq!(fires_except(&exception), expected, "{exception}");
        }
    }
    // What is no transformer is a text.
    let text = "{name: n, fields: [proc.pname], values: [['toupper( proc.name)']]}";
    assert!(fires_except(text));
}

/// What a load of that text warns of.
fn warnings(text: &str) -> Vec<String> {
    let report = loaded(text).report;
    assert_eq!(report.refused, [], "{text}");
    let reasons = report.warnings.into_iter().map(|warning| warning.reason);
    reasons.collect()
}

fn rule(keys: &str) -> String {
    format!(
        "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n{keys}"
    )
}

#[test]
fn what_means_nothing_is_warned_of() {
    let exception = |keys: &str| {
        rule(&format!(
            "  exceptions:\n    - name: n\n      fields: [proc.name]\n      values: [[x]]\n{keys}"
        ))
    };
    for (text, expected) in [
        (
            rule("  ouptut: x\n"),
            "'ouptut' means nothing in a rule; did you mean 'output'?",
        ),
        (
            "- list: l\n  items: [a]\n  overridde: {items: append}\n".to_owned(),
            "'overridde' means nothing in a list; did you mean 'override'?",
        ),
        (
            "- macro: m\n  condition: proc.name = x\n  enabled: true\n".to_owned(),
            "'enabled' means nothing in a macro",
        ),
        (
            exception("      value: x\n"),
            "'value' means nothing in an exception; did you mean 'values'?",
        ),
        (
            "- macro: my-macro\n  condition: proc.name = x\n".to_owned(),
            "no condition can name the macro 'my-macro'",
        ),
        (
            "- list: my list\n  items: [x]\n".to_owned(),
            "no condition can name the list 'my list'",
        ),
        (
            rule("- rule: r\n  condition: and proc.name = x\n  append: true\n"),
            "'append' is the old way",
        ),
        (
            rule("- rule: r\n  condition: and proc.name = x\n  append: true\n  enabled: false\n"),
            "leaves 'enabled' as it was",
        ),
        (
            exception("- rule: r\n  exceptions: [{name: n}]\n  override: {exceptions: append}\n"),
            "exception 'n' adds no values",
        ),
        (
            exception("    - {name: n, fields: [proc.name], comps: [endswith], values: [[y]]}\n"),
            "exception 'n' stands twice",
        ),
        (
            rule("  capture: true\n  capture_duration: 5000\n"),
            "which is not made",
        ),
    ] {
        let found = warnings(&text);
        assert!(
            found.iter().any(|reason| reason.contains(expected)),
            "{text}: {found:?}"
        );
    }
    for keys in [
        "",
        "  capture: false\n",
        "  warn_evttypes: false\n  tags: []\n",
    ] {
        assert_eq!(warnings(&rule(keys)), Vec::<String>::new(), "{keys}");
    }
}

#[test]
fn what_replaces_nothing_is_a_definition() {
    let text = "- list: l\n  items: [sh]\n  override: {items: replace}\n\
                - macro: m\n  condition: proc.name in (l)\n  override: {condition: replace}\n\
                - rule: r\n  desc: d\n  condition: evt.type = execve and m\n  output: o\n  priority: INFO\n";
    let Loaded { set, report } = loaded(text);
    assert_eq!(report.refused, []);
    let event = exec(process(4, "sh", &[], None));
    assert_eq!(set.decide(RuleIndex(0), &event), Truth::True);
}

#[test]
fn what_cannot_be_changed_so_is_refused() {
    for (change, reason) in [
        (
            "- rule: r\n  condition: and proc.name = x\n  append: true\n  override: {condition: append}\n",
            "'append' and 'override' in one item",
        ),
        (
            "- rule: r\n  desc: x\n  override: {capture: replace, desc: replace}\n",
            "'capture' is to be changed, and the item has no 'capture'",
        ),
        (
            "- rule: r\n  capture_duration: long\n  override: {capture_duration: replace}\n",
            "'capture_duration' must be a number of milliseconds",
        ),
        (
            "- rule: other\n  desc: x\n  override: {desc: replace}\n",
            "there is no rule 'other' before this",
        ),
        (
            "- macro: other\n  condition: or proc.name = x\n  override: {condition: append}\n",
            "there is no macro 'other' before this",
        ),
        (
            "- list: other\n  items: [x]\n  append: true\n",
            "there is no list 'other' before this",
        ),
    ] {
        let report = loaded(&format!("{}{change}", rule(""))).report;
        let reasons: Vec<_> = report.refused.iter().map(|it| &*it.reason).collect();
        assert!(
            reasons.iter().any(|found| found.contains(reason)),
            "{change}: {reasons:?}"
        );
        assert_eq!(report.loaded, 1, "{change}");
    }
}

#[test]
fn requirements_say_what_is_not_there() {
    for (text, expected) in [
        ("- required_engine_version: 26\n", None),
        ("- required_engine_version: 0.63.0\n", None),
        ("- required_engine_version: 0.26.0-rc1\n", None),
        (
            "- required_engine_version: 64\n",
            Some("asks for engine 64"),
        ),
        (
            "- required_engine_version: 0.64.0\n",
            Some("asks for engine 0.64.0"),
        ),
        (
            "- required_engine_version: 1.0.0\n",
            Some("asks for engine 1.0.0"),
        ),
        (
            "- required_plugin_versions: [{name: container, version: 0.4.0}]\n",
            None,
        ),
        (
            "- required_plugin_versions: [{name: k8saudit, version: 0.7.0}]\n",
            Some("not supported: k8saudit;"),
        ),
        (
            "- required_plugin_versions:\n  - name: k8saudit\n    version: 0.7.0\n    \
             alternatives: [{name: k8saudit-eks, version: 0.4.0}]\n",
            Some("not supported: k8saudit or k8saudit-eks;"),
        ),
        (
            "- required_plugin_versions:\n  - name: containers\n    version: 0.7.0\n    \
             alternatives: [{name: container, version: 0.4.0}]\n",
            None,
        ),
    ] {
        let found = warnings(text);
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{text}"),
            Some(expected) => assert!(found[0].contains(expected), "{text}: {found:?}"),
        }
    }
    for (text, reason) in [
        ("- required_engine_version: seven\n", "a version such as"),
        ("- required_engine_version: 0.1.2.3\n", "a version such as"),
        (
            "- required_plugin_versions: [{name: container}]\n",
            "without its 'version'",
        ),
        (
            "- required_plugin_versions: [{version: 0.1.0}]\n",
            "without its 'name'",
        ),
        (
            "- required_plugin_versions: [{name: container, version: new}]\n",
            "'version' must be",
        ),
        (
            "- required_plugin_versions: [{name: a, version: 0.1.0, alternatives: b}]\n",
            "'alternatives' must be a list",
        ),
    ] {
        let report = loaded(text).report;
        assert!(
            report.refused[0].reason.contains(reason),
            "{text}: {}",
            report.to_text()
        );
    }
}

#[test]
fn every_part_of_a_rule_can_be_changed_as_falco_does() {
    let base = "- rule: r\n  desc: d\n  condition: evt.type = execve and proc.name = sh\n  output: o\n  \
                priority: INFO\n  tags: [x]\n  exceptions: [{name: n, fields: proc.name, values: [a]}]\n";
    let changed = |key: &str, value: &str, how: &str| {
        let change = format!("- rule: r\n  {key}: {value}\n  override: {{{key}: {how}}}\n");
        loaded(&format!("{base}{change}"))
    };
    let told = |key: &str, value: &str, how: &str| {
        let Loaded { set, report } = changed(key, value, how);
        assert_eq!(report.refused, [], "{key} {how}");
        let event = exec(process(4, "sh", &["-c"], None));
        let rule = set.rule(RuleIndex(0));
        let info = &rule.info;
        let fires = set.decide(RuleIndex(0), &event) == Truth::True;
        let output = set.finding(RuleIndex(0), &event).output;
        format!(
            "{fires} {output} {} {} {} {}",
            info.description,
            info.priority.name(),
            info.tags.join("+"),
            rule.enabled
        )
    };
    for (key, value, appended, replaced) in [
        (
            "condition",
            "and proc.pid = 5",
            Some("false o d INFO x true"),
            None,
        ),
        (
            "condition",
            "evt.type = execve and proc.pid = 4",
            None,
            Some("true o d INFO x true"),
        ),
        (
            "output",
            "'%proc.pid'",
            Some("true o 4 d INFO x true"),
            Some("true 4 d INFO x true"),
        ),
        (
            "desc",
            "more",
            Some("true o d more INFO x true"),
            Some("true o more INFO x true"),
        ),
        (
            "tags",
            "[y]",
            Some("true o d INFO x+y true"),
            Some("true o d INFO y true"),
        ),
        (
            "exceptions",
            "[{name: m, fields: proc.name, values: [sh]}]",
            Some("false o d INFO x true"),
            Some("false o d INFO x true"),
        ),
        ("priority", "ERROR", None, Some("true o d ERROR x true")),
        ("enabled", "false", None, Some("false o d INFO x false")),
        ("warn_evttypes", "false", None, Some("true o d INFO x true")),
        (
            "skip-if-unknown-filter",
            "true",
            None,
            Some("true o d INFO x true"),
        ),
        ("capture", "false", None, Some("true o d INFO x true")),
        ("capture_duration", "5", None, Some("true o d INFO x true")),
    ] {
        for (how, expected) in [("append", appended), ("replace", replaced)] {
            if let Some(expected) = expected {
                assert_eq!(told(key, value, how), expected, "{key} {how}");
            }
        }
    }
    for (key, value, how, reason) in [
        ("priority", "ERROR", "append", "cannot be appended to"),
        ("enabled", "true", "append", "cannot be appended to"),
        ("warn_evttypes", "true", "append", "cannot be appended to"),
        ("capture", "true", "append", "cannot be appended to"),
        ("source", "syscall", "replace", "cannot be replaced"),
    ] {
        let report = changed(key, value, how).report;
        assert!(
            report.refused[0].reason.contains(reason),
            "{key} {how}: {}",
            report.to_text()
        );
    }
}

#[test]
fn priorities_have_falcos_names() {
    for (written, read) in [
        ("EMERGENCY", "EMERGENCY"),
        ("Alert", "ALERT"),
        ("critical", "CRITICAL"),
        ("ERROR", "ERROR"),
        ("Warning", "WARNING"),
        ("NOTICE", "NOTICE"),
        ("INFO", "INFO"),
        ("INFORMATIONAL", "INFO"),
        ("DEBUG", "DEBUG"),
    ] {
        let text = rule("").replace("INFO", written);
        let set = loaded(&text).set;
        assert_eq!(set.rule(RuleIndex(0)).info.priority.name(), read);
    }
}
