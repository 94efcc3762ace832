//! Expected events beside those seen.

use std::fmt::Write as _;

use super::Expectation;
use crate::facts::Facts;

/// Events of one kind that are listed one by one.
const LISTED: usize = 40;

/// What tells an explained event from others.
const TELLING: [&str; 3] = ["pid", "result", "path"];

/// What became of every expectation and every event.
#[derive(Debug)]
pub struct Judgement {
    /// Lines of a table `offender | expected | seen`.
    pub table: String,
    /// What is wrong, in words.
    pub faults: Vec<String>,
}

/// Gives each expected event one that was seen. What is left on either side is a fault, unless
/// `explained` says why it is there.
pub fn judge(
    offender: &str,
    expected: &[Expectation],
    seen: &[Facts],
    explained: impl Fn(&Facts) -> Option<&'static str>,
) -> Judgement {
    let mut taken = vec![false; seen.len()];
    let mut judgement = Judgement {
        table: String::new(),
        faults: Vec::new(),
    };
    let mut unmet = Vec::new();
    for expectation in expected {
        let found = claim(expectation, seen, &mut taken);
        judgement.expected(offender, expectation, &found);
        if found.len() < expectation.times {
            unmet.push((expectation, found.len()));
        }
    }
    // Only now: what is left may resemble an event that a later expectation took.
    let left = seen.iter().zip(taken).filter(|(_, taken)| !taken);
    let left: Vec<&Facts> = left.map(|(facts, _)| facts).collect();
    for (expectation, count) in unmet {
        judgement.missing(expectation, count, &left);
    }
    for (number, facts) in left.into_iter().enumerate() {
        judgement.unexpected(offender, facts, explained(facts), number);
    }
    judgement
}

/// The earliest events that are as expected and nobody's yet.
fn claim<'a>(expectation: &Expectation, seen: &'a [Facts], taken: &mut [bool]) -> Vec<&'a Facts> {
    let mut found = Vec::new();
    for (facts, taken) in seen.iter().zip(taken) {
        if found.len() == expectation.times {
            break;
        }
        if !*taken && expectation.admits(facts) {
            *taken = true;
            found.push(facts);
        }
    }
    found
}

impl Judgement {
    fn row(&mut self, offender: &str, expected: &str, seen: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.table, "{offender} | {expected} | {seen}");
    }

    fn expected(&mut self, offender: &str, expectation: &Expectation, found: &[&Facts]) {
        let seen = match found {
            [] => "MISSING".to_owned(),
            [one] if expectation.times == 1 => one.line(expectation.fields()),
            several => format!("{} of {}", several.len(), expectation.times),
        };
        self.row(offender, &expectation.to_string(), &seen);
    }

    fn missing(&mut self, expectation: &Expectation, count: usize, left: &[&Facts]) {
        let times = expectation.times;
        let alike = left.iter().filter(|facts| expectation.is_call(facts));
        let nearest = alike
            .map(|facts| expectation.differences(facts))
            .min_by_key(Vec::len);
        let nearest = nearest.map_or_else(String::new, |differences| {
            format!("\n  the nearest: {}", differences.join("; "))
        });
        let fault = format!("seen {count} of {times}: {expectation}{nearest}");
        self.faults.push(fault);
    }

    fn unexpected(
        &mut self,
        offender: &str,
        facts: &Facts,
        explained: Option<&'static str>,
        number: usize,
    ) {
        if explained.is_none() {
            self.faults.push(format!("not expected: {facts}"));
        }
        match explained {
            None => self.row(offender, "NOT EXPECTED", &facts.to_string()),
            Some(why) if number < LISTED => self.row(offender, why, &facts.line(TELLING)),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use gravlens::proto::event::Payload;
    use gravlens::proto::{Alert, Event, OpenPayload, Path, Process, Provenance};

    use super::*;

    fn opened(path: &str, result: i64) -> Facts {
        let open = OpenPayload {
            path: Some(Path {
                text: path.to_owned(),
                ..Path::default()
            }),
            read: true,
            provenance: Provenance::Kernel.into(),
            ..OpenPayload::default()
        };
        let alert = Alert {
            event: Some(Event {
                r#type: "openat".to_owned(),
                result: Some(result),
                payload: Some(Payload::Open(open)),
                ..Event::default()
            }),
            process: Some(Process::default()),
            ..Alert::default()
        };
        Facts::of(&alert).unwrap()
    }

    fn faults(expected: &[Expectation], seen: &[Facts]) -> Vec<String> {
        let explained = |facts: &Facts| (facts.get("path") == "/lib").then_some("the loader");
        judge("test", expected, seen, explained).faults
    }

    #[test]
    fn what_is_expected_and_what_is_explained_may_be_seen() {
        let seen = [opened("/lib", 3), opened("/a", 3), opened("/a", 4)];
        assert!(faults(&[Expectation::opened("/a").times(2)], &seen).is_empty());
        let table = judge("test", &[], &seen, |_| None).table;
        assert!(table.starts_with("test | NOT EXPECTED | openat"), "{table}");
    }

    #[test]
    fn an_event_meets_one_expectation_only() {
        let twice = [Expectation::opened("/a"), Expectation::opened("/a")];
        assert_eq!(faults(&twice, &[opened("/a", 3)]).len(), 1);
    }

    #[test]
    fn a_missing_event_an_extra_one_and_a_wrong_field_are_faults() {
        assert_eq!(faults(&[Expectation::opened("/a")], &[]).len(), 1);
        assert_eq!(faults(&[], &[opened("/a", 3)]).len(), 1);
        let wrong = Expectation::opened("/a").is("fd_shared", true);
        let faults = faults(&[wrong], &[opened("/a", 3)]);
        assert!(
            faults[0].contains("fd_shared is false, not =true"),
            "{faults:?}"
        );
    }

    #[test]
    fn fields_are_compared_as_told() {
        let failed = opened("/a/b", -2);
        let expectation = Expectation::opened("/a/b");
        assert!(
            !expectation.admits(&failed),
            "a negated errno is no descriptor"
        );
        assert!(expectation.clone().is("result", -2).admits(&failed));
        let by_end = expectation.is("result", -2).ends_with("path", "/b");
        assert!(by_end.admits(&failed));
        assert!(
            by_end
                .clone()
                .one_of("result", &["0", "-2"])
                .admits(&failed)
        );
        assert!(by_end.clone().list_from("path", "/a/b").admits(&failed));
        assert!(!by_end.list_from("path", "/a").admits(&failed));
    }
}
