//! What the sensor tells of each deed, field by field: needs root and a kernel with BTF, and no
//! container engine.
//!
//! `cargo test -p integration-test --release --test sensor -- --test-threads=1 --nocapture [FILTER]`
//!
//! One agent serves all tests, scoped to a cgroup of this program. Each test runs its offender in
//! a cgroup of its own below that one; what is seen there has to be what was expected, all of it
//! and nothing besides.

use std::process::ExitCode;
use std::sync::Arc;

use integration_test::selection::Selection;
use integration_test::undo;
use libtest_mimic::{Arguments, Failed, Trial};

#[path = "sensor/accounts.rs"]
mod accounts;
#[path = "sensor/ancestry.rs"]
mod ancestry;
#[path = "sensor/approvers.rs"]
mod approvers;
#[path = "sensor/arguments.rs"]
mod arguments;
#[path = "sensor/bench.rs"]
mod bench;
#[path = "sensor/blind_spots.rs"]
mod blind_spots;
#[path = "sensor/dns.rs"]
mod dns;
#[path = "sensor/identities.rs"]
mod identities;
#[path = "sensor/images.rs"]
mod images;
#[path = "sensor/node.rs"]
mod node;
#[path = "sensor/paths.rs"]
mod paths;
#[path = "sensor/races.rs"]
mod races;
#[path = "sensor/sockets.rs"]
mod sockets;
#[path = "sensor/verifier.rs"]
mod verifier;

use bench::Bench;

type Test = fn(&Bench) -> anyhow::Result<()>;

fn main() -> ExitCode {
    let selection = Selection::new(std::env::args());
    let mut arguments = Arguments::from_iter(&selection.options);
    // One agent watches them all, and a busy machine would change what races find.
    arguments.test_threads = Some(1);
    let mut tests = all();
    if let Err(error) = selection.apply(&mut tests, arguments.exact) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(&tests, None)).exit_code();
    }
    let bench = match Bench::start() {
        Ok(bench) => Arc::new(bench),
        Err(error) => {
            undo::yield_to_interruption();
            eprintln!("the suite cannot run: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let conclusion = libtest_mimic::run(&arguments, trials(&tests, Some(&bench)));
    let ended = Arc::into_inner(bench).map_or(Ok(()), Bench::finish);
    undo::yield_to_interruption();
    if let Err(error) = ended {
        eprintln!("after the last test: {error:#}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn all() -> Vec<(&'static str, Test)> {
    let mut tests = [
        blind_spots::TESTS,
        verifier::TESTS,
        arguments::TESTS,
        paths::TESTS,
        images::TESTS,
        ancestry::TESTS,
        sockets::TESTS,
        dns::TESTS,
        identities::TESTS,
        races::TESTS,
        accounts::TESTS,
        approvers::TESTS,
    ]
    .concat();
    if integration_test::machine::is_ours() {
        tests.extend(node::TESTS);
    }
    tests
}

fn trials(tests: &[(&'static str, Test)], bench: Option<&Arc<Bench>>) -> Vec<Trial> {
    let trial = |&(name, test): &(&'static str, Test)| {
        let bench = bench.cloned();
        Trial::test(name, move || match &bench {
            Some(bench) => test(bench).map_err(|error| Failed::from(format!("{error:#}"))),
            None => Ok(()),
        })
    };
    tests.iter().map(trial).collect()
}
