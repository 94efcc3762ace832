//! The shape of one value.

use std::net::{IpAddr, SocketAddr};

use crate::baseline::generalise::names::peer::PeerClass;
use crate::baseline::generalise::path::Segments;
use crate::baseline::generalise::text;
use crate::baseline::generalise::token::{self, Token};

/// What is neither short nor of a type.
pub(super) const WORD: &str = "{word}";
/// What its key calls a secret.
pub(super) const SECRET: &str = "{secret}";
/// The longest word that stays.
const MAX_WORD: usize = 24;
/// So many bytes of a word are looked at: more than a type takes.
const MAX_READ: usize = 256;
/// The longest host that stays.
const MAX_HOST: usize = 64;
/// The longest path of a command that stays.
const MAX_COMMAND: usize = 64;
/// Directories at the start of a path that say what kind of path it is.
const DIRECTORIES: usize = 2;
/// The longest key.
const MAX_KEY: usize = 32;
/// Parts of keys whose values are secrets, in small letters.
const SECRETS: [&[u8]; 8] = [
    b"passw",
    b"passphrase",
    b"pwd",
    b"secret",
    b"token",
    b"credential",
    b"apikey",
    b"api-key",
];

/// Whether a key says that its value is a secret.
pub(super) fn is_secret(key: &[u8]) -> bool {
    let key = key.to_ascii_lowercase();
    SECRETS
        .into_iter()
        .any(|part| key.windows(part.len()).any(|window| window == part))
}

/// The name of a program, without its directory; its version stays.
pub(super) fn program(path: &[u8]) -> String {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    short(Token::of(&name[..name.len().min(MAX_READ)]).name)
}

/// The word of a script that names a command: with its directory if it has one.
pub(super) fn command(word: &[u8]) -> String {
    if !word.contains(&b'/') {
        return self::word(word);
    }
    let path = Segments::of(word, None);
    let general = generals(&path).join("/");
    let slash = if word.starts_with(b"/") { "/" } else { "" };
    if general.len() > MAX_COMMAND || path.is_empty() {
        return self::path(word);
    }
    format!("{slash}{general}").replace(' ', "\\x20")
}

/// Any value.
pub(super) fn shape(value: &[u8]) -> String {
    if let Some((key, value)) = assignment(value) {
        let value = if is_secret(key.as_bytes()) && !value.is_empty() {
            SECRET.to_owned()
        } else {
            simple(value)
        };
        return format!("{key}={value}");
    }
    simple(value)
}

/// A key and its value.
pub(super) fn assignment(word: &[u8]) -> Option<(&str, &[u8])> {
    let equals = word.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&word[..equals], &word[equals + 1..]);
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_key = key.first().is_some_and(u8::is_ascii_alphabetic)
        && key.len() <= MAX_KEY
        && key.iter().all(named);
    let key = str::from_utf8(key).ok()?;
    is_key.then_some((key, value))
}

fn simple(value: &[u8]) -> String {
    if value.is_empty() {
        return "''".to_owned();
    }
    address(value)
        .or_else(|| url(value))
        .unwrap_or_else(|| match value.contains(&b'/') {
            true => path(value),
            false => word(value),
        })
}

/// A word: with its types if it has any and what is left of it is short.
fn word(word: &[u8]) -> String {
    short(Token::of(&word[..word.len().min(MAX_READ)]).general())
}

fn short(text: String) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'\'' | b'`');
    if text.len() <= MAX_WORD && !text.is_empty() && text.bytes().all(plain) {
        text
    } else {
        WORD.to_owned()
    }
}

fn path(value: &[u8]) -> String {
    let path = Segments::of(value, None);
    if path.guard().is_some() {
        return path.to_string().replace(' ', "\\x20");
    }
    let mut parts = generals(&path);
    let slash = if value.starts_with(b"/") { "/" } else { "" };
    let Some(last) = parts.pop() else {
        return if slash.is_empty() { "." } else { slash }.to_owned();
    };
    if slash == "/" && parts == ["dev"] {
        return format!("/dev/{}", word(last.as_bytes()));
    }
    parts.truncate(DIRECTORIES);
    let short = |part: &String| match part.len() {
        0..=MAX_WORD => part.replace(' ', "\\x20"),
        _ => WORD.to_owned(),
    };
    let mut shape: Vec<String> = parts.iter().map(short).collect();
    if slash.is_empty() && shape.is_empty() {
        shape.push(".".to_owned());
    }
    let extension = token::extension(last.as_bytes());
    shape.push(format!("{{any}}{}", text::string(extension)));
    format!("{slash}{}", shape.join("/"))
}

/// The names of a path in their most general form.
fn generals(path: &Segments) -> Vec<String> {
    (0..path.len())
        .filter_map(|at| path.part(at))
        .filter(|part| part.name != crate::baseline::generalise::path::RELATIVE)
        .map(|part| text::string(part.general()))
        .collect()
}

/// An address, with its port if it has one, as its class.
fn address(value: &[u8]) -> Option<String> {
    let value = str::from_utf8(value).ok()?;
    if let Ok(address) = value.parse::<IpAddr>() {
        return Some(format!("{{{}}}", PeerClass::of(address).name()));
    }
    if let Ok(address) = value.parse::<SocketAddr>() {
        let class = PeerClass::of(address.ip()).name();
        return Some(format!("{{{class}}}:{}", address.port()));
    }
    let (address, prefix) = value.split_once('/')?;
    let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
    Some(format!("{{{}}}/{prefix}", PeerClass::of(address).name()))
}

/// A URL: scheme, host and port stay.
fn url(value: &[u8]) -> Option<String> {
    let at = value.windows(3).position(|part| part == b"://")?;
    let (scheme, rest) = (&value[..at], &value[at + 3..]);
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if scheme.is_empty() || scheme.len() > 16 || !scheme.iter().all(named) {
        return None;
    }
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
    let user_end = authority.iter().rposition(|byte| *byte == b'@');
    let host = user_end.map_or(authority, |at| &authority[at + 1..]);
    let user = if user_end.is_some() { "{secret}@" } else { "" };
    let path = path.split(|byte| matches!(byte, b'?' | b'#')).next();
    let last = path.and_then(|path| path.rsplit(|byte| *byte == b'/').next());
    let rest = match (end, last) {
        (None, _) => String::new(),
        (Some(at), _) if rest[at..] == *b"/" => "/".to_owned(),
        (_, last) => {
            let last = Token::of(last.unwrap_or_default()).general();
            let extension = token::extension(last.as_bytes());
            format!("/{{any}}{}", text::string(extension))
        }
    };
    let scheme = scheme.to_ascii_lowercase();
    Some(format!(
        "{}://{user}{}{rest}",
        text::string(&scheme),
        url_host(host)
    ))
}

fn url_host(host: &[u8]) -> String {
    if let Some(class) = address(host.strip_prefix(b"[").map_or(host, |inner| {
        // An address of IPv6 without a port has brackets nonetheless.
        inner.strip_suffix(b"]").unwrap_or(host)
    })) {
        return class;
    }
    let named =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    if host.len() > MAX_HOST || !host.iter().all(named) {
        return WORD.to_owned();
    }
    text::string(&host.to_ascii_lowercase())
}
