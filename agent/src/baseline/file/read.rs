//! Reading a profile.

mod part;

use std::collections::{BTreeMap, BTreeSet};

use self::part::{Part, Recorded};
use super::super::class::Class;
use super::super::evidence::{Decision, Marks, Seen, Trust};
use super::super::generalise::path::Segments;
use super::super::profile::{Found, Phase, Profile};
use super::super::role::Role;
use super::super::workload::Workload;
use super::error::{FileError, Place};
use super::events::{Events, Result, Scalar, shown};
use super::{Fingerprint, MAX_BEHAVIOURS, MAX_BYTES, UNDATED};

/// Reads a file; `file` is its name in messages.
///
/// # Errors
/// Tells what is wrong, where, and what to write instead.
pub fn read(text: &str, file: &str) -> Result<(Workload, Profile)> {
    if text.len() > MAX_BYTES {
        return Err(too_large(file));
    }
    let mut events = Events::new(text, file);
    let mut reader = Reader::default();
    let start = events.document(|events| reader.document(events))?;
    let Some(workload) = reader.workload.take() else {
        let reason =
            "no 'workload': write 'workload: NAME', as 'gravlens baseline simulate' names it";
        return Err(events.error(start, reason));
    };
    Ok((workload, reader.profile(&events)?))
}

pub(super) fn too_large(file: &str) -> FileError {
    FileError::whole(file, format!("has more than {} MiB", MAX_BYTES >> 20))
}

/// A behaviour as it stands in a file.
#[derive(Debug)]
struct Line {
    place: Place,
    /// Its place in the roles.
    role: usize,
    phase: Phase,
    class: Class,
    trust: Trust,
    /// In canonical form.
    text: Box<str>,
}

#[derive(Debug, Default)]
struct Reader {
    workload: Option<Workload>,
    roles: Vec<Role>,
    /// With the line that each role stands at.
    role_lines: BTreeMap<Role, usize>,
    lines: Vec<Line>,
    evidence: Option<Part>,
}

impl Reader {
    /// Gives where the document begins.
    fn document(&mut self, events: &mut Events<'_>) -> Result<Place> {
        let start = events.place()?;
        events.mapping("a baseline", |events, key| match &*key.text {
            "workload" => {
                let name = events.scalar("the workload")?;
                if name.text.is_empty() {
                    let reason =
                        "the workload needs a name, as 'gravlens baseline simulate' names it";
                    return Err(events.error(name.place, reason));
                }
                self.workload = Some(Workload::from_text(&name.text));
                Ok(())
            }
            "roles" => events.list("'roles'", |events| self.role(events)),
            "evidence" => {
                self.evidence = Some(Part::read(events, key.place)?);
                Ok(())
            }
            _ => Err(events.unknown(key, &["workload", "roles", "evidence"])),
        })?;
        Ok(start)
    }

    fn role(&mut self, events: &mut Events<'_>) -> Result<()> {
        let place = events.place()?;
        let mut name = None;
        events.mapping("a role", |events, key| {
            if &*key.text == "role" {
                let role = events.scalar("'role'")?;
                name = Some(self.role_name(events, &role)?);
                return Ok(());
            }
            match Phase::from_name(&key.text) {
                Some(phase) => {
                    let what = format!("'{}'", phase.name());
                    events.mapping(&what, |events, key| self.class(events, phase, key))
                }
                None => Err(events.unknown(key, &["role", "start", "run"])),
            }
        })?;
        let Some(name) = name else {
            let reason = "a role without its name: write '- role: NAME' in front";
            return Err(events.error(place, reason));
        };
        self.roles.push(name);
        Ok(())
    }

    fn role_name(&mut self, events: &Events<'_>, name: &Scalar<'_>) -> Result<Role> {
        if name.text.is_empty() {
            let reason = "'role' is empty: write who acts, such as 'root user /usr/bin/app'";
            return Err(events.error(name.place, reason));
        }
        let role = Role::from_text(&name.text);
        if let Some(line) = self.role_lines.insert(role.clone(), name.place.line) {
            let reason = format!("this role stands at line {line} already: write both in one");
            return Err(events.error(name.place, reason));
        }
        Ok(role)
    }

    fn class(&mut self, events: &mut Events<'_>, phase: Phase, key: &Scalar<'_>) -> Result<()> {
        let Some(class) = Class::from_name(&key.text) else {
            return Err(events.unknown(key, &Class::ALL.map(Class::name)));
        };
        let what = format!("'{class}'");
        let mut texts = BTreeSet::new();
        events.list(&what, |events| {
            let line = self.item(events, phase, class)?;
            // The same path may be learnt and kept apart.
            let learnt = class.is_of_files() && line.trust == Trust::Learnt;
            if !texts.insert((learnt, line.text.clone())) {
                let reason = format!("'{}' stands in this list already", shown(&line.text));
                return Err(events.error(line.place, reason));
            }
            if self.lines.len() == MAX_BEHAVIOURS {
                let reason = format!("more than {MAX_BEHAVIOURS} behaviours");
                return Err(events.error(line.place, reason));
            }
            self.lines.push(line);
            Ok(())
        })
    }

    fn item(&self, events: &mut Events<'_>, phase: Phase, class: Class) -> Result<Line> {
        let mut found = None;
        if events.is_mapping()? {
            events.mapping("a behaviour", |events, key| {
                let mut words = Trust::ALL.into_iter().filter(|word| *word != Trust::Learnt);
                let Some(trust) = words.find(|word| word.name() == key.text) else {
                    return Err(unknown_word(events, key));
                };
                if found.is_some() {
                    let reason = "a second word: each behaviour has an item of its own";
                    return Err(events.error(key.place, reason));
                }
                found = Some((trust, events.scalar("a behaviour")?));
                Ok(())
            })?;
        }
        let (trust, text) = match found {
            Some(found) => found,
            None => (Trust::Learnt, events.scalar("a behaviour")?),
        };
        Ok(Line {
            place: text.place,
            role: self.roles.len(),
            phase,
            class,
            trust,
            text: canonical(events, class, &text)?,
        })
    }

    fn profile(self, events: &Events<'_>) -> Result<Profile> {
        let mut profile = Profile::default();
        let mut recorded = match self.evidence {
            Some(part) => {
                let mut fingerprint = Fingerprint::default();
                for line in &self.lines {
                    let role = self.roles[line.role].text();
                    fingerprint.add(role, line.phase, line.class, line.trust, &line.text);
                }
                part.check(events, &fingerprint.text(), self.lines.len())?;
                profile.exposure = part.exposure;
                profile.versions = part.versions;
                profile.locks = part.locks;
                Some(part.seen.into_iter())
            }
            None => {
                profile.set_reviewed(true);
                None
            }
        };
        for line in &self.lines {
            let seen = match recorded.as_mut().and_then(Iterator::next) {
                Some(recorded) => recorded_seen(events, line, &recorded)?,
                None => vouched(line.trust),
            };
            let path;
            let object = if line.class.is_of_files() {
                path = Segments::parse(&line.text)
                    .map_err(|error| events.error(line.place, error.to_string()))?;
                Found::Path(&path)
            } else {
                Found::Text(&line.text)
            };
            let behaviours = profile.roles.entry(self.roles[line.role].clone());
            let objects = behaviours.or_default().entry(line.phase, line.class);
            objects.put(object, &seen);
        }
        Ok(profile)
    }
}

fn unknown_word(events: &Events<'_>, key: &Scalar<'_>) -> FileError {
    let words = ["accepted", "rejected", "quarantined", "never_learnt"];
    if key.text.contains([' ', '/']) {
        let reason = "a text with ': ' in it, or ':' at its end, needs quotes";
        return events.error(key.place, reason);
    }
    events.unknown(key, &words)
}

/// The text as the profile has it.
fn canonical(events: &Events<'_>, class: Class, text: &Scalar<'_>) -> Result<Box<str>> {
    if !class.is_of_files() {
        return Ok((*text.text).into());
    }
    let path = Segments::parse(&text.text).map_err(|error| {
        let reason = format!("'{}' cannot be a pattern: {error}", shown(&text.text));
        events.error(text.place, reason)
    })?;
    Ok(path.to_string().into())
}

/// What stands behind a behaviour of a reviewed file.
fn vouched(trust: Trust) -> Seen {
    let mut seen = Seen::default();
    match trust {
        Trust::Learnt | Trust::Accepted => seen.decide(Decision::Accepted, UNDATED),
        Trust::Rejected => seen.decide(Decision::Rejected, UNDATED),
        Trust::Quarantined => seen.marks = Marks::QUARANTINED,
        Trust::NeverLearnt => seen.marks = Marks::NEVER_LEARNT,
    }
    seen
}

fn recorded_seen(events: &Events<'_>, line: &Line, recorded: &Recorded) -> Result<Seen> {
    let trust = recorded.seen.trust();
    if trust == line.trust {
        return Ok(recorded.seen);
    }
    let reason = format!(
        "this is {} here and {} by its evidence at line {}: take the part 'evidence' out",
        line.trust.name(),
        trust.name(),
        recorded.place.line
    );
    Err(events.error(line.place, reason))
}
