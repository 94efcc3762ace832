//! Programs as the texts of roles and executions have them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::Origin;
use crate::baseline::generalise::path::Segments;

/// Most bytes of a program's path.
const MAX_PROGRAM: usize = 128;
/// Bytes of what stands for the rest of a longer one.
const MORE: usize = "{more:0123456789abcdef}".len();
/// Where programs are put that are not there for long, under names that are made up.
const TEMPORARY: [&[u8]; 4] = [b"/tmp/", b"/var/tmp/", b"/dev/shm/", b"/run/"];

/// Appends an executable with where it comes from.
///
/// One that was shipped keeps its name, `/usr/bin/python3.11`. Of one that was not, or that lies in a
/// directory for temporary files, whatever may be a number or made up is its type: a build in
/// `/tmp/go-build{n}` has the role that the one before it had.
pub(in crate::baseline) fn push_executable(text: &mut String, path: &[u8], origin: Origin) {
    let segments = Segments::of(path, None);
    let program = if origin.is_foreign() || is_temporary(path) {
        segments.general_text()
    } else {
        segments.to_string()
    };
    push_bounded(text, &program.replace(' ', "\\x20"));
    if origin.is_foreign() {
        let _ = write!(text, " [{}]", origin.word());
    }
}

/// Appends bytes so that one text stands for one value: what is not printable ASCII, the backslash
/// and the space are written as `\xNN`.
pub(in crate::baseline) fn push_escaped(text: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'\\' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

fn is_temporary(path: &[u8]) -> bool {
    TEMPORARY.iter().any(|folder| path.starts_with(folder))
}

/// Appends printable ASCII, with a digest for what is too much.
fn push_bounded(text: &mut String, program: &str) {
    if program.len() <= MAX_PROGRAM {
        text.push_str(program);
        return;
    }
    let (start, rest) = program.split_at(MAX_PROGRAM - MORE);
    let digest = Sha256::digest(rest);
    text.push_str(start);
    text.push_str("{more:");
    for byte in digest.iter().take(8) {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(path: &[u8], origin: Origin) -> String {
        let mut text = String::new();
        push_executable(&mut text, path, origin);
        text
    }

    #[test]
    fn what_was_shipped_keeps_its_name() {
        for path in ["/usr/bin/python3.11", "/opt/app-2.1/bin/x86", "/a"] {
            assert_eq!(text(path.as_bytes(), Origin::Image), path);
        }
        assert_eq!(text(b"/opt/a b/c\\", Origin::Image), "/opt/a\\x20b/c\\x5c");
        let path = b"/app/0123456789abcdef0123456789abcdef01234567/run";
        assert_eq!(text(path, Origin::Image), "/app/{hash40}/run");
    }

    #[test]
    fn what_is_made_up_is_its_type() {
        for (path, origin, expected) in [
            (
                "/tmp/go-build123/b001/exe/main",
                Origin::Image,
                "/tmp/go-build{n}/b{n}/exe/main",
            ),
            (
                "/tmp/go-build123/exe/main",
                Origin::Upper,
                "/tmp/go-build{n}/exe/main [upper]",
            ),
            ("/run/user/1000/a", Origin::Image, "/run/user/{n}/a"),
            ("/dev/shm/a7", Origin::Unlinked, "/dev/shm/a{n} [unlinked]"),
            ("/opt/app3", Origin::Upper, "/opt/app{n} [upper]"),
            ("/runner/app3", Origin::Image, "/runner/app3"),
            ("memfd:a1", Origin::Memfd, "memfd:a{n} [memfd]"),
        ] {
            assert_eq!(text(path.as_bytes(), origin), expected);
        }
        let run = |name: &str| text(format!("/tmp/_MEI{name}/app").as_bytes(), Origin::Image);
        assert_eq!(run("x1y2z3"), run("a9b8c7"));
    }

    #[test]
    fn long_paths_that_differ_have_texts_that_differ() {
        let of = |end: &str| {
            let path = ["/usr/lib/", &"long-name/".repeat(20), end].concat();
            text(path.as_bytes(), Origin::Image)
        };
        assert_ne!(of("a"), of("b"));
        assert_eq!(of("a").len(), MAX_PROGRAM);
    }

    proptest! {
        #[test]
        fn a_program_is_one_short_word(path in prop::collection::vec(any::<u8>(), 0..600)) {
            for origin in [Origin::Image, Origin::Upper] {
                let text = text(&path, origin);
                let program = text.strip_suffix(" [upper]").unwrap_or(&text);
                prop_assert!(program.len() <= MAX_PROGRAM);
                prop_assert!(program.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
