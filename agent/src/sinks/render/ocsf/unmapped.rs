//! What OCSF has no attribute for and an analyst wants to know.

use serde_json::Value;

use super::object::Object;
use super::{baseline, values};
use crate::proto;
use crate::proto::event::Payload;
use crate::sinks::render::enum_word;

/// Of an alert.
pub(super) fn of_alert(alert: &proto::Alert) -> Object {
    let rule = alert.rule.as_ref().map_or_else(Object::default, rule);
    let event = alert.event.as_ref().map_or_else(Object::default, event);
    let container = alert.container.as_ref();
    Object::default()
        .text("priority", &alert.priority)
        .object("rule", rule)
        .object("event", event)
        .object("process", process(alert))
        .object(
            "container",
            container.map_or_else(Object::default, identity),
        )
        .list("evidence", terms(&alert.evidence))
        .list("undecided", terms(&alert.undecided))
        .list("near_exceptions", near_exceptions(alert))
        .object(
            "baseline",
            alert
                .baseline
                .as_ref()
                .map_or_else(Object::default, baseline::unmapped),
        )
}

/// Of an AMEND.
pub(super) fn of_amend(amend: &proto::Amend) -> Object {
    let container = amend.container.as_ref();
    Object::default()
        .number("alert_sequence", amend.alert_sequence)
        .object(
            "container",
            container.map_or_else(Object::default, identity),
        )
}

fn rule(rule: &proto::Rule) -> Object {
    Object::default()
        .list("tags", rule.tags.clone())
        .text("language", &rule.language)
        .text("author", &rule.author)
        .text("level", &rule.level)
        .list("references", rule.references.clone())
        .text("file", &rule.file)
        .maybe("line", (rule.line != 0).then_some(rule.line))
}

fn event(event: &proto::Event) -> Object {
    let dns = match &event.payload {
        Some(Payload::Dns(dns)) => answer(dns),
        _ => Object::default(),
    };
    Object::default()
        .text("type", &event.r#type)
        .maybe("result", event.result)
        .number("tid", event.tid)
        .list("arguments", arguments(event))
        .object("dns", dns)
        .mark("seen_late", event.seen_late)
        .mark("process_unknown", event.process_unknown)
}

fn arguments(event: &proto::Event) -> Vec<Value> {
    let Some(Payload::Call(call)) = &event.payload else {
        return Vec::new();
    };
    values(call.arguments.iter().map(|argument| {
        Object::default()
            .text("name", &argument.name)
            .text("value", &argument.text)
    }))
}

fn answer(dns: &proto::DnsPayload) -> Object {
    Object::default()
        .text("rcode", &dns.rcode)
        .list("cnames", dns.cnames.clone())
        .list("addresses", dns.addresses.clone())
        .maybe("ttl", dns.ttl)
}

fn process(alert: &proto::Alert) -> Object {
    let Some(process) = &alert.process else {
        return Object::default();
    };
    Object::default()
        .maybe("euid", process.credentials.map(|ids| ids.euid))
        .maybe(
            "login_uid",
            process.credentials.and_then(|ids| ids.login_uid),
        )
        .mark("args_truncated", process.args_truncated)
        .mark("seen_late", process.seen_late)
        .mark("ancestors_truncated", alert.ancestors_truncated)
}

fn identity(container: &proto::Container) -> Object {
    let identity = enum_word(container.identity().as_str_name(), "IDENTITY_");
    Object::default()
        .text("identity", &identity)
        .text("identity_error", &container.identity_error)
        .number("cgroup_id", container.cgroup_id)
        .text("cgroup_path", &container.cgroup_path)
        .maybe("privileged", container.privileged)
}

fn terms(terms: &[proto::Term]) -> Vec<Value> {
    values(terms.iter().map(term))
}

fn term(term: &proto::Term) -> Object {
    Object::default()
        .text("field", &term.field)
        .text("operator", &term.operator)
        .text("operand", &term.operand)
        .text("value", term.value.as_deref().unwrap_or_default())
        .mark("negated", term.negated)
        .text("file", &term.file)
        .number("line", term.line)
        .number("column", term.column)
        .list("macros", term.macros.clone())
        .maybe("met_start", term.met_start)
        .maybe("met_end", term.met_end)
}

fn near_exceptions(alert: &proto::Alert) -> Vec<Value> {
    values(alert.near_exceptions.iter().map(|exception| {
        let failed = exception.failed.as_ref().map_or_else(Object::default, term);
        Object::default()
            .text("name", &exception.name)
            .object("failed", failed)
    }))
}
