//! Fields and transformers: looked up, checked, typed.

use std::rc::Rc;

use super::super::catalogue::{
    Argument, FieldArg, FieldId, FieldInfo, Kind, Lookup, NotEqual, look_up,
};
use super::super::falco::ast::{FieldRef, Operand, Transformer, Word};
use super::super::falco::items::Trouble;
use super::super::falco::source::{Place, Text};
use super::super::fields::evt::Evt;
use super::super::ir::{Source, Transform};
use super::super::report::RefusalKind;
use super::super::value::OwnedScalar;
use super::Compiler;

/// A source with its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) source: Source,
    pub(super) kind: Kind,
    /// The field itself, when nothing transforms it.
    pub(super) info: Option<&'static FieldInfo>,
    pub(super) place: Place,
    /// As written, for messages.
    pub(super) name: String,
}

/// `%container.info` in an output template.
pub(super) fn is_container_info(operand: &Operand) -> bool {
    matches!(operand, Operand::Field(field) if field.name == "container.info")
}

impl Compiler {
    /// Compiles an operand. A field that is known and cannot be read is refused in a condition and
    /// missing in an output.
    pub(super) fn operand(
        &mut self,
        operand: &Operand,
        text: &Rc<Text>,
        in_condition: bool,
    ) -> Result<Typed, Trouble> {
        match operand {
            Operand::Field(field) => self.field(field, text, in_condition),
            Operand::Transform {
                transformer,
                arguments,
                at,
            } => {
                let mut typed = Vec::new();
                for argument in flattened(arguments) {
                    typed.push(self.operand(argument, text, in_condition)?);
                }
                transform(*transformer, typed, text.place(at.0), operand.to_string())
            }
            Operand::Literal(word) => Ok(literal(word, text)),
            Operand::List(_) => Err(Trouble::new(
                text.start(),
                RefusalKind::Syntax,
                "a list may stand among the arguments of a transformer only",
            )),
        }
    }

    fn field(
        &mut self,
        field: &FieldRef,
        text: &Rc<Text>,
        in_condition: bool,
    ) -> Result<Typed, Trouble> {
        let place = text.place(field.at.0);
        let field = normalised(field);
        let typed = |source, kind, info| Typed {
            source,
            kind,
            info,
            place: place.clone(),
            name: field.to_string(),
        };
        match look_up(&field.name) {
            Lookup::Supported(info) => {
                let argument = argument(info, &field, &place)?;
                let source = match (&self.hostname, info.id) {
                    (Some(name), FieldId::Evt(Evt::Hostname)) => {
                        Source::Constant(OwnedScalar::Text(name.clone()))
                    }
                    (_, id) => Source::Field { id, argument },
                };
                Ok(typed(source, info.kind, Some(info)))
            }
            Lookup::Unsupported(_) if !in_condition => Ok(typed(Source::Absent, Kind::Text, None)),
            Lookup::Unsupported(reason) => Err(Trouble::new(
                place,
                RefusalKind::UnsupportedField,
                format!("field '{}' is not supported here: {reason}", field.name),
            )),
            Lookup::NoSuchField(near) => {
                let trouble = Trouble::new(
                    place,
                    RefusalKind::NoSuchField,
                    format!("there is no field '{}'", field.name),
                );
                Err(match near {
                    Some(near) => trouble.hint(format!("did you mean '{near}'?")),
                    None => trouble.hint("'gravlens rules fields' lists the fields"),
                })
            }
        }
    }
}

/// `evt.arg[x]` is `evt.arg.x`: arguments by name are fields of their own.
fn normalised(field: &FieldRef) -> FieldRef {
    match (field.name.as_str(), &field.argument) {
        ("evt.arg" | "evt.rawarg", Some(argument)) => FieldRef {
            name: format!("{}.{argument}", field.name),
            argument: None,
            at: field.at,
        },
        _ => field.clone(),
    }
}

fn argument(
    info: &FieldInfo,
    field: &FieldRef,
    place: &Place,
) -> Result<Option<FieldArg>, Trouble> {
    let refuse = |reason: &str| {
        let name = info.name;
        let reason = format!("field '{name}' {reason}");
        Err(Trouble::new(place.clone(), RefusalKind::Type, reason))
    };
    match (info.argument, &field.argument) {
        (Argument::Never | Argument::OptionalIndex | Argument::OptionalKey, None) => Ok(None),
        (Argument::Never, Some(_)) => refuse("takes nothing in brackets"),
        (Argument::Required, None) => refuse("needs something in brackets"),
        (_, Some(argument)) => match (argument.parse(), info.argument) {
            (Ok(index), _) => Ok(Some(FieldArg::Index(index))),
            (Err(_), Argument::OptionalIndex) => refuse("takes a number in brackets"),
            (Err(_), _) => Ok(Some(FieldArg::Text(argument.as_str().into()))),
        },
    }
}

fn literal(word: &Word, text: &Rc<Text>) -> Typed {
    Typed {
        source: Source::Constant(OwnedScalar::Text(word.text.as_bytes().into())),
        kind: Kind::Text,
        info: None,
        place: text.place(word.at.0),
        name: word.to_string(),
    }
}

/// Arguments with the items of lists in their place.
fn flattened(arguments: &[Operand]) -> Vec<&Operand> {
    let mut flat = Vec::new();
    for argument in arguments {
        match argument {
            Operand::List(items) => flat.extend(items),
            other => flat.push(other),
        }
    }
    flat
}

fn transform(
    transformer: Transformer,
    mut arguments: Vec<Typed>,
    place: Place,
    name: String,
) -> Result<Typed, Trouble> {
    let word = transformer.name();
    if let Some(argument) = arguments
        .iter()
        .find(|argument| has_several_values(argument))
    {
        let reason = format!("'{}' has several values, {word}() takes one", argument.name);
        return Err(Trouble::new(place, RefusalKind::Type, reason));
    }
    let typed = |source, kind| Typed {
        source,
        kind,
        info: None,
        place: place.clone(),
        name,
    };
    let single = match transformer {
        Transformer::ToLower => Transform::ToLower,
        Transformer::ToUpper => Transform::ToUpper,
        Transformer::B64 => Transform::DecodeBase64,
        Transformer::Basename => Transform::Basename,
        Transformer::Len => Transform::Len,
        Transformer::Join => {
            let separator = separator(&mut arguments, &place)?;
            return Ok(typed(joined(separator, arguments), Kind::Text));
        }
        Transformer::Concat => return Ok(typed(joined(Box::default(), arguments), Kind::Text)),
        Transformer::GetOpt => {
            let reason = "the transformer getopt() is not supported";
            return Err(Trouble::new(place, RefusalKind::UnsupportedFeature, reason)
                .hint("compare proc.args, or proc.args[n], instead"));
        }
    };
    let kind = match single {
        Transform::Len => Kind::Number,
        _ => Kind::Text,
    };
    let argument = only_text(arguments, word, &place)?;
    Ok(typed(
        Source::Transform(single, Box::new(argument.source)),
        kind,
    ))
}

fn joined(separator: Box<[u8]>, arguments: Vec<Typed>) -> Source {
    let parts = arguments
        .into_iter()
        .map(|argument| argument.source)
        .collect();
    Source::Join { separator, parts }
}

/// The one argument of a transformer that takes text.
fn only_text(arguments: Vec<Typed>, word: &str, place: &Place) -> Result<Typed, Trouble> {
    let refuse = |reason| Err(Trouble::new(place.clone(), RefusalKind::Type, reason));
    match <[Typed; 1]>::try_from(arguments) {
        Ok([argument]) if argument.kind == Kind::Text => Ok(argument),
        Ok([argument]) => {
            let kind = argument.kind.name();
            refuse(format!(
                "{word}() takes text, '{}' is a {kind}",
                argument.name
            ))
        }
        Err(arguments) => refuse(format!(
            "{word}() takes one argument, not {}",
            arguments.len()
        )),
    }
}

fn has_several_values(typed: &Typed) -> bool {
    let Some(info) = typed.info else { return false };
    let indexed = matches!(
        &typed.source,
        Source::Field {
            argument: Some(_),
            ..
        }
    );
    // `proc.args` without an index is one text.
    let plain = info.name == "proc.args";
    info.not_equal == NotEqual::All || (info.argument != Argument::Never && !indexed && !plain)
}

fn separator(arguments: &mut Vec<Typed>, place: &Place) -> Result<Box<[u8]>, Trouble> {
    if arguments.len() >= 2
        && let Source::Constant(OwnedScalar::Text(separator)) = &arguments[0].source
    {
        let separator = separator.clone();
        arguments.remove(0);
        return Ok(separator);
    }
    Err(Trouble::new(
        place.clone(),
        RefusalKind::Type,
        "join() takes a separator and then what it joins",
    )
    .hint("as in join(\",\", (proc.name, proc.pname))"))
}
