//! The shape of a command line.
//!
//! Flags stay, values become what they are: `nginx -g {word} -c /etc/nginx/{any}.conf`. Of a script
//! in the arguments of an interpreter stays what it does: `sh -c "cat /var/log/{any}.log | nc
//! {public} {n}"`. What looks like a secret by its key is `{secret}`, whatever it is. A shape has at
//! most [`MAX_SHAPE`] bytes, the last of them a digest of what did not fit.

mod digest;
mod interpreter;
mod script;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::interpreter::Language;

/// The longest shape.
pub const MAX_SHAPE: usize = 512;
/// The longest name of a flag; a longer one is `{word}`.
const MAX_FLAG: usize = 40;
/// Letters behind one dash that are flags or the name of one, and not the value of a flag.
const MAX_CLUSTER: usize = 16;
/// Digits behind a dash that are a flag, such as the signal in `kill -9`.
const MAX_NUMBER_FLAG: usize = 2;

/// The shape of a command line. Values of one shape that follow each other are one.
pub fn shape<A: AsRef<[u8]>>(argv: &[A]) -> String {
    let argv: Vec<&[u8]> = argv.iter().map(AsRef::as_ref).collect();
    let Some((program, arguments)) = argv.split_first() else {
        return String::new();
    };
    let script = interpreter::script(&argv);
    let mut items = vec![value::program(program)];
    let mut secret_next = false;
    for (at, argument) in arguments.iter().enumerate() {
        let item = match script {
            Some((place, language)) if place == at + 1 => quoted(argument, language),
            _ if secret_next => value::SECRET.to_owned(),
            _ => item(argument),
        };
        secret_next = is_flag(argument) && !item.contains('=') && value::is_secret(argument);
        let repeats = item.contains('{') && items.len() > 1 && items.last() == Some(&item);
        if !repeats {
            items.push(item);
        }
    }
    bounded(&items)
}

/// The program and its flags without their values, in order of their text: for commands that have
/// too many shapes.
pub fn flags_only<A: AsRef<[u8]>>(argv: &[A]) -> String {
    let argv: Vec<&[u8]> = argv.iter().map(AsRef::as_ref).collect();
    let Some((program, arguments)) = argv.split_first() else {
        return String::new();
    };
    let script = interpreter::script(&argv).map(|(place, _)| place);
    let flags: BTreeSet<String> = arguments
        .iter()
        .enumerate()
        .filter(|(at, argument)| is_flag(argument) && script != Some(at + 1))
        .map(|(_, argument)| flag_name(argument))
        .collect();
    let mut items = vec![value::program(program)];
    items.extend(flags);
    items.extend(script.map(|_| "{script}".to_owned()));
    bounded(&items)
}

fn is_flag(argument: &[u8]) -> bool {
    argument.len() > 1 && argument[0] == b'-'
}

fn item(argument: &[u8]) -> String {
    if !is_flag(argument) {
        return value::shape(argument);
    }
    let name = flag_name(argument);
    let rest = &argument[name.len().min(argument.len())..];
    if !argument.starts_with(name.as_bytes()) || rest.is_empty() {
        return name;
    }
    match rest.strip_prefix(b"=") {
        Some(_) if value::is_secret(name.as_bytes()) => format!("{name}={}", value::SECRET),
        Some(rest) => format!("{name}={}", value::shape(rest)),
        None => format!("{name}{}", value::shape(rest)),
    }
}

/// The flag in an argument, without a value that is joined to it.
fn flag_name(argument: &[u8]) -> String {
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let whole = argument.split(|byte| *byte == b'=').next();
    let whole = whole.unwrap_or(argument);
    let length = match whole {
        [b'-', b'-', rest @ ..] if rest.iter().all(name) && rest.len() <= MAX_FLAG => whole.len(),
        [b'-', b'-', ..] => return format!("--{}", value::WORD),
        [b'-', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => {
            if rest.len() > MAX_NUMBER_FLAG {
                return "-{n}".to_owned();
            }
            whole.len()
        }
        [b'-', rest @ ..]
            if rest.len() <= MAX_CLUSTER && rest.iter().all(u8::is_ascii_alphabetic) =>
        {
            whole.len()
        }
        [b'-', first, ..] if first.is_ascii_alphabetic() => 2,
        _ => return format!("-{}", value::WORD),
    };
    whole[..length].iter().copied().map(char::from).collect()
}

fn quoted(script: &[u8], language: Language) -> String {
    format!("\"{}\"", script::shape(script, language))
}

/// The items with spaces between them; what does not fit as a digest.
fn bounded(items: &[String]) -> String {
    let whole = items.join(" ");
    if whole.len() <= MAX_SHAPE {
        return whole;
    }
    let cut = MAX_SHAPE - digest::LENGTH;
    let (kept, rest) = whole.split_at(whole.floor_char_boundary(cut));
    format!("{kept}{}", digest::of(rest.as_bytes()))
}
