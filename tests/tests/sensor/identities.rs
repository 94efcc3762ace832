//! The setuid family, with what each call left.

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::Bench;

pub(crate) const TESTS: &[(&str, Test)] = &[("identities::each_call_of_the_family", family)];

fn family(bench: &Bench) -> Result<()> {
    bench.expect(&Offence::offender("identities")?, |_| {
        // Call, argument, result, real and effective user and group afterwards.
        let calls = [
            ("setgroups", 0, 0, "0,0", "0,0"),
            ("setfsgid", 1001, 0, "0,0", "0,0"),
            ("setfsuid", 1001, 0, "0,0", "0,0"),
            ("setregid", 1002, 0, "0,0", "1002,0"),
            ("setresgid", 1003, 0, "0,0", "1003,1003"),
            ("setgid", 1003, 0, "0,0", "1003,1003"),
            ("setreuid", 1004, 0, "1004,0", "1003,1003"),
            ("setresuid", 1005, 0, "1005,1005", "1003,1003"),
            ("setuid", 1005, 0, "1005,1005", "1003,1003"),
            ("setuid", 0, -libc::EPERM, "1005,1005", "1003,1003"),
        ];
        let told = calls.map(|(call, argument, result, uids, gids)| {
            Expectation::of(call)
                .is("argument", argument)
                .is("result", result)
                .is("uids", uids)
                .is("gids", gids)
        });
        let end = Expectation::exited(0).is("uids", "1005,1005");
        Ok(told.into_iter().chain([end]).collect())
    })
}
