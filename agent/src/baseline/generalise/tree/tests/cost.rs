//! What a look-up costs.

use std::hint::black_box;

use super::*;

const KNOWN: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/perl-base/auto/Socket.so",
    "/var/lib/postgresql/15/main/base/16384/2619_fsm",
    "/home/user1/project/src/deep/file.rs",
    "/proc/77/task/78/fd/9",
];

fn known() -> Tree {
    let mut tree = tree(KNOWN);
    for number in 0..2000 {
        let directory = number % 40;
        let letters: String = (0..4)
            .map(|digit| char::from(b'a' + (number >> (3 * digit)) as u8 % 8))
            .collect();
        for path in [
            format!("/usr/lib/x86_64-linux-gnu/perl-base/auto/{letters}.so"),
            format!("/var/lib/postgresql/15/main/base/{directory}/{number}"),
        ] {
            tree.observe(&segments(path.as_bytes()));
        }
    }
    tree
}

#[test]
fn a_known_path_allocates_nothing() {
    let mut tree = known();
    let mut path = Segments::new();
    path.read(&[b'\xff'; 4096], None);
    path.read("/x1".repeat(80).as_bytes(), None);
    let info = allocation_counter::measure(|| {
        for text in KNOWN {
            path.read(text.as_bytes(), Some(77));
            assert!(black_box(tree.lookup(&path)).is_some());
            tree.observe(&path).0.merge(&1);
            assert_eq!(tree.observe(&path).1, Novelty::Known);
        }
    });
    assert_eq!(info.count_total, 0);
}
