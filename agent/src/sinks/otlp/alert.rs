//! Attributes of alerts.

use opentelemetry_semantic_conventions::attribute;

use super::attributes::Attributes;
use super::{baseline, container, event, process};
use crate::proto;
use crate::sinks::render::{near_exception, term};

/// Adds those of an alert.
pub(super) fn add(to: &mut Attributes, alert: &proto::Alert) {
    to.text("gravlens.alert.id", &alert.id);
    if let Some(rule) = &alert.rule {
        self::rule(to, rule);
    }
    to.texts("gravlens.evidence", alert.evidence.iter().map(term));
    to.texts("gravlens.undecided", alert.undecided.iter().map(term));
    to.texts(
        "gravlens.near_exceptions",
        alert.near_exceptions.iter().map(near_exception),
    );
    if let Some(evidence) = &alert.baseline {
        baseline::add(to, evidence);
    }
    if let Some(event) = &alert.event {
        event::add(to, event);
    }
    if let Some(process) = &alert.process {
        process::add(to, process);
        process::ancestors(to, &alert.ancestors, alert.ancestors_truncated);
    }
    if let Some(container) = &alert.container {
        container::add(to, container);
    }
}

/// Adds those of a rule.
pub(super) fn rule(to: &mut Attributes, rule: &proto::Rule) {
    to.text(attribute::SECURITY_RULE_NAME, &rule.name);
    to.text(attribute::SECURITY_RULE_DESCRIPTION, &rule.description);
    to.texts("gravlens.rule.tags", &rule.tags);
    to.texts("gravlens.rule.attack_ids", &rule.attack_ids);
    to.text("gravlens.rule.language", &rule.language);
    to.text("gravlens.rule.file", &rule.file);
    to.nonzero("gravlens.rule.line", rule.line);
    to.text("gravlens.rule.set_digest", &rule.set_digest);
    to.nonzero("gravlens.rule.set_generation", rule.set_generation);
    to.text(attribute::SECURITY_RULE_UUID, &rule.id);
    to.text("gravlens.rule.author", &rule.author);
    to.text("gravlens.rule.level", &rule.level);
    to.texts("gravlens.rule.references", &rule.references);
}
