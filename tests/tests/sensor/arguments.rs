//! Arguments come whole up to the limit.

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::{Bench, comm, entered};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("arguments::a_thousand_are_whole", thousand),
    ("arguments::all_that_fits_is_whole", fits),
    ("arguments::one_byte_more_is_cut_and_told", cut),
    (
        "arguments::bytes_that_are_no_text_can_be_recovered",
        no_text,
    ),
];

const PROGRAM: &str = "/bin/true";
/// Bytes of arguments that the sensor captures, the zero after each included.
const LIMIT: usize = 32 * 1024;

fn thousand(bench: &Bench) -> Result<()> {
    let words = (1..1_000).map(|number| number.to_string());
    bench.expect(&Offence::program(PROGRAM).args(words), ended)
}

fn ended(_: &integration_test::offence::Told) -> Result<Vec<Expectation>> {
    Ok(vec![Expectation::exited(0)])
}

/// One argument that fills the room, and so many bytes more.
fn long(more: usize) -> String {
    let zeros = 2;
    "x".repeat(LIMIT - PROGRAM.len() - zeros + more)
}

fn fits(bench: &Bench) -> Result<()> {
    bench.expect(&Offence::program(PROGRAM).arg(long(0)), ended)
}

fn cut(bench: &Bench) -> Result<()> {
    let offence = Offence::program(PROGRAM).arg(long(1));
    let (told, seen) = bench.seen(&offence)?;
    let kept = long(0) + "x";
    let image = Expectation::executed(PROGRAM, &[PROGRAM, &kept])
        .is("args_truncated", true)
        .is("name", comm(PROGRAM));
    let end = Expectation::exited(0).is("args_truncated", true);
    bench.judge(&offence, &[entered(told.pid), image, end], &seen)
}

fn no_text(bench: &Bench) -> Result<()> {
    use std::os::unix::ffi::OsStringExt as _;
    let word = std::ffi::OsString::from_vec(b"back\\slash \xff".to_vec());
    let offence = Offence::program(PROGRAM).arg(word);
    let (told, seen) = bench.seen(&offence)?;
    let image = Expectation::executed(PROGRAM, &[PROGRAM, r"back\\slash \xff"])
        .is("process_escaped", true)
        .is("pid", told.pid);
    bench.judge(
        &offence,
        &[entered(told.pid), image, Expectation::exited(0)],
        &seen,
    )
}
