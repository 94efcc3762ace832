//! Identifiers of more than one word, and those that follow letters.

use super::{Type, ends_at};

/// What precedes the random suffix of a pod's token volume.
pub(super) const KUBERNETES_VOLUME: &[u8] = b"kube-api-access-";
const SUFFIX: usize = 5;
/// Digits of a UUID between its separators.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// An identifier whose first word begins there: bytes before it that are literal, its end and its
/// type.
pub(super) fn at(text: &[u8], at: usize) -> Option<(usize, usize, Type)> {
    if let Some(end) = uuid(text, at) {
        return Some((0, end, Type::Uuid));
    }
    // The slice of a pod in the cgroup file system: `pod` and its uid, in one word.
    const POD: &[u8] = b"pod";
    let rest = &text[at..];
    if rest.starts_with(POD) {
        let uid = at + POD.len();
        let dashed = uuid(text, uid).map(|end| (POD.len(), end, Type::Uuid));
        return dashed.or_else(|| {
            let end = uid + 32;
            let bare = hexadecimal(text, uid, end) && ends_at(text, end);
            bare.then_some((POD.len(), end, Type::Hash32))
        });
    }
    if at == 0 && rest.starts_with(KUBERNETES_VOLUME) {
        let start = KUBERNETES_VOLUME.len();
        let suffix = rest.get(start..start + SUFFIX)?;
        let made_up = suffix
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        return (made_up && ends_at(text, start + SUFFIX)).then_some((
            start,
            start + SUFFIX,
            Type::Suffix,
        ));
    }
    None
}

fn uuid(text: &[u8], start: usize) -> Option<usize> {
    let separator = *text.get(start + GROUPS[0])?;
    if !matches!(separator, b'-' | b'_') {
        return None;
    }
    let mut at = start;
    for (group, digits) in GROUPS.into_iter().enumerate() {
        if group > 0 {
            if text.get(at) != Some(&separator) {
                return None;
            }
            at += 1;
        }
        if !hexadecimal(text, at, at + digits) {
            return None;
        }
        at += digits;
    }
    ends_at(text, at).then_some(at)
}

fn hexadecimal(text: &[u8], start: usize, end: usize) -> bool {
    text.get(start..end)
        .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}
