//! Profiles that no workload has.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::baseline::class::Class;
use crate::baseline::drift::Version;
use crate::baseline::evidence::Seen;
use crate::baseline::evidence::tests::{exposures, seen};
use crate::baseline::generalise::path::Segments;
use crate::baseline::lock::tests::locks;
use crate::baseline::profile::{Found, Objects, Phase, Profile};
use crate::baseline::role::Role;

/// A profile in the making.
#[derive(Default)]
pub(in crate::baseline) struct Builder {
    pub(in crate::baseline) profile: Profile,
}

impl Builder {
    /// Adds a version before any behaviour has one.
    pub(in crate::baseline) fn version(&mut self, made: u64, digest: u128) {
        let _ = self.profile.versions.add(Version { made, digest });
    }

    /// Adds a behaviour, by its path as the kernel tells it or by its text.
    pub(in crate::baseline) fn add(
        &mut self,
        role: &str,
        phase: Phase,
        class: Class,
        object: impl AsRef<[u8]>,
        seen: &Seen,
    ) {
        let object = object.as_ref();
        let path = Segments::of(object, Some(77));
        let text = String::from_utf8_lossy(object);
        let found = if class.is_of_files() {
            Found::Path(&path)
        } else {
            Found::Text(&text)
        };
        let behaviours = self.profile.roles.entry(Role::from_text(role)).or_default();
        behaviours.entry(phase, class).put(found, seen);
    }
}

/// Pieces that have a meaning in YAML, in files or in patterns.
const PIECES: [&str; 41] = [
    "a",
    "b",
    "1",
    "2",
    "3",
    "4",
    "x1.so",
    "x2.so",
    "x3.so",
    "deadbeef",
    "/",
    "/",
    "/",
    "/",
    "/etc/",
    "shadow",
    "/proc/42/mem",
    "{n}",
    "{any}",
    "\\x7b",
    "'",
    "\"",
    "\\",
    ": ",
    ":",
    " #",
    "#",
    "- ",
    "-",
    "?",
    "!",
    "&",
    "*",
    "|",
    ">",
    "%",
    "@",
    " ",
    "\n",
    "\u{85}",
    "\u{202e}",
];

/// Words that readers take for something else than text, or that are hard to quote.
const WORDS: [&str; 21] = [
    "true",
    "No",
    "null",
    "~",
    "y",
    "1e3",
    "0x10",
    ".inf",
    "---",
    "...",
    "<<",
    "=",
    "2020-01-01",
    "unseen",
    "[a]",
    "{a: b}",
    "\u{feff}",
    "key:",
    " a",
    "a ",
    "\t",
];

/// Texts with what is hard to quote, and words that readers take for something else.
pub(in crate::baseline) fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => vec(select(&PIECES[..]), 0..6).prop_map(|pieces| pieces.concat()),
        1 => select(&WORDS[..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => vec(any::<char>(), 0..8).prop_map(String::from_iter),
        1 => (0..3_000_usize).prop_map(|length| "long ".repeat(length / 5)),
    ]
}

fn paths() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(select(&PIECES[..]), 0..8).prop_map(|pieces| {
            [b"/", pieces.concat().as_bytes()].concat()
        }),
        4 => (select(&["/a/", "/b/c/", "/", "x/"][..]), 0..9_u8, select(&["", ".so", "/d"][..]))
            .prop_map(|(start, number, end)| format!("{start}{number}{end}").into_bytes()),
        1 => vec(any::<u8>(), 0..40),
        1 => (0..80_usize).prop_map(|depth| b"/d/1".repeat(depth)),
    ]
}

fn roles() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(&["root uid0 /bin/a", "outsider user /bin/sh > /bin/ls [upper]"][..])
            .prop_map(str::to_owned),
        1 => texts().prop_filter("a role has a name", |role| !role.is_empty()),
    ]
}

/// Profiles of few roles, classes and paths, so that they meet, and with anything else besides.
pub(in crate::baseline) fn profiles() -> impl Strategy<Value = Profile> {
    let behaviours = (
        roles(),
        select(&Phase::ALL[..]),
        select(
            &[
                Class::FileRead,
                Class::FileRead,
                Class::Library,
                Class::Exec,
                Class::Dns,
            ][..],
        ),
        paths(),
        texts(),
        seen(),
    );
    let coarse = prop_oneof![3 => Just(None), 1 => (0..3_usize).prop_map(Some)];
    (
        vec(behaviours, 0..14),
        exposures(),
        vec(0..80_u64, 0..70),
        locks(),
        coarse,
    )
        .prop_map(|(behaviours, exposure, versions, locks, coarse)| {
            let mut builder = Builder::default();
            builder.profile.exposure = exposure;
            builder.profile.locks = locks;
            for made in versions {
                builder.version(made, u128::from(made) << 100);
            }
            for (role, phase, class, path, text, seen) in &behaviours {
                if class.is_of_files() {
                    builder.add(role, *phase, *class, path, seen);
                } else {
                    builder.add(role, *phase, *class, text, seen);
                }
            }
            if let Some(depth) = coarse {
                coarsen(&mut builder.profile, depth);
            }
            builder.profile
        })
}

/// Makes one class of every role coarser.
fn coarsen(profile: &mut Profile, depth: usize) {
    for behaviours in profile.roles.values_mut() {
        if let Some(Objects::Paths(tree)) = behaviours.get_mut(Phase::Run, Class::FileRead) {
            tree.coarsen(depth);
        }
    }
}
