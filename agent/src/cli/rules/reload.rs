//! `rules reload`: has the running agent read its rule files anew.

use super::summary;
use crate::cli::{Exit, Failure, Global, client, output};
use crate::config::OutputFormat;
use crate::proto::reload_rules_response::Outcome;
use crate::proto::rule_service_client::RuleServiceClient;
use crate::proto::{ReloadRulesRequest, ReloadRulesResponse};
use crate::sinks::render::json as schema;

/// `gravlens rules reload`
pub(super) fn run(global: &Global) -> Result<(), Failure> {
    let agent = client::agent(global)?;
    let response = client::runtime()?.block_on(async {
        let mut rules = RuleServiceClient::new(client::connect(&agent).await?);
        let response = rules.reload(ReloadRulesRequest {}).await?;
        Ok::<_, Failure>(response.into_inner())
    })?;
    match global.document()? {
        OutputFormat::Text => output::text(&text(&response))?,
        OutputFormat::Json => output::json(&document(&response))?,
    }
    // As a start with these files would end.
    match response.outcome() {
        Outcome::Reloaded | Outcome::Unchanged => Ok(()),
        Outcome::Refused => Err(Failure::silent(Exit::RulesRefused)),
        Outcome::Unreadable => Err(Failure::silent(Exit::Usage)),
        Outcome::Unsettled | Outcome::Unspecified => Err(Failure::silent(Exit::Failure)),
    }
}

fn words(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Unspecified => ("unknown", "The agent does not say what came of it"),
        Outcome::Reloaded => ("reloaded", "The rules were reloaded"),
        Outcome::Unchanged => ("unchanged", "The files say what is in force already"),
        Outcome::Refused => ("refused", "Rules are refused: the old set stays"),
        Outcome::Unreadable => ("unreadable", "The files cannot be read: the old set stays"),
        Outcome::Unsettled => (
            "unsettled",
            "The files change all the time: the old set stays for now",
        ),
    }
}

fn text(response: &ReloadRulesResponse) -> String {
    let mut text = String::new();
    for reason in &response.reasons {
        text.push_str(&format!("{reason}\n"));
    }
    for warning in &response.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    let set = response.set.clone().unwrap_or_default();
    let (_, sentence) = words(response.outcome());
    text.push_str(&format!("{sentence}: {}\n", summary(&set)));
    text
}

fn document(response: &ReloadRulesResponse) -> serde_json::Value {
    serde_json::json!({
        "outcome": words(response.outcome()).0,
        "set": schema::RuleSet::from(response.set.as_ref()),
        "reasons": response.reasons,
        "warnings": response.warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::RuleSetStatus;

    #[test]
    fn reasons_come_before_what_came_of_it() {
        let response = ReloadRulesResponse {
            outcome: Outcome::Refused.into(),
            set: Some(RuleSetStatus {
                digest: "00ff".to_owned(),
                active: 7,
                generation: 2,
                ..RuleSetStatus::default()
            }),
            reasons: vec!["a.yaml:3:1: rule 'x': no such field".to_owned()],
            warnings: Vec::new(),
        };
        let text = text(&response);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("a.yaml:3:1: rule 'x': no such field"));
        let last = lines.next().unwrap();
        assert!(last.starts_with("Rules are refused: the old set stays: 7 active"));
        assert!(
            last.contains("generation 2") && last.ends_with("digest 00ff"),
            "{last}"
        );
        let document = document(&response);
        assert_eq!(document["outcome"], "refused");
        assert_eq!(document["set"]["generation"], 2);
    }
}
