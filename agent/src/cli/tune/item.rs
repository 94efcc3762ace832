//! The exception as text of a rule file.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use super::proposal::{FieldValue, Proposal};
use super::rule_name;
use crate::detect::{end_of_day, exception_value, filter_value};
use crate::proto::{Alert, Rule};

/// Everything that is written.
pub(super) struct Item<'a> {
    pub(super) alert: &'a Alert,
    pub(super) proposal: &'a Proposal,
    pub(super) owner: Option<String>,
    pub(super) reason: Option<String>,
    /// Last day.
    pub(super) expires: Option<String>,
}

impl Item<'_> {
    /// Name of the exception: each alert and level has its own, so that its end is its own too.
    pub(super) fn name(&self) -> String {
        format!(
            "tune_{}_{}",
            self.alert.id.replace('-', "_"),
            self.proposal.level
        )
    }

    /// What is added to the rule file: an exception, or a filter for a rule of Sigma.
    pub(super) fn text(&self) -> String {
        let rule = self.alert.rule.as_ref();
        match rule {
            Some(rule) if rule.language == "sigma" => self.filter(rule),
            _ => self.exception(),
        }
    }

    fn filter(&self, rule: &Rule) -> String {
        let mut text = format!("title: {}\n", self.name());
        let facts = [("author", &self.owner), ("description", &self.reason)];
        for (key, value) in facts {
            if let Some(value) = value {
                text.push_str(&format!("{key}: {}\n", quoted(value)));
            }
        }
        let reference = match rule.id.as_str() {
            "" => &rule.name,
            id => id,
        };
        text.push_str(&format!(
            "filter:\n  rules: [{}]\n  excepted:\n",
            quoted(reference)
        ));
        for FieldValue { field, value } in &self.proposal.fields {
            let value = quoted(&filter_value(value));
            text.push_str(&format!("    {field}{}: {value}\n", same(field)));
        }
        if let Some(end_ns) = self.expires.as_deref().and_then(end_of_day) {
            text.push_str(&format!("    evt.rawtime|lt: {end_ns}\n"));
        }
        text.push_str("  condition: not excepted\n");
        text
    }

    fn exception(&self) -> String {
        let mut text = format!(
            "- rule: {}\n  exceptions:\n    - name: {}\n",
            quoted(rule_name(self.alert)),
            self.name()
        );
        let facts = [
            ("owner", &self.owner),
            ("reason", &self.reason),
            ("expires", &self.expires),
        ];
        for (key, value) in facts {
            if let Some(value) = value {
                text.push_str(&format!("      {key}: {}\n", quoted(value)));
            }
        }
        let found = &self.proposal.fields;
        let fields: Vec<_> = found.iter().map(|found| found.field).collect();
        let comparisons = vec!["\"=\""; found.len()];
        text.push_str(&format!(
            "      fields: [{}]\n      comps: [{}]\n      values:\n        - [{}]\n  override:\n    \
             exceptions: append\n",
            fields.join(", "),
            comparisons.join(", "),
            found
                .iter()
                .map(|found| quoted(&exception_value(&found.value)))
                .collect::<Vec<_>>()
                .join(", ")
        ));
        text
    }
}

/// The modifier with which a filter compares texts as they are.
fn same(field: &str) -> &'static str {
    match field {
        "fd.sip" | "fd.sport" => "",
        _ => "|cased",
    }
}

/// A scalar of YAML: what JSON writes in quotes YAML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The last day of an exception: `None` for one that does not end.
pub(super) fn expiry(text: &str, now: SystemTime) -> Result<Option<String>, &'static str> {
    const SHAPE: &str = "give a date such as 2026-12-31, a number of days such as 30d, or never";
    if text == "never" {
        return Ok(None);
    }
    if let Some(days) = text.strip_suffix('d') {
        let days: u64 = days.parse().map_err(|_| SHAPE)?;
        let end = days
            .checked_mul(86_400)
            .and_then(|seconds| now.checked_add(Duration::from_secs(seconds)))
            .ok_or(SHAPE)?;
        return Ok(Some(date(end)));
    }
    let is_date = text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok();
    if !is_date {
        return Err(SHAPE);
    }
    if *text < *date(now) {
        return Err("that day is over");
    }
    Ok(Some(text.to_owned()))
}

/// The day of a time, UTC.
fn date(time: SystemTime) -> String {
    let mut text = Timestamp::from(time).to_string();
    text.truncate(10);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_ends_on_a_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let day = |text| expiry(text, now);
        assert_eq!(day("never"), Ok(None));
        assert_eq!(day("30d"), Ok(Some("2026-01-31".to_owned())));
        assert_eq!(day("2026-01-01"), Ok(Some("2026-01-01".to_owned())));
        assert_eq!(day("2025-12-31"), Err("that day is over"));
        for wrong in ["soon", "d", "-1d", "2026-02-30", "99999999999999999999d"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }
}
