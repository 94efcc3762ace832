//! Words for what the agent says of baselines.

use crate::baseline::completeness::{Lasting, up};
use crate::proto::baseline_prediction::Per;
use crate::proto::{
    BaselineDecision, BaselineEta, BaselinePhase, BaselinePrediction, BaselineState, BaselineTrust,
};
use crate::sinks::render::enum_word;

pub(super) fn phase(phase: BaselinePhase) -> String {
    enum_word(phase.as_str_name(), "BASELINE_PHASE_")
}

/// The phase of that name.
pub(super) fn phase_of(name: &str) -> Option<BaselinePhase> {
    match name {
        "start" => Some(BaselinePhase::Start),
        "run" => Some(BaselinePhase::Run),
        _ => None,
    }
}

pub(super) fn state(state: BaselineState) -> String {
    enum_word(state.as_str_name(), "BASELINE_STATE_")
}

/// As in files; `not known` for what nobody knows.
pub(super) fn trust(trust: BaselineTrust) -> String {
    match trust {
        BaselineTrust::Unspecified => "not known".to_owned(),
        trust => enum_word(trust.as_str_name(), "BASELINE_TRUST_"),
    }
}

pub(super) const fn decided(decision: BaselineDecision) -> &'static str {
    match decision {
        BaselineDecision::Reject => "rejected",
        _ => "accepted",
    }
}

/// What a class still needs, as `simulate` says it.
pub(super) fn eta(eta: &BaselineEta) -> String {
    let starts = match eta.starts {
        0 => None,
        1 => Some("after 1 more start".to_owned()),
        starts => Some(format!("after {starts} more starts")),
    };
    match (eta.seconds, starts) {
        (None, _) => "never".to_owned(),
        (Some(0), None) => "now".to_owned(),
        (Some(0), Some(starts)) => starts,
        (Some(seconds), None) => format!("in {}", Lasting(seconds)),
        (Some(seconds), Some(starts)) => format!("in {} and {starts}", Lasting(seconds)),
    }
}

/// `1.2 expected, at most 3.4 a day of one container`
pub(super) fn predicted(predicted: &BaselinePrediction) -> String {
    let per = match predicted.per() {
        Per::Start => "start of a container",
        _ => "day of one container",
    };
    let (expected, bound) = (predicted.expected, up(predicted.bound));
    format!("{expected:.1} expected, at most {bound:.1} a {per} (95 %)")
}

/// One word of a shell.
pub(super) fn shell_word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._:=@%+-,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_one_word_for_one() {
        for (text, expected) in [
            ("/srv/a-1.conf", "/srv/a-1.conf"),
            ("image nginx", "'image nginx'"),
            ("/srv/{n}", "'/srv/{n}'"),
            ("it's; rm -rf ~", r"'it'\''s; rm -rf ~'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), expected);
        }
    }

    #[test]
    fn what_is_needed_is_said_as_elsewhere() {
        let said = |seconds, starts| eta(&BaselineEta { seconds, starts });
        assert_eq!(said(Some(0), 0), "now");
        assert_eq!(said(Some(7_200), 0), "in 2 h");
        assert_eq!(said(Some(0), 1), "after 1 more start");
        assert_eq!(said(Some(60), 2), "in 1 min and after 2 more starts");
        assert_eq!(said(None, 2), "never");
    }

    #[test]
    fn phases_are_found_by_the_names_that_are_printed() {
        for of in [BaselinePhase::Start, BaselinePhase::Run] {
            assert_eq!(phase_of(&phase(of)), Some(of));
        }
        assert_eq!(phase_of("unspecified"), None);
    }
}
