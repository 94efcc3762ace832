//! What of Sigma is refused, and why.

use super::*;

#[test]
fn what_cannot_be_had_is_refused_with_place_and_reason() {
    for (search_text, kind, reason) in [
        (
            "LogonGuid: 1",
            RefusalKind::UnsupportedField,
            "field 'LogonGuid' is not supported here: it belongs to sessions of Windows",
        ),
        (
            "Imag: x",
            RefusalKind::NoSuchField,
            "there is no field 'Imag' in process_creation",
        ),
        (
            "proc.nam: x",
            RefusalKind::NoSuchField,
            "there is no field 'proc.nam'",
        ),
        (
            "Image|contain: x",
            RefusalKind::Syntax,
            "there is no modifier 'contain'",
        ),
        (
            "Image|contains|re: x",
            RefusalKind::Syntax,
            "'re' does not go together with a comparison before it",
        ),
        (
            "Image|expand: '%x%'",
            RefusalKind::UnsupportedFeature,
            "'expand' is not supported here: the values of placeholders stand in a processing pipeline, and rules are loaded without one",
        ),
        (
            "Image|re: '('",
            RefusalKind::Syntax,
            "the regular expression cannot be used: error: unclosed group",
        ),
        (
            "Image|gt: 3",
            RefusalKind::Type,
            "'gt' does not fit 'Image', which is of type text",
        ),
        (
            "Image|cidr: 10.0.0.0/8",
            RefusalKind::Type,
            "'cidr' does not fit 'Image', which is of type text",
        ),
        ("ProcessId: x", RefusalKind::Type, "'x' is no whole number"),
        (
            "UtcTime: x",
            RefusalKind::Type,
            "of 'UtcTime' only parts can be compared",
        ),
        (
            "Image|hour: 3",
            RefusalKind::Type,
            "'Image' is no moment; 'UtcTime' is one",
        ),
        (
            "Image|windash: '-1-2-3-4-5-6'",
            RefusalKind::Type,
            "'windash' makes more than 625 values of this one",
        ),
    ] {
        let loaded = search(search_text);
        let (found, why, line, column) = refused(&loaded);
        assert_eq!((found, why), (kind, reason), "{search_text}");
        assert!(line >= 7 && column > 1, "{search_text}: {line}:{column}");
    }
}

#[test]
fn what_is_no_rule_for_here_is_refused_with_the_reason() {
    let detection = "s: {Image: x}\n    condition: s";
    for (text, kind, reason) in [
        (
            rule(
                &of("{product: windows, category: process_creation}"),
                detection,
            ),
            RefusalKind::LogSource,
            "no events of product 'windows' exist here",
        ),
        (
            rule(&of("{product: linux, service: sshd}"), detection),
            RefusalKind::LogSource,
            "not supported here: the sensor makes no events of service 'sshd'",
        ),
        (
            rule(
                &of("{product: linux, service: auditd}"),
                "s: {type: USER_AUTH}\n    condition: s",
            ),
            RefusalKind::LogSource,
            "not supported here: no events stand for records of type 'USER_AUTH'",
        ),
        (
            rule(&of(PROCESS), "s: [curl, wget]\n    condition: s"),
            RefusalKind::UnsupportedFeature,
            "keywords are not supported here: events have fields, and no text of a log line",
        ),
        (
            rule(&of(PROCESS), "s: {Image: x}\n    condition: t"),
            RefusalKind::Undefined,
            "there is no search 't'",
        ),
        (
            rule(
                &of(PROCESS),
                "s: {Image: x}\n    condition: s | count() > 3",
            ),
            RefusalKind::UnsupportedFeature,
            "'|' begins Sigma's old way to count events",
        ),
        (
            rule(&of(PROCESS), "s: {Image: []}\n    condition: s"),
            RefusalKind::Item,
            "'Image' has no value to compare with",
        ),
        (
            "title: r\ndetection: {s: {Image: x}, condition: s}\n".to_owned(),
            RefusalKind::Item,
            "the document has no 'logsource'",
        ),
        (
            format!("level: urgent\n{}", rule(&of(PROCESS), detection)),
            RefusalKind::Item,
            "'urgent' is no level",
        ),
    ] {
        let loaded = loaded(&text);
        let (found, why, ..) = refused(&loaded);
        assert_eq!((found, why), (kind, reason), "{text}");
        assert_eq!(
            loaded.report.refused[0].rule.as_deref(),
            Some("r"),
            "{text}"
        );
    }
}

#[test]
fn the_place_of_a_refusal_is_that_of_the_word() {
    let text = "title: r\nlogsource:\n  category: process_creation\ndetection:\n  s:\n    \
                Image|contains|alll: x\n  condition: s and no_such\n";
    let (_, _, line, column) = refused(&loaded(text));
    assert_eq!((line, column), (6, 20));
    let text = text.replace("alll", "all");
    let (_, reason, line, column) = {
        let loaded = loaded(&text);
        let (kind, reason, line, column) = refused(&loaded);
        (kind, reason.to_owned(), line, column)
    };
    assert_eq!(
        (&*reason, line, column),
        ("there is no search 'no_such'", 7, 20)
    );
}
