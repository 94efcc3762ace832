//! An explanation as people read it.

use super::super::value::append;
use super::{Cost, CostClass, Discriminator, ExplainedTerm, Explanation};
use crate::model::Kept;

/// Characters of a comparison that are shown.
const SHOWN: usize = 150;

impl Explanation {
    /// For people. `kernel` are lines about this machine, one for each thing to say.
    pub fn to_text(&self, kernel: &[String]) -> String {
        let mut out = String::new();
        let state = if self.enabled { "" } else { ", disabled" };
        append(
            &mut out,
            format_args!(
                "{}\n  {}{state}, {}:{}\n  {}\n",
                self.name, self.priority, self.file, self.line, self.description
            ),
        );
        self.write_events(&mut out);
        self.write_kept(&mut out);
        self.write_fields(&mut out);
        out.push_str("kernel\n");
        for line in kernel {
            append(&mut out, format_args!("  {line}\n"));
        }
        append(&mut out, format_args!("cost\n  {}\n", self.cost.sentence()));
        out.push_str("condition\n");
        write_term(&mut out, &self.condition, 1);
        self.write_exceptions(&mut out);
        let samples = self.samples;
        append(
            &mut out,
            format_args!(
                "samples\n  {} that it fires on, {} that it must not, {} that it waits for\n",
                samples.fires, samples.quiet, samples.undecided
            ),
        );
        out
    }

    /// Events that are narrowed down alike stand together.
    fn write_events(&self, out: &mut String) {
        out.push_str("events\n");
        if self.events.is_empty() {
            out.push_str("  none\n");
        }
        let mut groups: Vec<(Vec<&str>, &str, &Option<Discriminator>)> = Vec::new();
        for event in &self.events {
            let same = groups
                .iter_mut()
                .find(|(_, hook, found)| *hook == event.hook && **found == event.discriminator);
            match same {
                Some((types, ..)) => types.push(event.event_type),
                None => groups.push((vec![event.event_type], event.hook, &event.discriminator)),
            }
        }
        for (types, hook, discriminator) in groups {
            let types = types.join(", ");
            append(out, format_args!("  {types} (hook {hook})\n"));
            match discriminator {
                None => out.push_str("    evaluated for each of them\n"),
                Some(Discriminator { terms, share }) => {
                    let percent = share * 100.0;
                    let terms = shortened(&terms.join(" or "));
                    append(
                        out,
                        format_args!("    where {terms} (about {percent:.2} % of events)\n"),
                    );
                }
            }
        }
    }

    /// Executions and their like are always kept.
    fn write_kept(&self, out: &mut String) {
        if self.kept.is_empty() {
            return;
        }
        out.push_str("kept by the kernel for it\n");
        for kept in &self.kept {
            let why = match kept.kept {
                Kept::Everything => "all".to_owned(),
                _ => kept.why(),
            };
            append(
                out,
                format_args!("  {}: {}\n", kept.events, shortened(&why)),
            );
        }
    }

    fn write_fields(&self, out: &mut String) {
        out.push_str("fields\n");
        for field in &self.fields {
            append(out, format_args!("  {}", field.name));
            if !field.compared {
                out.push_str(", printed only");
            }
            if field.runtime {
                out.push_str(", unknown until the container runtime has answered");
            }
            if !field.missing_on.is_empty() && field.missing_on.len() < self.events.len() {
                append(
                    out,
                    format_args!(", not on {}", field.missing_on.join(", ")),
                );
            } else if !field.missing_on.is_empty() {
                out.push_str(", on none of these events");
            }
            if let Some(limit) = field.limit {
                append(out, format_args!("; {limit}"));
            }
            out.push('\n');
        }
    }

    fn write_exceptions(&self, out: &mut String) {
        if self.exceptions.is_empty() {
            return;
        }
        out.push_str("exceptions\n");
        for exception in &self.exceptions {
            let fields = exception.fields.join(", ");
            let values = match exception.values {
                1 => "1 value".to_owned(),
                count => format!("{count} values"),
            };
            append(
                out,
                format_args!(
                    "  {}: {values} of {fields}, {}:{}\n",
                    exception.name, exception.file, exception.line
                ),
            );
            let facts = [
                ("owner", &exception.owner),
                ("reason", &exception.reason),
                ("until", &exception.expires),
            ];
            for (what, value) in facts {
                if let Some(value) = value {
                    append(out, format_args!("    {what} {value}\n"));
                }
            }
        }
    }
}

impl Cost {
    fn sentence(&self) -> String {
        let class = self.class.word();
        let dearest = match &self.dearest {
            Some(dearest) => format!("; its dearest comparison is {dearest}"),
            None => String::new(),
        };
        let often = match (self.class, self.often_on.as_slice()) {
            (CostClass::None, _) => "it is never evaluated".to_owned(),
            (_, []) => "something rare narrows it down on every event type".to_owned(),
            (_, types) => format!("little narrows it down on {}", types.join(", ")),
        };
        format!("{class}: {often}{dearest}")
    }
}

fn write_term(out: &mut String, term: &ExplainedTerm, depth: usize) {
    let indent = "  ".repeat(depth);
    let mut group = |word: &str, children: &[ExplainedTerm]| {
        append(out, format_args!("{indent}{word}\n"));
        for child in children {
            write_term(out, child, depth + 1);
        }
    };
    match term {
        ExplainedTerm::All(children) => group("all of", children),
        ExplainedTerm::Any(children) => group("any of", children),
        ExplainedTerm::Not(child) => group("not", std::slice::from_ref(child)),
        ExplainedTerm::Macro {
            name,
            file,
            line,
            condition,
        } => group(
            &format!("{name} (macro, {file}:{line})"),
            std::slice::from_ref(condition),
        ),
        ExplainedTerm::Term(text) => append(out, format_args!("{indent}{}\n", shortened(text))),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(SHOWN).collect();
    cut.push('…');
    cut
}
