//! What the kernel keeps of the events, and for whom.

use serde_json::{Value, json};

use crate::model::{ClassSummary, Kept};
use crate::proto::KeptEvents;

/// For people; empty when the kernel keeps all.
pub(super) fn text(kept: &[KeptEvents]) -> String {
    if kept.is_empty() {
        return String::new();
    }
    let mut text = "Kept of the events that the kernel sees:\n".to_owned();
    for kept in kept {
        let summary = summary(kept);
        text.push_str(&format!("  {}: {}\n", summary.events, summary.why()));
    }
    text
}

/// For programs.
pub(super) fn document(kept: &[KeptEvents]) -> Value {
    json!(kept.iter().map(summary).collect::<Vec<_>>())
}

fn summary(kept: &KeptEvents) -> ClassSummary {
    use crate::proto::kept_events::Kept as Encoded;
    ClassSummary {
        events: kept.events.clone(),
        kept: match kept.kept() {
            Encoded::Nothing => Kept::Nothing,
            Encoded::ByName => Kept::ByName,
            Encoded::ByPort => Kept::ByPort,
            Encoded::Everything | Encoded::Unspecified => Kept::Everything,
        },
        by: kept.by.clone(),
        count: kept.count as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_told_with_its_reason() {
        use crate::proto::kept_events::Kept as Encoded;
        let kept = |events: &str, kept: Encoded, by: &[&str], count| KeptEvents {
            events: events.to_owned(),
            kept: kept.into(),
            by: by.iter().map(|&by| by.to_owned()).collect(),
            count,
        };
        let all = [
            kept("kill", Encoded::Nothing, &[], 0),
            kept("openat (for reading)", Encoded::ByName, &["*/shadow"], 3),
            kept("connect", Encoded::ByPort, &["22"], 1),
            kept("bind", Encoded::Everything, &["Any socket"], 1),
        ];
        assert_eq!(
            text(&all),
            "Kept of the events that the kernel sees:\n  \
             kill: none\n  \
             openat (for reading): those with a path like */shadow and 2 more\n  \
             connect: those with port 22 at either end\n  \
             bind: all, for Any socket\n"
        );
        assert_eq!(text(&[]), "");
        assert_eq!(document(&all)[1]["kept"], "by_name");
    }
}
