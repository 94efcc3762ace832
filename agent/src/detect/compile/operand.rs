//! Fields and transformers: looked up, checked, typed.

use std::rc::Rc;

use super::super::catalogue::{
    Argument, FieldArg, FieldId, FieldInfo, Kind, Lookup, NotEqual, look_up,
};
use super::super::falco::ast::{FieldRef, Operand, Transformer, Word};
use super::super::falco::items::Trouble;
use super::super::falco::source::{Place, Text};
use super::super::fields::evt::Evt;
use super::super::fields::proc::Proc;
use super::super::getopt::Wanted;
use super::super::ir::{OptionSource, Source, Transform, Words};
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
    /// It is a list of texts, as `getopt()` gives.
    pub(super) list: bool,
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
                selector,
                at,
            } => {
                let mut typed = Vec::new();
                for argument in flattened(arguments) {
                    typed.push(self.operand(argument, text, in_condition)?);
                }
                let place = text.place(at.0);
                let name = operand.to_string();
                match transformer {
                    Transformer::GetOpt => options(typed, selector.as_deref(), place, name),
                    _ => transform(*transformer, typed, place, name),
                }
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
            list: false,
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
        list: false,
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
    let joins = transformer == Transformer::Join;
    if let Some(argument) = arguments
        .iter()
        .find(|argument| has_several_values(argument) && !(joins && argument.list))
    {
        let reason = format!("'{}' has several values, {word}() takes one", argument.name);
        return Err(Trouble::new(place, RefusalKind::Type, reason));
    }
    let typed = |source, kind| Typed {
        source,
        kind,
        info: None,
        list: false,
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
        Transformer::GetOpt => unreachable!("it is compiled by itself"),
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

/// `getopt()`: the words, then the letters that are options.
fn options(
    mut arguments: Vec<Typed>,
    selector: Option<&str>,
    place: Place,
    name: String,
) -> Result<Typed, Trouble> {
    let refuse = |reason: &str| {
        Err(Trouble::new(place.clone(), RefusalKind::Type, reason)
            .hint("as in getopt(proc.args, \"le:\")[e] = /bin/sh"))
    };
    let wanted = match selector.map(str::as_bytes) {
        None => Wanted::All,
        Some(&[letter]) => Wanted::Last(letter),
        Some(_) => return refuse("the brackets after getopt() hold one letter"),
    };
    let letters = arguments.pop();
    let Some(letters) = letters.filter(|_| !arguments.is_empty()) else {
        return refuse("getopt() takes the arguments and the letters of the options");
    };
    let text = |typed: &Typed| typed.kind == Kind::Text && !has_several_values(typed);
    if !arguments.iter().chain([&letters]).all(text) {
        return refuse("getopt() takes texts");
    }
    let words = match arguments.as_slice() {
        [only] if is_arguments(only) => Words::Arguments,
        _ => Words::Each(arguments.into_iter().map(|word| word.source).collect()),
    };
    Ok(Typed {
        source: Source::Options(Box::new(OptionSource {
            words,
            letters: letters.source,
            wanted,
        })),
        kind: Kind::Text,
        info: None,
        list: wanted == Wanted::All,
        place,
        name,
    })
}

/// `proc.args` without an index: the arguments one by one.
fn is_arguments(typed: &Typed) -> bool {
    let argument = match &typed.source {
        Source::Field { argument, .. } => argument,
        _ => return false,
    };
    let info = typed.info.map(|info| info.id);
    info == Some(FieldId::Proc(Proc::Args)) && argument.is_none()
}

fn has_several_values(typed: &Typed) -> bool {
    if typed.list {
        return true;
    }
    let Some(info) = typed.info else { return false };
    let indexed = matches!(
        &typed.source,
        Source::Field {
            argument: Some(_),
            ..
        }
    );
    // Without brackets these two are one text.
    let plain = matches!(info.name, "proc.args" | "proc.env");
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
