//! Exceptions: a condition becomes `(condition) and not (exception or exception ...)`.

use std::rc::Rc;

use super::super::falco::ast::Expr;
use super::super::falco::items::{Exception, ExceptionValue, Trouble};
use super::super::falco::parser;
use super::super::falco::resolve::{self, Definitions, Resolved};
use super::super::falco::source::{Place, Text};
use super::super::report::RefusalKind;
use super::definitions::RuleDefinition;

/// A rule's exceptions: the name of each, and conditions of which one is enough.
pub(super) fn resolved(
    rule: &RuleDefinition,
    definitions: &Definitions,
) -> Result<Vec<(String, Vec<Resolved>)>, Trouble> {
    let mut exceptions = Vec::new();
    for exception in &rule.exceptions {
        // Time comes from the event, so an exception ends without a reload, and a replay of what was
        // recorded before its end still knows it.
        let end = exception.expires.as_ref().map(|expires| expires.end_ns);
        let alternatives = alternatives(exception, end, definitions)?;
        if !alternatives.is_empty() {
            exceptions.push((exception.name.value.clone(), alternatives));
        }
    }
    Ok(exceptions)
}

/// What an exception leaves out, one condition for each of its values, on events before `end` if
/// one is given (nanoseconds since 1970).
pub(in super::super) fn alternatives(
    exception: &Exception,
    end: Option<i64>,
    definitions: &Definitions,
) -> Result<Vec<Resolved>, Trouble> {
    let comparisons = comparisons(exception)?;
    if exception.values.is_empty() {
        return Ok(Vec::new());
    }
    let mut tuples = if exception.single {
        vec![format!(
            "{} {} {}",
            exception.fields[0].value,
            comparisons[0],
            list(&exception.values)?
        )]
    } else {
        let tuple = |value| tuple(exception, &comparisons, value);
        exception
            .values
            .iter()
            .map(tuple)
            .collect::<Result<_, _>>()?
    };
    if let Some(end) = end {
        for tuple in &mut tuples {
            tuple.push_str(&format!(" and evt.rawtime < {end}"));
        }
    }
    tuples
        .iter()
        .map(|tuple| resolve_tuple(tuple, exception, definitions))
        .collect()
}

/// Adds exceptions to a condition.
pub(super) fn apply(condition: Resolved, exceptions: &[(String, Vec<Resolved>)]) -> Resolved {
    let mut alternatives: Vec<_> = exceptions
        .iter()
        .flat_map(|(_, alternatives)| alternatives.iter().cloned())
        .collect();
    match alternatives.len() {
        0 => condition,
        1 => except(condition, alternatives.remove(0)),
        _ => except(condition, Resolved::Or(alternatives)),
    }
}

fn except(condition: Resolved, exception: Resolved) -> Resolved {
    Resolved::And(vec![condition, Resolved::Not(Box::new(exception))])
}

/// The comparison of each field: `=` for a list of fields, `in` for a single one, unless written.
fn comparisons(exception: &Exception) -> Result<Vec<String>, Trouble> {
    let name = &exception.name.value;
    let refuse = |reason: String| {
        Err(Trouble::new(
            exception.place.clone(),
            RefusalKind::Item,
            reason,
        ))
    };
    if exception.fields.is_empty() {
        return refuse(format!("exception '{name}' has no 'fields'"));
    }
    if exception.comparisons.is_empty() {
        let default = if exception.single { "in" } else { "=" };
        return Ok(vec![default.to_owned(); exception.fields.len()]);
    }
    if exception.comparisons.len() != exception.fields.len() {
        return refuse(format!(
            "exception '{name}' has {} fields and {} comps",
            exception.fields.len(),
            exception.comparisons.len()
        ));
    }
    if exception.single && !is_list_operator(&exception.comparisons[0].value) {
        return refuse(format!(
            "exception '{name}' compares one field: its comps must be in, pmatch or intersects"
        ));
    }
    Ok(exception
        .comparisons
        .iter()
        .map(|text| text.value.clone())
        .collect())
}

fn is_list_operator(operator: &str) -> bool {
    matches!(operator, "in" | "pmatch" | "intersects")
}

/// One alternative of an exception over several fields, as condition text.
fn tuple(
    exception: &Exception,
    comparisons: &[String],
    value: &ExceptionValue,
) -> Result<String, Trouble> {
    let refuse =
        |place: &Place, reason: String| Err(Trouble::new(place.clone(), RefusalKind::Item, reason));
    let name = &exception.name.value;
    let ExceptionValue::Many(values, place) = value else {
        let reason = format!("a value of exception '{name}' must be a list, one per field");
        return refuse(&exception.place, reason);
    };
    if values.len() != exception.fields.len() {
        let (have, want) = (values.len(), exception.fields.len());
        return refuse(
            place,
            format!("exception '{name}' has {want} fields, the value {have}"),
        );
    }
    let mut checks = Vec::new();
    for ((field, comparison), value) in exception.fields.iter().zip(comparisons).zip(values) {
        let right = match value {
            _ if is_list_operator(comparison) => list(std::slice::from_ref(value))?,
            ExceptionValue::One(text) => word(&text.value),
            ExceptionValue::Many(..) => {
                return refuse(place, format!("'{comparison}' takes one value, not a list"));
            }
        };
        checks.push(format!("{} {comparison} {right}", field.value));
    }
    Ok(checks.join(" and "))
}

/// Values as a list; a single list stands for its items.
fn list(values: &[ExceptionValue]) -> Result<String, Trouble> {
    let mut words = Vec::new();
    for value in values {
        match value {
            ExceptionValue::One(text) => words.push(word(&text.value)),
            ExceptionValue::Many(values, place) => {
                for value in values {
                    let ExceptionValue::One(text) = value else {
                        let reason = "a list within a list of values";
                        return Err(Trouble::new(place.clone(), RefusalKind::Item, reason));
                    };
                    words.push(word(&text.value));
                }
            }
        }
    }
    Ok(format!("({})", words.join(", ")))
}

/// A value as condition text: already quoted, a plain word, a transformer, or put in quotes.
fn word(value: &str) -> String {
    use super::super::falco::ast::{At, Word};
    if value.starts_with(['"', '\'', '(']) || parser::is_transformer(value) {
        return value.to_owned();
    }
    let text = value.to_owned();
    let (quoted, at) = (false, At(0));
    Word { text, quoted, at }.to_string()
}

/// Parses an alternative; what is wrong in it is reported at the exception.
fn resolve_tuple(
    text: &str,
    exception: &Exception,
    definitions: &Definitions,
) -> Result<Resolved, Trouble> {
    let expression: Expr = parser::parse(text).map_err(|error| Trouble {
        place: exception.place.clone(),
        kind: RefusalKind::Syntax,
        reason: format!("exception '{}': {}", exception.name.value, error.reason),
        hint: error.hint,
    })?;
    let origin: Rc<Text> = Rc::new(exception.name.clone());
    let expanded = resolve::expand(&expression, &origin, definitions)?;
    Ok(expanded.condition)
}
