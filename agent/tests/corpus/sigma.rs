//! Sigma's public rules load, and decide as another implementation does.
//!
//! The oracle is `rsigma-eval`. Events are made of the rules' own values, so that searches match
//! often; `GRAVLENS_SIGMA_EVENTS` says how many events each rule gets.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use gravlens::detect::catalogue::field;
use gravlens::detect::{
    self, EventTypes, FieldArg, FieldId, FieldSource, LoadOptions, Loaded, Outcome, OwnedScalar,
    RuleFile, Value, Values,
};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue, parse_sigma_yaml};

use super::corpora;

/// Events for each rule, unless the environment says otherwise.
const EVENTS: usize = 400;

fn events_per_rule() -> usize {
    let wanted = std::env::var("GRAVLENS_SIGMA_EVENTS").ok();
    wanted.map_or(EVENTS, |text| {
        text.parse().expect("GRAVLENS_SIGMA_EVENTS is a number")
    })
}

fn samples() -> Vec<RuleFile> {
    let folders = ["process_creation", "file_event", "network_connection"];
    let paths: Vec<PathBuf> = folders
        .iter()
        .map(|folder| corpora("sigma").join(folder))
        .collect();
    detect::read_paths(&paths).expect("the samples can be read")
}

#[test]
fn all_samples_load() {
    let files = samples();
    let Loaded { set, report } = detect::load(&files, &LoadOptions::default());
    assert!(report.refused.is_empty(), "{}", report.to_text());
    assert_eq!(set.rules().len(), files.len());
    assert!(set.rules().len() >= 74, "{}", set.rules().len());
    for rule in set.rules() {
        let info = &rule.info;
        assert!(
            !info.author.is_empty() && !info.id.is_empty(),
            "{}",
            info.name
        );
        assert!(!rule.event_types.is_empty(), "{}", info.name);
    }
}

#[test]
fn every_sample_decides_as_the_oracle_does() {
    for file in samples() {
        let found = compare(&file, events_per_rule());
        assert!(found > 0, "{}: no event matched", file.path);
    }
}

/// What the samples do not use.
const MODIFIERS: &str = include_str!("modifiers.yml");

#[test]
fn every_modifier_decides_as_the_oracle_does() {
    for (number, text) in MODIFIERS.split("\n---\n").enumerate() {
        let file = RuleFile {
            path: format!("modifiers.yml, document {number}"),
            text: text.to_owned(),
        };
        let found = compare(&file, events_per_rule());
        assert!(found > 0, "{}: no event matched\n{text}", file.path);
    }
}

/// Compares the verdicts on events for a rule. Returns how many matched.
fn compare(file: &RuleFile, events: usize) -> usize {
    let Loaded { set, report } = detect::load(std::slice::from_ref(file), &LoadOptions::default());
    assert!(report.refused.is_empty(), "{}", report.to_text());
    let collection = parse_sigma_yaml(&file.text).expect("the oracle reads the rule");
    let mut engine = Engine::new();
    engine
        .add_collection(&collection)
        .expect("the oracle compiles the rule");
    let rule = &collection.rules[0];
    let mut maker = Maker::new(rule);
    let mut outcome = Outcome::default();
    let mut matches = 0;
    for number in 0..events {
        let event = maker.event();
        let json = event.json();
        let expected = !engine.evaluate(&JsonEvent::borrow(&json)).is_empty();
        set.evaluate(&event, &mut outcome);
        let found = (outcome.matched.len(), outcome.undecided.len());
        assert_eq!(
            found,
            (usize::from(expected), 0),
            "{}, event {number}: {json:#}",
            file.path
        );
        matches += found.0;
    }
    matches
}

/// Log source, its event type, and its fields with their names here.
fn source(rule: &SigmaRule) -> (&'static str, &'static [(&'static str, &'static str)]) {
    const PROCESS: &[(&str, &str)] = &[
        ("Image", "proc.exepath"),
        ("CommandLine", "proc.exeline"),
        ("ParentImage", "proc.pexepath"),
        ("ParentCommandLine", "sigma.parent_command_line"),
        ("CurrentDirectory", "sigma.current_directory"),
        ("User", "user.name"),
        ("LogonId", "sigma.logon_id"),
    ];
    const FILE: &[(&str, &str)] = &[
        ("TargetFilename", "sigma.target_filename"),
        ("Image", "proc.exepath"),
        ("CommandLine", "proc.exeline"),
    ];
    const NETWORK: &[(&str, &str)] = &[
        ("DestinationIp", "fd.sip"),
        ("DestinationPort", "fd.sport"),
        ("DestinationHostname", "fd.sip.name"),
        ("SourceIp", "fd.cip"),
        ("Initiated", "fd.is_server"),
        ("Image", "proc.exepath"),
    ];
    match rule.logsource.category.as_deref() {
        Some("process_creation") => ("execve", PROCESS),
        Some("file_event") => ("openat", FILE),
        Some("network_connection") => ("connect", NETWORK),
        other => panic!("no events are made for {other:?}"),
    }
}

/// An event for both sides.
#[derive(Debug)]
struct Made {
    syscall: &'static str,
    /// Values by Sigma's name.
    fields: BTreeMap<&'static str, String>,
    values: HashMap<FieldId, OwnedScalar>,
}

impl Made {
    fn json(&self) -> serde_json::Value {
        let value = |name: &str, text: &String| match name {
            "DestinationPort" | "LogonId" => {
                serde_json::Value::from(text.parse::<i64>().expect("a number"))
            }
            _ => serde_json::Value::from(text.clone()),
        };
        let fields = self.fields.iter();
        fields
            .map(|(name, text)| ((*name).to_owned(), value(name, text)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

impl FieldSource for Made {
    fn syscall(&self) -> gravlens::model::Syscall {
        let types = EventTypes::ALL;
        let named = types.iter().find(|syscall| syscall.name() == self.syscall);
        named.expect("the event types are traced")
    }

    fn get<'a>(
        &'a self,
        field: FieldId,
        _argument: Option<&'a FieldArg>,
        _scratch: &'a mut Vec<u8>,
    ) -> Value<'a> {
        match self.values.get(&field) {
            None => Value::Missing,
            // A host may have several names.
            Some(value) if Some(field) == self::field("fd.sip.name").map(|info| info.id) => {
                Value::Many(Values::Owned(std::slice::from_ref(value)))
            }
            Some(value) => Value::One(value.borrow()),
        }
    }
}

/// Makes events of a rule's own values.
struct Maker {
    syscall: &'static str,
    fields: &'static [(&'static str, &'static str)],
    /// Items of the rule, by field.
    items: HashMap<String, Vec<DetectionItem>>,
    random: Random,
    runner: TestRunner,
}

impl Maker {
    fn new(rule: &SigmaRule) -> Self {
        let (syscall, fields) = source(rule);
        let mut items: HashMap<String, Vec<DetectionItem>> = HashMap::new();
        // The order of a map is another each time.
        let named: BTreeMap<_, _> = rule.detection.named.iter().collect();
        for detection in named.values() {
            gather(detection, &mut items);
        }
        Self {
            syscall,
            fields,
            items,
            random: Random(0x9e37_79b9_7f4a_7c15),
            runner: TestRunner::deterministic(),
        }
    }

    fn event(&mut self) -> Made {
        let mut fields = BTreeMap::new();
        for &(name, _) in self.fields {
            // The log source is known by its file.
            if name != "TargetFilename" && self.random.below(12) == 0 {
                continue;
            }
            let text = self.value(name, &fields);
            fields.insert(name, text);
        }
        let mut values: HashMap<FieldId, OwnedScalar> = HashMap::new();
        let mut put = |name: &str, value| {
            values.insert(field(name).expect("a field of the catalogue").id, value);
        };
        put("evt.failed", OwnedScalar::Bool(false));
        put("fd.sockfamily", OwnedScalar::Text(b"ip".as_slice().into()));
        for &(name, here) in self.fields {
            let Some(text) = fields.get(name) else {
                continue;
            };
            let value = match name {
                "DestinationIp" | "SourceIp" => {
                    OwnedScalar::Address(text.parse().expect("an address"))
                }
                "DestinationPort" | "LogonId" => OwnedScalar::Number(text.parse().expect("a port")),
                "Initiated" => OwnedScalar::Bool(text != "true"),
                _ => OwnedScalar::Text(text.as_bytes().into()),
            };
            put(here, value);
        }
        Made {
            syscall: self.syscall,
            fields,
            values,
        }
    }

    fn value(&mut self, name: &str, before: &BTreeMap<&'static str, String>) -> String {
        let items = self.items.get(name).cloned().unwrap_or_default();
        match name {
            "Initiated" => return (self.random.below(3) > 0).to_string(),
            "DestinationPort" | "LogonId" => {
                let values = items.iter().flat_map(|item| &item.values);
                let near: Vec<i64> = values
                    .filter_map(|value| value.to_string().parse::<i64>().ok())
                    .flat_map(|port| [port - 1, port, port, port + 1])
                    .collect();
                let other = self.random.below(65_536).to_string();
                return self.random.pick(&near).map_or(other, ToString::to_string);
            }
            "DestinationIp" | "SourceIp" => return self.address(&items),
            _ => {}
        }
        let mut pieces = Vec::new();
        for item in &items {
            if self.random.below(3) > 0 {
                pieces.push(self.satisfied(item, before));
            }
        }
        // What stands at an end must stay there.
        pieces.sort_by_key(|(place, _)| *place);
        let inner = pieces.iter().all(|(place, _)| *place == Place::Anywhere);
        let mut text = String::new();
        if inner && self.random.below(2) == 0 {
            text.push_str(&self.noise());
        }
        for (position, (_, piece)) in pieces.iter().enumerate() {
            if position > 0 {
                text.push(' ');
            }
            text.push_str(piece);
        }
        if inner && self.random.below(2) == 0 {
            text.push_str(&self.noise());
        }
        text
    }

    fn address(&mut self, items: &[DetectionItem]) -> String {
        let values = items.iter().flat_map(|item| &item.values);
        let near: Vec<String> = values
            .filter_map(|value| {
                let text = value.to_string().replace('*', "7").replace('?', "5");
                let network = text.split('/').next().unwrap_or_default();
                let mut network = network.trim_end_matches('.').to_owned();
                while !network.contains(':') && network.matches('.').count() < 3 {
                    network.push_str(".7");
                }
                network.parse::<std::net::IpAddr>().ok().map(|_| network)
            })
            .collect();
        let other = format!(
            "{}.{}.0.9",
            1 + self.random.below(220),
            self.random.below(256)
        );
        match self.random.below(3) {
            0 => other,
            _ => self.random.pick(&near).cloned().unwrap_or(other),
        }
    }

    /// Text that an item is likely to match.
    fn satisfied(
        &mut self,
        item: &DetectionItem,
        before: &BTreeMap<&'static str, String>,
    ) -> (Place, String) {
        let has = |modifier| item.field.has_modifier(modifier);
        let mut values: Vec<SigmaValue> = item.values.clone();
        if !has(Modifier::All) {
            let chosen = self.random.pick(&values).cloned();
            values = chosen.into_iter().collect();
        }
        let texts: Vec<String> = values
            .iter()
            .map(|value| {
                let text = match value {
                    SigmaValue::Null => return String::new(),
                    SigmaValue::String(text) => text.original.clone(),
                    other => other.to_string(),
                };
                if has(Modifier::Re) {
                    return self.regex(&text);
                }
                if has(Modifier::FieldRef) {
                    return before.get(text.as_str()).cloned().unwrap_or_default();
                }
                if has(Modifier::Base64) || has(Modifier::Base64Offset) {
                    use base64::Engine as _;
                    let lead = ["", "x", "xy"][self.random.below(3)];
                    let lead = if has(Modifier::Base64) { "" } else { lead };
                    let whole = format!("{lead}{text}");
                    return base64::engine::general_purpose::STANDARD.encode(whole);
                }
                let text = self.filled(&text);
                match has(Modifier::WindAsh) {
                    true => text.replace('-', ["-", "/", "\u{2013}"][self.random.below(3)]),
                    false => text,
                }
            })
            .collect();
        let mut text = texts.join(&self.noise());
        if self.random.below(3) == 0 {
            text = self.other_case(&text);
        }
        let (lead, tail) = (self.noise(), self.noise());
        if has(Modifier::Contains) || has(Modifier::Re) {
            let whole = self.random.below(2) == 0;
            return (
                Place::Anywhere,
                if whole {
                    text
                } else {
                    format!("{lead}{text}{tail}")
                },
            );
        }
        if has(Modifier::StartsWith) {
            return (Place::Begin, format!("{text}{tail}"));
        }
        if has(Modifier::EndsWith) {
            return (Place::End, format!("{lead}{text}"));
        }
        (Place::End, text)
    }

    /// A value with something in the place of wildcards.
    fn filled(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '*' => out.push_str(&self.noise()),
                '?' => out.push(['x', 'é', '/'][self.random.below(3)]),
                '\\' => {
                    let escaped = characters.next_if(|next| "*?\\".contains(*next));
                    out.push(escaped.unwrap_or('\\'));
                }
                other => out.push(other),
            }
        }
        out
    }

    fn regex(&mut self, pattern: &str) -> String {
        // Anchors cannot be generated, and add nothing to the text.
        let plain = pattern.trim_start_matches('^').trim_end_matches('$');
        let made = proptest::string::string_regex(plain)
            .ok()
            .and_then(|strategy| strategy.new_tree(&mut self.runner).ok())
            .map(|tree| tree.current());
        made.unwrap_or_else(|| plain.to_owned())
    }

    fn noise(&mut self) -> String {
        const PIECES: &[&str] = &[
            "",
            "",
            " ",
            "/",
            "x",
            "-c",
            "/usr/bin/",
            "http://h/",
            ".sh",
            "é",
            "[",
            "*",
            "\\",
            "A1",
        ];
        let count = self.random.below(4);
        (0..count)
            .map(|_| PIECES[self.random.below(PIECES.len())])
            .collect()
    }

    fn other_case(&mut self, text: &str) -> String {
        let flip = |character: char| match self.random.below(3) {
            0 => character.to_ascii_uppercase(),
            1 => character.to_ascii_lowercase(),
            _ => character,
        };
        text.chars().map(flip).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Begin,
    Anywhere,
    End,
}

fn gather(detection: &Detection, items: &mut HashMap<String, Vec<DetectionItem>>) {
    match detection {
        Detection::AllOf(found) => {
            for item in found {
                let name = item.field.name.clone().unwrap_or_default();
                items.entry(name).or_default().push(item.clone());
            }
        }
        Detection::AnyOf(inner) | Detection::And(inner) => {
            for detection in inner {
                gather(detection, items);
            }
        }
        Detection::Keywords(_) | Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {}
    }
}

/// Numbers that are the same in each run: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        match from.len() {
            0 => None,
            length => from.get(self.below(length)),
        }
    }
}
