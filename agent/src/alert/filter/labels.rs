//! Label selectors as Kubernetes writes them (`kubectl get -l`): requirements joined by commas, all
//! of which have to hold.

use std::collections::HashMap;

/// Requirements of a selector.
const MAX_REQUIREMENTS: usize = 16;
/// Values of a requirement.
const MAX_VALUES: usize = 64;
/// Longest key that Kubernetes allows: a domain name of 253 bytes, `/` and 63 more.
const MAX_KEY_BYTES: usize = 317;
/// Longest value; those of Kubernetes have 63 bytes.
const MAX_VALUE_BYTES: usize = 255;

/// A selector that was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    /// The label is there.
    Present,
    /// It is not.
    Absent,
    /// It has one of these values.
    In(Vec<String>),
    /// It has none of these values, or is not there.
    NotIn(Vec<String>),
}

impl LabelSelector {
    /// Parses a selector.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let requirements = split(text)?;
        at_most(MAX_REQUIREMENTS, requirements.len(), "requirements")?;
        requirements
            .into_iter()
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// How much there is to compare with labels, at most.
    pub(super) fn effort(&self) -> usize {
        let Self(requirements) = self;
        requirements.iter().map(Requirement::effort).sum()
    }

    /// Whether the labels satisfy every requirement.
    pub(super) fn matches(&self, labels: &HashMap<String, String>) -> bool {
        let Self(requirements) = self;
        let holds = |requirement: &Requirement| requirement.holds(labels.get(&requirement.key));
        requirements.iter().all(holds)
    }
}

impl Requirement {
    fn effort(&self) -> usize {
        match &self.wanted {
            Wanted::Present | Wanted::Absent => 1,
            Wanted::In(values) | Wanted::NotIn(values) => 1 + values.len(),
        }
    }

    fn holds(&self, value: Option<&String>) -> bool {
        match &self.wanted {
            Wanted::Present => value.is_some(),
            Wanted::Absent => value.is_none(),
            Wanted::In(values) => value.is_some_and(|value| values.contains(value)),
            Wanted::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
        }
    }
}

/// At the commas that stand outside of parentheses.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let mut parts = Vec::new();
    let (mut begin, mut inside) = (0, false);
    for (place, character) in text.char_indices() {
        match character {
            '(' if inside => return Err("a `(` within parentheses".to_owned()),
            '(' => inside = true,
            ')' if !inside => return Err("a `)` without `(`".to_owned()),
            ')' => inside = false,
            ',' if !inside => {
                parts.push(&text[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err("a `(` without `)`".to_owned());
    }
    parts.push(&text[begin..]);
    Ok(parts)
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let text = text.trim();
    if let Some(key) = text.strip_prefix('!') {
        return of(key, Wanted::Absent);
    }
    if let Some(list) = text.strip_suffix(')') {
        return listed(text, list);
    }
    // `!=` first: `=` is part of it.
    if let Some((key, value)) = text.split_once("!=") {
        return of(key, Wanted::NotIn(vec![value.trim().to_owned()]));
    }
    match text.split_once("==").or_else(|| text.split_once('=')) {
        Some((key, value)) => of(key, Wanted::In(vec![value.trim().to_owned()])),
        None => of(text, Wanted::Present),
    }
}

/// `key in (a,b)` and `key notin (a,b)`.
fn listed(text: &str, list: &str) -> Result<Requirement, String> {
    let (before, values) = list
        .split_once('(')
        .ok_or_else(|| format!("{text:?} has a `)` at its end and no `(`"))?;
    let values = values.split(',').map(|value| value.trim().to_owned());
    let values = values.collect();
    let (key, word) = before
        .trim()
        .rsplit_once(char::is_whitespace)
        .ok_or_else(|| format!("{text:?} has no `in` or `notin` before its list"))?;
    match word {
        "in" => of(key, Wanted::In(values)),
        "notin" => of(key, Wanted::NotIn(values)),
        other => Err(format!("{other:?} before a list: write `in` or `notin`")),
    }
}

fn of(key: &str, wanted: Wanted) -> Result<Requirement, String> {
    let key = key.trim();
    if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "=!()".contains(c)) {
        return Err(format!("{key:?} is no label's key"));
    }
    at_most(MAX_KEY_BYTES, key.len(), "bytes in a key")?;
    if let Wanted::In(values) | Wanted::NotIn(values) = &wanted {
        at_most(MAX_VALUES, values.len(), "values in a list")?;
        let longest = values.iter().map(String::len).max().unwrap_or(0);
        at_most(MAX_VALUE_BYTES, longest, "bytes in a value")?;
    }
    Ok(Requirement {
        key: key.to_owned(),
        wanted,
    })
}

fn at_most(limit: usize, count: usize, what: &str) -> Result<(), String> {
    if count <= limit {
        return Ok(());
    }
    Err(format!(
        "it has {count} {what}; `label_selectors` may have {limit}"
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("app", "web"), ("tier", ""), ("io.example/team", "shop")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = labels.into();
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn requirements_are_those_of_kubernetes() {
        for selector in [
            "app=web",
            "app==web",
            "app = web , io.example/team",
            "app!=db",
            "absent!=db",
            "app in (db, web)",
            "app notin (db,cache)",
            "absent notin (db)",
            "!absent",
            "tier",
            "tier=",
        ] {
            assert!(matches(selector), "{selector}");
        }
        for selector in [
            "app=db",
            "!app",
            "app=web,absent",
            "absent in (db)",
            "app notin (web)",
            "absent=",
        ] {
            assert!(!matches(selector), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_says_why() {
        for (selector, why) in [
            ("", "\"\" is no label's key"),
            ("app=web,", "\"\" is no label's key"),
            ("app in web)", "a `)` without `(`"),
            ("app in (web", "a `(` without `)`"),
            ("app of (web)", "\"of\" before a list"),
            ("(web)", "has no `in` or `notin`"),
            ("two words", "\"two words\" is no label's key"),
        ] {
            let error = LabelSelector::parse(selector).unwrap_err();
            assert!(error.contains(why), "{selector}: {error}");
        }
    }

    #[test]
    fn a_selector_is_bounded_in_all_its_parts() {
        let refused = |selector: String| LabelSelector::parse(&selector).unwrap_err();
        for (selector, what) in [
            (vec!["a"; 17].join(","), "17 requirements"),
            (format!("a in ({})", vec!["b"; 65].join(",")), "65 values"),
            ("a".repeat(318), "318 bytes in a key"),
            (format!("a={}", "b".repeat(256)), "256 bytes in a value"),
            (
                format!("a notin (b,{})", "b".repeat(256)),
                "256 bytes in a value",
            ),
        ] {
            let why = refused(selector);
            assert!(why.starts_with(&format!("it has {what}")), "{why}");
            assert!(why.contains("`label_selectors` may have"), "{why}");
        }
        let most = format!("a in ({})", vec!["b"; 64].join(","));
        assert_eq!(LabelSelector::parse(&most).unwrap().effort(), 65);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                selector.matches(&HashMap::new());
            }
        }

        #[test]
        fn equal_and_not_equal_are_opposites(key in "[a-z]{1,4}", value in "[a-z]{0,3}") {
            let labels = HashMap::from([("app".to_owned(), "web".to_owned())]);
            let holds = |operator: &str| {
                let text = format!("{key}{operator}{value}");
                LabelSelector::parse(&text).unwrap().matches(&labels)
            };
            prop_assert_ne!(holds("="), holds("!="));
        }
    }
}
