//! Every hook is attached, and what no hook sees is told by name.

use anyhow::{Result, ensure};
use gravlens::proto::hook_status::State;
use integration_test::expectation::Expectation;
use integration_test::facts::UNSET;
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::{Bench, removed_by};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("hooks::every_program_is_attached", attached),
    ("hooks::every_field_of_the_kernel_is_found", fields),
    ("blind_spots::an_open_by_io_uring", open_by_ring),
    ("blind_spots::an_open_by_an_io_uring_worker", open_by_worker),
    ("blind_spots::a_file_that_io_uring_keeps", open_kept),
    ("blind_spots::a_name_removed_by_io_uring", unlink_by_ring),
    ("blind_spots::files_changed_by_io_uring", changes_by_ring),
    ("blind_spots::sockets_of_io_uring", sockets_of_ring),
    #[cfg(target_arch = "x86_64")]
    (
        "blind_spots::a_name_removed_by_a_32_bit_call",
        unlink_by_int80,
    ),
    #[cfg(target_arch = "x86_64")]
    ("blind_spots::a_32_bit_open", open_by_int80),
];

fn attached(bench: &Bench) -> Result<()> {
    let status = bench.status()?;
    ensure!(
        status.hooks.len() >= 13,
        "only {} topics",
        status.hooks.len()
    );
    for hook in &status.hooks {
        ensure!(hook.state() == State::Full, "watched in part: {hook:?}");
        ensure!(!hook.attached.is_empty(), "no program: {hook:?}");
    }
    Ok(())
}

/// Each field that this kernel is without is one for which another stands in.
fn fields(bench: &Bench) -> Result<()> {
    let report = bench.doctor();
    let fields = report["fields"].as_array().map_or(&[][..], Vec::as_slice);
    ensure!(!fields.is_empty(), "no fields: {report}");
    for field in fields {
        let known = field["offset"].is_number() || field["stand_in"].is_string();
        ensure!(known, "{field}");
    }
    ensure!(
        !report["not_seen"].to_string().contains("overlay"),
        "{report}"
    );
    Ok(())
}

fn open_by_ring(bench: &Bench) -> Result<()> {
    by_io_uring(bench, "io_uring", |opened| opened.descriptor("result"))
}

fn open_by_worker(bench: &Bench) -> Result<()> {
    by_io_uring(bench, "io_worker", |opened| opened.descriptor("result"))
}

fn open_kept(bench: &Bench) -> Result<()> {
    by_io_uring(bench, "kept", |opened| opened.is("result", 0))
}

/// Trampolines see it. Tracepoints do not; that there is a ring is told, and `doctor` names the
/// blind spot.
fn by_io_uring(
    bench: &Bench,
    way: &str,
    result: impl FnOnce(Expectation) -> Expectation,
) -> Result<()> {
    let exact = bench.opens_are_exact()?;
    let unseen = bench.doctor()["not_seen"].to_string();
    let named = unseen.contains("io_uring opens");
    ensure!(
        named != exact,
        "doctor does not say what is not seen: {unseen}"
    );
    let offence = Offence::offender("open_unseen")?.args([way, "/etc/hostname", "/etc/passwd"]);
    bench.expect(&offence, |told| {
        let opened: i32 = told.value("hidden")?.parse()?;
        ensure!(opened >= 0, "the file was not opened: {opened}");
        // The worker is a thread of the process and has its descriptors.
        let shared = way == "io_worker" && !exact;
        let mut expected = vec![
            Expectation::ring_made(),
            Expectation::opened("/etc/passwd").is("fd_shared", shared),
            Expectation::exited(0),
        ];
        if exact {
            let hidden = Expectation::file_opened("/etc/hostname").is("by_io_uring", true);
            expected.push(result(hidden));
        }
        Ok(expected)
    })
}

fn unlink_by_ring(bench: &Bench) -> Result<()> {
    let ring = Expectation::ring_made();
    removed(
        bench,
        "io_uring",
        "unlinkat",
        Some("io_uring changes of files"),
        vec![ring],
    )
}

#[cfg(target_arch = "x86_64")]
fn unlink_by_int80(bench: &Bench) -> Result<()> {
    removed(bench, "int80", "unlink", None, Vec::new())
}

/// Length, attributes and names of a file. A kernel whose io_uring has no such request says so by an error,
/// and there is nothing to tell.
fn changes_by_ring(bench: &Bench) -> Result<()> {
    let exact = bench.changes_are_exact()?;
    let file = bench.folder("ring-files")?.join("file");
    let offence = Offence::offender("ring_calls")?.arg("files").arg(&file);
    bench.expect(&offence, |told| {
        let made = Expectation::opened(file.display())
            .is("read", false)
            .is("write", true)
            .is("created", true);
        let mut expected = rings(7);
        expected.extend([made, Expectation::exited(0)]);
        if exact {
            let at = |end: &str| format!("{}{end}", file.display());
            let done = |call, path| Expectation::of(call).is("result", 0).is("path", path);
            expected.extend([
                done("mkdirat", at("-directory")).is("mode", "0o750"),
                done("symlinkat", "to".to_owned()).is("second", at("-symbolic")),
                done("linkat", at("")).is("second", at("-second")),
                done("renameat2", at("")).is("second", at("-other")),
            ]);
        }
        for (call, needs) in [
            ("ftruncate", true),
            ("fsetxattr", false),
            ("setxattr", false),
        ] {
            let result: i32 = told.value(call)?.parse()?;
            if exact && !(needs && result == -libc::EINVAL) {
                let change = Expectation::of(call).is("result", result);
                expected.push(change.is("path", file.display()).is("provenance", "kernel"));
            }
        }
        Ok(expected)
    })
}

fn rings(number: usize) -> Vec<Expectation> {
    vec![Expectation::ring_made(); number]
}

/// Trampolines see all of it; tracepoints the addresses that are connected and sent to.
fn sockets_of_ring(bench: &Bench) -> Result<()> {
    let exact = bench.sees_ring_sockets()?;
    let unseen = bench.doctor()["not_seen"].to_string();
    ensure!(
        unseen.contains("io_uring accepts") != exact,
        "doctor does not say what is not seen: {unseen}"
    );
    bench.expect(&Offence::offender("ring_calls")?.arg("sockets"), |told| {
        let address = told.value("address")?;
        let by_ring = |call, result: i32| {
            let socket = if exact {
                Expectation::socket(call, "inet", result)
            } else {
                Expectation::socket(call, "inet", UNSET)
            };
            socket.is("fd", UNSET)
        };
        let mut expected = rings(7);
        expected.extend([
            by_ring("connect", -libc::EINPROGRESS).is("remote", address),
            by_ring("sendmsg", 4).is("remote", address),
            Expectation::exited(0),
        ]);
        if exact {
            expected.extend([
                Expectation::of("socket").is("result", told.value("socket")?),
                Expectation::socket("accept4", "inet", UNSET)
                    .is("fd", UNSET)
                    .is("local", address),
                Expectation::of("connect")
                    .is("family", "unix")
                    .is("result", -libc::ECONNREFUSED)
                    .is("remote", "@grav")
                    .is("provenance", "user_memory"),
            ]);
        }
        for call in ["bind", "listen"] {
            let own = if told.value(call)? == "0" {
                exact.then(|| by_ring(call, 0))
            } else {
                let own = Expectation::socket(call, "inet", 0);
                Some(own.is("fd", told.value("server")?))
            };
            expected.extend(own.map(|own| own.is("local", address)));
        }
        Ok(expected)
    })
}

/// Trampolines see it. Tracepoints may not, and `doctor` then names the blind spot, in these words.
fn removed(
    bench: &Bench,
    way: &str,
    call: &'static str,
    spot: Option<&str>,
    besides: Vec<Expectation>,
) -> Result<()> {
    let exact = bench.changes_are_exact()?;
    if let Some(spot) = spot {
        let unseen = bench.doctor()["not_seen"].to_string();
        ensure!(
            unseen.contains(spot) != exact,
            "doctor does not say what is not seen: {unseen}"
        );
    }
    let file = bench.folder("unlink-unseen")?.join(way);
    let offence = Offence::offender("unlink_unseen")?.arg(way).arg(&file);
    bench.expect(&offence, |_| {
        ensure!(!file.exists(), "the name is still there");
        let made = Expectation::opened(file.display())
            .is("read", false)
            .is("write", true)
            .is("created", true);
        let mut expected = vec![made];
        expected.extend(besides);
        if exact || spot.is_none() {
            expected.push(removed_by(call, file.display(), exact));
        }
        expected.push(Expectation::exited(0));
        Ok(expected)
    })
}

#[cfg(target_arch = "x86_64")]
fn open_by_int80(bench: &Bench) -> Result<()> {
    let unseen = bench.doctor()["not_seen"].to_string();
    let offence = Offence::offender("open_unseen")?.args(["int80", "/etc/hostname", "/etc/passwd"]);
    ensure!(
        !unseen.contains("32-bit"),
        "32-bit calls are watched, and doctor names them as a blind spot: {unseen}"
    );
    bench.expect(&offence, |told| {
        let result: i32 = told.value("hidden")?.parse()?;
        ensure!(result >= 0, "the file was not opened: {result}");
        Ok(vec![
            Expectation::opened("/etc/hostname").call("open"),
            Expectation::opened("/etc/passwd"),
            Expectation::exited(0),
        ])
    })
}
