use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::baseline::generalise::path::{Segments, path_text};
use crate::baseline::generalise::text;

mod cost;

impl Merge for u64 {
    fn merge(&mut self, other: &Self) {
        *self |= other;
    }
}

type Tree = PathTree<u64>;

fn segments(path: &[u8]) -> Segments {
    Segments::of(path, Some(77))
}

fn tree<P: AsRef<[u8]>>(paths: impl IntoIterator<Item = P>) -> Tree {
    let mut tree = Tree::new();
    for path in paths {
        let path = path.as_ref();
        let bit = path
            .iter()
            .fold(7u8, |sum, byte| sum.wrapping_mul(31) ^ byte)
            % 64;
        tree.observe(&segments(path)).0.merge(&(1 << bit));
    }
    tree
}

fn exported(tree: &Tree) -> Vec<(String, u64)> {
    tree.patterns()
        .map(|(text, value)| (text, *value))
        .collect()
}

fn imported(patterns: &[(String, u64)]) -> Tree {
    let mut tree = Tree::new();
    for (text, value) in patterns {
        let path = Segments::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        tree.observe(&path).0.merge(value);
    }
    tree
}

fn merged(one: &Tree, other: &Tree) -> Tree {
    let mut all = Tree::new();
    all.merge(one);
    all.merge(other);
    all
}

fn texts(tree: &Tree) -> Vec<String> {
    tree.patterns().map(|(text, _)| text).collect()
}

/// Everything about a tree, its size counted anew.
fn whole(tree: &Tree) -> (Vec<(String, u64)>, Size) {
    fn count(node: &Node<u64>) -> Size {
        let mut size = Size::default();
        assert_eq!(
            node.coarse,
            node.children
                .iter()
                .any(|child| child.key.starts_with(b"{any}"))
        );
        for child in &node.children {
            size.add_all(Size {
                nodes: 1,
                text: child.text(),
            });
            size.add_all(count(&child.node));
        }
        size
    }
    let size = count(&tree.root);
    assert_eq!(size, tree.size);
    (exported(tree), size)
}

#[test]
fn three_values_of_a_shape_are_one_pattern() {
    let mut tree = tree(["/data/base/1/100", "/data/base/2/100", "/data/base/pg"]);
    assert_eq!(
        texts(&tree),
        ["/data/base/1/100", "/data/base/2/100", "/data/base/pg"]
    );
    assert_eq!(
        tree.observe(&segments(b"/data/base/3/5")).1,
        Novelty::Promoted
    );
    assert_eq!(
        texts(&tree),
        ["/data/base/pg", "/data/base/{n}/100", "/data/base/{n}/5"]
    );
    assert_eq!(
        tree.observe(&segments(b"/data/base/9/100")).1,
        Novelty::Known
    );
    assert_eq!(
        tree.observe(&segments(b"/data/base/9/6")).1,
        Novelty::Promoted
    );
    assert_eq!(texts(&tree), ["/data/base/pg", "/data/base/{n}/{n}"]);
    assert_eq!(tree.observe(&segments(b"/data/base/9/x")).1, Novelty::New);
}

#[test]
fn libraries_and_names_of_letters_never_become_a_pattern() {
    let paths = ["a", "b", "c", "d"].map(|name| format!("/lib/lib{name}.so.1"));
    assert_eq!(texts(&tree(&paths)), paths);
    let paths = ["alpha", "beta", "delta", "gamma"].map(|name| format!("/srv/{name}"));
    assert_eq!(texts(&tree(&paths)), paths);
    let versions = tree(["/l/libz.so.1", "/l/libz.so.2", "/l/libz.so.3"]);
    assert_eq!(texts(&versions), ["/l/libz.so.{n}"]);
    assert!(versions.lookup(&segments(b"/l/libevil.so.1")).is_none());
}

#[test]
fn guarded_paths_stay_as_they_are() {
    let mut tree = tree([
        "/home/user1/.ssh/authorized_keys",
        "/home/user2/.ssh/authorized_keys",
        "/home/user3/.ssh/authorized_keys",
        "/home/user1/x",
        "/home/user2/x",
        "/home/user3/x",
    ]);
    assert_eq!(
        texts(&tree),
        [
            "/home/user1/.ssh/authorized_keys",
            "/home/user2/.ssh/authorized_keys",
            "/home/user3/.ssh/authorized_keys",
            "/home/user{n}/x",
        ]
    );
    assert!(tree.lookup(&segments(b"/home/user4/x")).is_some());
    assert!(
        tree.lookup(&segments(b"/home/user4/.ssh/authorized_keys"))
            .is_none()
    );
    tree.coarsen(1);
    assert_eq!(texts(&tree).len(), 4);
    assert!(tree.lookup(&segments(b"/home/anyone/y")).is_some());
    assert!(
        tree.lookup(&segments(b"/home/anyone/.ssh/id_rsa"))
            .is_none()
    );
    let known = segments(b"/home/user2/.ssh/authorized_keys");
    assert!(tree.lookup(&known).is_some());
    assert_eq!(
        tree.observe(&segments(b"/home/user5/.bashrc")).1,
        Novelty::New
    );
}

#[test]
fn coarse_directories_keep_extensions() {
    let mut tree = tree([
        "/a/b/c/x.log",
        "/a/b/d/y.log",
        "/a/b/e",
        "/a/f",
        "/a/b/z.so.1",
    ]);
    let before = tree.bytes();
    assert_eq!(tree.coarsen(2), 4);
    assert_eq!(texts(&tree), ["/a/b/{any}", "/a/b/{any}.log", "/a/f"]);
    assert!(tree.bytes() < before);
    assert!(tree.lookup(&segments(b"/a/b/c/new/n.log")).is_some());
    assert!(tree.lookup(&segments(b"/a/b/n.txt")).is_none());
    assert_eq!(tree.observe(&segments(b"/a/b/n.txt")).1, Novelty::New);
    assert_eq!(tree.observe(&segments(b"/a/b/m/k.txt")).1, Novelty::Known);
}

#[test]
fn a_new_path_is_explained_by_the_nearest_pattern() {
    let tree = tree([
        "/etc/nginx/conf.d/default.conf",
        "/etc/nginx/mime.types",
        "/var/log/nginx/access.log",
        "/var/log/nginx/access.log.1",
        "/var/log/nginx/access.log.2",
        "/var/log/nginx/access.log.3",
    ]);
    let nearest = |path: &str| tree.nearest(&segments(path.as_bytes())).unwrap();
    let found = nearest("/etc/nginx/conf.d/evil.conf");
    assert_eq!(found.pattern, "/etc/nginx/conf.d/default.conf");
    assert_eq!(
        (found.matched, found.diverging.as_deref()),
        (3, Some("evil.conf"))
    );
    let found = nearest("/var/log/nginx/error.log");
    assert_eq!(found.pattern, "/var/log/nginx/access.log");
    let found = nearest("/var/log/nginx/access.log.9");
    assert_eq!(found.pattern, "/var/log/nginx/access.log.{n}");
    assert_eq!((found.matched, found.diverging), (4, None));
    let found = nearest("/etc/nginx");
    assert_eq!((found.matched, found.diverging), (2, None));
    assert_eq!(Tree::new().nearest(&segments(b"/x")), None);
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&[u8]> = vec![
        b"1",
        b"2",
        b"3",
        b"4",
        b"44",
        b"a",
        b"b",
        b"user1",
        b"user2",
        b"user3",
        b"x.log",
        b"y.log",
        b"1.log",
        b"2.log",
        b"3.log",
        b".ssh",
        b"id_1",
        b"id_2",
        b"id_3",
        b"{n}",
        b"\xff\\",
        b"tmp.aB3dE9",
        b"tmp.aB3dE8",
        b"tmp.xY3dE9",
        b"tmp.aBcDeF",
        b"deadbee1",
        b"deadbee2",
        b"deadbee3",
        b"proc",
        b"77",
        b"mem",
        b"task",
        b"fd",
        b"..2024_01_02_03_04_05.6",
        b"2024-01-02.1",
        b"2024-01-03.2",
        b"2024-01-03.3",
        b"..",
        b"access.log.1",
        b"d2c1a7f6-1b1c-4c0e-8f5e-0123456789ab",
        b"kubernetes.io",
        b"serviceaccount",
        b"{any}",
    ];
    prop_oneof![
        20 => prop::sample::select(known).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..9),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let deep = (name(), 60..70usize).prop_map(|(name, times)| vec![name; times]);
    let names = prop_oneof![30 => prop::collection::vec(name(), 0..5), 1 => deep];
    (names, prop::bool::weighted(0.9)).prop_map(|(names, absolute)| {
        let start: &[u8] = if absolute { b"/" } else { b"" };
        [start, &names.join(&b'/')].concat()
    })
}

fn paths() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(path(), 0..40)
}

/// Paths, some of them in a tree that was made coarse.
fn grown() -> impl Strategy<Value = Tree> {
    (paths(), prop::option::weighted(0.3, 1..4usize), paths()).prop_map(|(first, depth, then)| {
        let mut grown = tree(first);
        if let Some(depth) = depth {
            grown.coarsen(depth);
        }
        grown.merge(&tree(then));
        grown
    })
}

/// The patterns by their definition: the rules of promotion applied to all paths at once, until
/// none does.
fn naive(paths: &[Vec<u8>]) -> Vec<String> {
    let mut left: Vec<Vec<(Vec<u8>, Vec<u8>)>> = paths
        .iter()
        .map(|path| {
            let path = segments(path);
            let parts = (0..path.len()).map_while(|at| path.part(at));
            parts
                .map(|part| {
                    let shape = if part.form == crate::baseline::generalise::path::Form::Value {
                        part.shape.to_vec()
                    } else {
                        Vec::new()
                    };
                    (part.name.to_vec(), shape)
                })
                .collect()
        })
        .collect();
    loop {
        let mut values = BTreeMap::<_, std::collections::BTreeSet<Vec<u8>>>::new();
        for path in &left {
            for (at, (name, shape)) in path.iter().enumerate() {
                if !shape.is_empty() {
                    let parent: Vec<_> = path[..at].to_vec();
                    values
                        .entry((parent, shape.clone()))
                        .or_default()
                        .insert(name.clone());
                }
            }
        }
        let Some(((parent, shape), _)) = values.into_iter().find(|(_, names)| names.len() > 2)
        else {
            break;
        };
        // A shape is a child of its own, which takes every later value.
        let mut replaced = false;
        for path in &mut left {
            if path.len() > parent.len()
                && path[..parent.len()] == parent[..]
                && path[parent.len()].1 == shape
            {
                path[parent.len()] = (shape.clone(), Vec::new());
                replaced = true;
            }
        }
        assert!(replaced);
    }
    // Values that a promotion further up brought beside a shape.
    loop {
        let mut changed = false;
        let all = left.clone();
        for path in &mut left {
            for at in 0..path.len() {
                let (parent, (_, shape)) = (path[..at].to_vec(), path[at].clone());
                let beside = |other: &Vec<(Vec<u8>, Vec<u8>)>| {
                    other.len() > at && other[..at] == parent[..] && other[at].0 == shape
                };
                if !shape.is_empty() && all.iter().any(beside) {
                    path[at] = (shape, Vec::new());
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    let mut texts: Vec<String> = left
        .into_iter()
        .map(|path| {
            let names: Vec<u8> = path
                .into_iter()
                .enumerate()
                .flat_map(|(at, (name, _))| {
                    let slash: &[u8] = if at == 0 && name == b"{relative}" {
                        b""
                    } else {
                        b"/"
                    };
                    [slash, &name].concat()
                })
                .collect();
            text::string(path_text(&names))
        })
        .collect();
    texts.sort();
    texts.dedup();
    texts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_order_of_insertion_does_not_matter(
        (paths, shuffled) in paths().prop_flat_map(|paths| {
            (Just(paths.clone()), Just(paths).prop_shuffle())
        }),
        cut in 0..40usize,
    ) {
        let all = tree(&paths);
        prop_assert_eq!(whole(&all), whole(&tree(&shuffled)));
        let (one, other) = shuffled.split_at(cut.min(shuffled.len()));
        prop_assert_eq!(whole(&all), whole(&merged(&tree(other), &tree(one))));
        for path in &paths {
            let path = segments(path);
            prop_assert!(all.lookup(&path).is_some(), "{}", path);
            prop_assert_eq!(all.nearest(&path).unwrap().matched, path.len());
        }
    }

    #[test]
    fn merging_is_a_join(one in grown(), other in grown(), third in grown()) {
        prop_assert_eq!(whole(&merged(&one, &other)), whole(&merged(&other, &one)));
        prop_assert_eq!(
            whole(&merged(&merged(&one, &other), &third)),
            whole(&merged(&one, &merged(&other, &third)))
        );
        prop_assert_eq!(whole(&merged(&one, &one)), whole(&one));
        let both = merged(&one, &other);
        prop_assert_eq!(whole(&merged(&both, &other)), whole(&both));
    }

    #[test]
    fn what_is_exported_is_imported_the_same(tree in grown(), depth in 0..5usize) {
        let mut tree = tree;
        let exported = exported(&tree);
        prop_assert_eq!(whole(&imported(&exported)), whole(&tree));
        for (text, _) in &exported {
            prop_assert_eq!(&Segments::parse(text).unwrap().to_string(), text);
        }
        tree.coarsen(depth);
        prop_assert_eq!(whole(&imported(&self::exported(&tree))), whole(&tree));
        let coarse = whole(&tree);
        tree.coarsen(depth);
        prop_assert_eq!(coarse, whole(&tree));
    }

    #[test]
    fn coarse_trees_know_what_they_knew(paths in paths(), depth in 0..5usize, new in path()) {
        let mut tree = tree(&paths);
        let new = segments(&new);
        let known = tree.lookup(&new).is_some();
        tree.coarsen(depth);
        for path in &paths {
            prop_assert!(tree.lookup(&segments(path)).is_some());
        }
        if !known && new.guard().is_some() {
            prop_assert!(tree.lookup(&new).is_none(), "{}", new);
        }
    }

    #[test]
    fn patterns_take_no_names_of_letters(
        tree in paths().prop_map(tree),
        parent in paths(),
        letters in "[a-zA-Z]{1,20}",
    ) {
        for parent in &parent {
            let path = segments(&[parent.as_slice(), b"/", letters.as_bytes()].concat());
            if path.len() < crate::baseline::generalise::path::MAX_SEGMENTS
                && tree.lookup(&path).is_some() {
                prop_assert!(
                    texts(&tree).iter().any(|text| text.rsplit('/').next() == Some(&letters)),
                    "{}", path
                );
            }
        }
    }

    #[test]
    fn it_is_the_closure_of_its_rules(mut paths in paths()) {
        // A deep path has an `{any}`, of which that definition knows nothing.
        paths.retain(|path| segments(path).len() < crate::baseline::generalise::path::MAX_SEGMENTS);
        prop_assert_eq!(texts(&tree(&paths)), naive(&paths));
    }
}
