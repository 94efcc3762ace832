//! Correlations: the rules that they name are found, and put in an order in which each comes
//! behind those that it counts.

use std::rc::Rc;

use super::super::super::catalogue::{Lookup, look_up, nearest};
use super::super::super::compile::OutputPart;
use super::super::super::compile::sigma::SigmaCompiler;
use super::super::super::correlation::{Correlation, Member};
use super::super::super::falco::items::Trouble;
use super::super::super::falco::source::Text;
use super::super::super::ir::Source;
use super::super::super::report::RefusalKind;
use super::super::super::set::{Rule, RuleIndex};
use super::super::super::sigma::Level;
use super::super::super::sigma::correlation::{self as written, CorrelationKind};
use super::super::super::sigma::document::CorrelationRule;
use super::super::super::sigma::logsource::CONTAINER;
use super::super::Loader;
use super::{Documents, Known, Taken, names};

/// A rule in Falco's language that counts its own matches.
#[derive(Debug)]
pub(in super::super) struct FalcoCorrelation {
    pub(in super::super) rule: Rule,
    pub(in super::super) correlation: written::Correlation,
}

/// A correlation whose rules are not all known yet.
enum Waiting<'a> {
    Falco(Box<FalcoCorrelation>),
    Sigma(&'a CorrelationRule),
}

impl Waiting<'_> {
    fn written(&self) -> &written::Correlation {
        match self {
            Self::Falco(waiting) => &waiting.correlation,
            Self::Sigma(rule) => &rule.correlation,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Falco(waiting) => waiting.rule.info.name.clone(),
            Self::Sigma(rule) => rule.meta.title.value.clone(),
        }
    }

    fn is_called(&self, reference: &str) -> bool {
        match self {
            Self::Falco(_) => self.name().eq_ignore_ascii_case(reference),
            Self::Sigma(rule) => super::is_called(&rule.meta, reference),
        }
    }
}

/// A correlation that was made.
struct Made {
    correlation: Correlation,
    generate: bool,
    /// The rule is wanted for itself.
    enabled: bool,
}

impl Loader {
    /// Makes all correlations whose rules are there.
    pub(super) fn correlate(
        &mut self,
        documents: &Documents,
        taken: &mut Taken,
        loaded: &mut Vec<Rule>,
        mut known: Vec<Known>,
        falco: Vec<FalcoCorrelation>,
    ) -> Vec<Correlation> {
        let falco = falco.into_iter().map(|it| Waiting::Falco(Box::new(it)));
        let sigma = documents.correlations.iter().map(Waiting::Sigma);
        let mut waiting: Vec<Waiting<'_>> = falco.chain(sigma).collect();
        let mut made: Vec<Made> = Vec::new();
        loop {
            let ready = waiting.iter().position(|waiting| {
                let mut rules = waiting.written().rules.iter();
                rules.all(|name| known.iter().any(|known| known.is_called(&name.value)))
            });
            let Some(ready) = ready else { break };
            let next = waiting.remove(ready);
            let name = next.name();
            match self.correlation(next, taken, loaded, &mut known, &made) {
                Ok(correlation) => made.push(correlation),
                Err(trouble) => self.refuse(Some(name), trouble),
            }
        }
        for left in &waiting {
            let trouble = unresolved(left, &waiting, &known);
            self.refuse(Some(left.name()), trouble);
        }
        for Made { correlation, .. } in &made {
            for member in &correlation.members {
                let rule = &loaded[member.rule.0 as usize];
                let below_level = known
                    .iter()
                    .any(|known| known.index == member.rule.0 as usize && known.below_level);
                if !rule.enabled && !below_level && !member.correlated {
                    let info = &loaded[correlation.rule.0 as usize].info;
                    let reason = format!(
                        "the rule '{}', which it counts, is disabled",
                        rule.info.name
                    );
                    let place = super::super::super::falco::source::Place {
                        file: info.file.as_str().into(),
                        line: info.line,
                        column: 1,
                    };
                    let name = info.name.clone();
                    self.warn(Some(name), &place, reason);
                }
            }
        }
        settle(made, loaded, &known)
    }

    fn correlation(
        &mut self,
        waiting: Waiting<'_>,
        taken: &mut Taken,
        loaded: &mut Vec<Rule>,
        known: &mut Vec<Known>,
        made: &[Made],
    ) -> Result<Made, Trouble> {
        let index = loaded.len();
        let written = waiting.written().clone();
        let mut members = Vec::new();
        if let Waiting::Falco(_) = &waiting {
            let own = Known {
                index,
                names: vec![waiting.name()],
                source: None,
                below_level: false,
            };
            members.push(self.member(&written, &own, known, loaded, None)?);
        }
        for name in &written.rules {
            let found = known.iter().find(|known| known.is_called(&name.value));
            let rule = found.ok_or_else(|| unknown(name, known))?;
            let inner = made
                .iter()
                .find(|made| made.correlation.rule.0 as usize == rule.index);
            let inner = inner.map(|made| &made.correlation);
            members.push(self.member(&written, rule, known, loaded, inner)?);
        }
        let least = written.least.unwrap_or(members.len() as u64);
        if written.kind.is_temporal() && least > members.len() as u64 {
            let reason = format!("{least} of {} rules can never match", members.len());
            return Err(Trouble::new(written.place, RefusalKind::Item, reason));
        }
        let rule = match waiting {
            Waiting::Falco(waiting) => {
                known.push(Known {
                    index,
                    names: vec![waiting.rule.info.name.clone()],
                    source: None,
                    below_level: false,
                });
                waiting.rule
            }
            Waiting::Sigma(document) => {
                taken.claim(&document.meta)?;
                let level = document.meta.level.unwrap_or_else(|| {
                    let of =
                        |member: &Member| Level::named(loaded[member.rule.0 as usize].info.level);
                    members.iter().filter_map(of).max().unwrap_or(Level::Medium)
                });
                let rule =
                    self.rule_of(&document.meta, level, &output(&written, &members, loaded))?;
                known.push(Known {
                    index,
                    names: names(&document.meta),
                    source: None,
                    below_level: !rule.enabled,
                });
                rule
            }
        };
        let enabled = rule.enabled;
        loaded.push(rule);
        Ok(Made {
            correlation: Correlation {
                rule: RuleIndex(u32::try_from(index).expect("fewer rules than 2^32")),
                kind: written.kind,
                members,
                group_by: written
                    .group_by
                    .iter()
                    .map(|name| name.value.clone())
                    .collect(),
                timespan_ns: written.timespan_ns,
                timespan: written.timespan,
                least,
                most: written.most,
                alerts: true,
            },
            generate: written.generate,
            enabled,
        })
    }

    fn member(
        &mut self,
        written: &written::Correlation,
        rule: &Known,
        known: &[Known],
        loaded: &[Rule],
        inner: Option<&Correlation>,
    ) -> Result<Member, Trouble> {
        // The events of a correlation are those of the rules that it counts.
        let rules: Vec<&Known> = match inner {
            None => vec![rule],
            Some(inner) => {
                let of = |index: RuleIndex| known.iter().find(|k| k.index == index.0 as usize);
                inner
                    .members
                    .iter()
                    .filter_map(|member| of(member.rule))
                    .collect()
            }
        };
        let mut values = |names: &[Text]| -> Result<Box<[Source]>, Trouble> {
            let value = |name: &Text| {
                let name = aliased(written, rule, name)?;
                let mut first = None;
                for rule in &rules {
                    match self.group_field(rule, &name) {
                        Ok(source) => return Ok(source),
                        Err(trouble) => first = first.or(Some(trouble)),
                    }
                }
                Err(first.unwrap_or_else(|| no_field(&name)))
            };
            names.iter().map(value).collect()
        };
        let counted = match written.kind {
            CorrelationKind::ValueCount => values(&written.counted)?,
            _ => Box::default(),
        };
        let falco_self = rule.index == loaded.len();
        Ok(Member {
            rule: RuleIndex(u32::try_from(rule.index).expect("fewer rules than 2^32")),
            correlated: inner.is_some() && !falco_self,
            group: values(&written.group_by)?,
            counted,
        })
    }

    /// A field by which matches of that rule are told apart.
    fn group_field(&mut self, rule: &Known, name: &Text) -> Result<Source, Trouble> {
        if let Some(source) = rule.source {
            return SigmaCompiler::new(&mut self.compiler, source).value(name);
        }
        let field = name.value.split('[').next().unwrap_or_default();
        match look_up(field) {
            Lookup::Supported(_) => {}
            Lookup::Unsupported(reason) => {
                let reason = format!("field '{field}' is not supported here: {reason}");
                let kind = RefusalKind::UnsupportedField;
                return Err(Trouble::new(name.start(), kind, reason));
            }
            Lookup::NoSuchField(near) => {
                let trouble = no_field(name);
                return Err(match near {
                    Some(near) => trouble.hint(format!("did you mean '{near}'?")),
                    None => trouble,
                });
            }
        }
        let template = Rc::new(Text::made(&format!("%{}", name.value)));
        let parts = self.compiler.output(&template).map_err(|mut trouble| {
            trouble.place = name.start();
            trouble
        })?;
        match <[OutputPart; 1]>::try_from(parts) {
            Ok([OutputPart::Value(source)]) => Ok(source),
            _ => Err(no_field(name)),
        }
    }
}

fn no_field(name: &Text) -> Trouble {
    let reason = format!("there is no field '{}'", name.value);
    Trouble::new(name.start(), RefusalKind::NoSuchField, reason)
}

/// The field that a name stands for in matches of a rule.
fn aliased(written: &written::Correlation, rule: &Known, name: &Text) -> Result<Text, Trouble> {
    let Some(alias) = written
        .aliases
        .iter()
        .find(|alias| alias.name == name.value)
    else {
        return Ok(name.clone());
    };
    let mut fields = alias.fields.iter();
    let field = fields.find(|(of, _)| rule.is_called(&of.value));
    field.map(|(_, field)| field.clone()).ok_or_else(|| {
        let called = rule.names.first().map_or("", String::as_str);
        let reason = format!(
            "the alias '{}' names no field for rule '{called}'",
            alias.name
        );
        Trouble::new(name.start(), RefusalKind::Item, reason)
    })
}

fn output(written: &written::Correlation, members: &[Member], loaded: &[Rule]) -> String {
    let names = members
        .iter()
        .map(|member| loaded[member.rule.0 as usize].info.name.replace('%', "%%"));
    format!(
        "{} of {} within {} | Image=%proc.exepath CommandLine=%proc.exeline User=%user.name \
         {CONTAINER}",
        written.kind.name(),
        names.collect::<Vec<_>>().join(", "),
        written.timespan
    )
}

fn unknown(name: &Text, known: &[Known]) -> Trouble {
    let reason = format!("no rule with the id or the name '{}' is loaded", name.value);
    let trouble = Trouble::new(name.start(), RefusalKind::Undefined, reason);
    let names = known.iter().flat_map(|known| &known.names);
    match nearest(&name.value, names.map(String::as_str)) {
        Some(near) => trouble.hint(format!("did you mean '{near}'?")),
        None => trouble,
    }
}

/// Why a correlation could not be made.
fn unresolved(left: &Waiting<'_>, waiting: &[Waiting<'_>], known: &[Known]) -> Trouble {
    let is_known = |name: &Text| known.iter().any(|known| known.is_called(&name.value));
    let waits = |name: &Text| waiting.iter().any(|other| other.is_called(&name.value));
    let written = left.written();
    let missing = written
        .rules
        .iter()
        .find(|name| !is_known(name) && !waits(name));
    if let Some(name) = missing {
        return unknown(name, known);
    }
    let name = written.rules.iter().find(|name| !is_known(name));
    let place = name.map_or_else(|| written.place.clone(), Text::start);
    let reason = "the correlation counts itself, or one that cannot be loaded";
    Trouble::new(place, RefusalKind::Undefined, reason)
}

/// Decides which rules are evaluated for correlations, and whose matches are alerts.
fn settle(mut made: Vec<Made>, loaded: &mut [Rule], known: &[Known]) -> Vec<Correlation> {
    let mut active: Vec<bool> = made.iter().map(|made| made.enabled).collect();
    // Whether a rule, or a correlation, is counted by another, and makes alerts all the same.
    let mut counted_rules: Vec<Option<bool>> = vec![None; loaded.len()];
    let mut counted_correlations: Vec<Option<bool>> = vec![None; made.len()];
    for position in (0..made.len()).rev() {
        if !active[position] {
            continue;
        }
        let Made {
            correlation,
            generate,
            ..
        } = &made[position];
        for member in &correlation.members {
            let inner = made
                .iter()
                .position(|made| member.correlated && made.correlation.rule == member.rule);
            let counted = match inner {
                Some(inner) => {
                    active[inner] = true;
                    &mut counted_correlations[inner]
                }
                None => &mut counted_rules[member.rule.0 as usize],
            };
            *counted = Some(counted.unwrap_or(false) || *generate);
        }
    }
    for (index, counted) in counted_rules.into_iter().enumerate() {
        let Some(generate) = counted else { continue };
        let rule = &mut loaded[index];
        rule.alerts = generate && rule.enabled;
        let below_level = known
            .iter()
            .any(|known| known.index == index && known.below_level);
        rule.enabled |= below_level;
    }
    for (made, counted) in made.iter_mut().zip(counted_correlations) {
        made.correlation.alerts = made.enabled && counted.unwrap_or(true);
    }
    let active = made.into_iter().zip(active).filter(|(_, active)| *active);
    active.map(|(made, _)| made.correlation).collect()
}
