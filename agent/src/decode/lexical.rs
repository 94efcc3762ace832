//! Paths without `.`, `..` and repeated slashes.
//!
//! Lexical: `..` after a symbolic link is resolved as if the link were a directory, since what it
//! pointed to at the time of the call cannot be asked any more.

use std::borrow::Cow;

/// The path without its relative components; borrowed when it has none.
///
/// Of a path that does not begin at the root, a `..` that leads above its beginning stays.
pub(crate) fn resolved(path: &[u8]) -> Cow<'_, [u8]> {
    if is_resolved(path) {
        return Cow::Borrowed(path);
    }
    let absolute = path.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for component in components(path) {
        match component {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|last| *last != b"..") => {
                kept.pop();
            }
            b".." if absolute => {}
            _ => kept.push(component),
        }
    }
    let mut whole = kept.join(&b'/');
    if absolute {
        whole.insert(0, b'/');
    } else if whole.is_empty() {
        whole.push(b'.');
    }
    Cow::Owned(whole)
}

/// An absolute path below a root that its `..` do not leave.
pub(super) fn below<'a>(root: &[u8], path: &'a [u8]) -> Cow<'a, [u8]> {
    let resolved = resolved(path);
    let root = root.strip_suffix(b"/").unwrap_or(root);
    match (root, &*resolved) {
        (b"", _) => resolved,
        (_, b"/") => Cow::Owned(root.to_vec()),
        _ => Cow::Owned([root, &resolved].concat()),
    }
}

/// Nothing is to be done: the usual case costs no allocation.
fn is_resolved(path: &[u8]) -> bool {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    relative.is_empty() || components(relative).all(|part| !matches!(part, b"" | b"." | b".."))
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn relative_components_are_resolved() {
        for (path, expected) in [
            ("/etc/passwd", "/etc/passwd"),
            ("/", "/"),
            ("", ""),
            ("/usr/bin/../../etc/./shadow", "/etc/shadow"),
            ("/../../etc/shadow", "/etc/shadow"),
            ("/etc//shadow/", "/etc/shadow"),
            ("/..", "/"),
            ("/etc/..", "/"),
            ("a/../b", "b"),
            ("a/..", "."),
            ("../a", "../a"),
            ("a/../../../b", "../../b"),
            ("/etc/..shadow", "/etc/..shadow"),
        ] {
            let found = resolved(path.as_bytes());
            assert_eq!(found, expected.as_bytes(), "{path}");
        }
    }

    #[test]
    fn a_root_is_not_left() {
        for (root, path, expected) in [
            ("", "/../etc", "/etc"),
            ("/", "/etc", "/etc"),
            ("/srv/jail", "/../../etc/./shadow", "/srv/jail/etc/shadow"),
            ("/srv/jail", "/..", "/srv/jail"),
        ] {
            let found = below(root.as_bytes(), path.as_bytes());
            assert_eq!(found, expected.as_bytes(), "{root} {path}");
        }
    }

    #[test]
    fn a_path_that_needs_nothing_is_borrowed() {
        assert!(matches!(resolved(b"/etc/passwd"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn resolving_twice_changes_nothing(path in "/?[a./]{0,24}") {
            let once = resolved(path.as_bytes()).into_owned();
            prop_assert_eq!(once.starts_with(b"/"), path.starts_with('/'));
            prop_assert_eq!(&*resolved(&once), &*once);
        }
    }
}
