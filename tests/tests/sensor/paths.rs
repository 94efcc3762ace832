//! Paths are those of the container's root, however the file was reached.

use std::path::PathBuf;

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::{Bench, name_provenance};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("paths::each_kind_of_open_is_told_as_it_is", kinds),
    ("paths::4000_bytes_are_whole", deep),
    (
        "paths::5000_bytes_are_cut_at_the_beginning_and_told",
        deeper,
    ),
    ("paths::bytes_that_are_no_text_can_be_recovered", bytes),
    ("paths::changes_of_names_are_told", changes),
    ("paths::a_bind_mount_has_the_name_of_its_place", bind),
    ("paths::chroot_hides_nothing", chroot),
    ("paths::proc_root_hides_nothing", proc_root),
    ("paths::a_file_without_a_name_is_told", deleted),
];

/// open(2) flags as the kernel keeps them on a 64-bit machine: O_LARGEFILE is always there.
const LARGE: u32 = 0o100_000;
/// Longest path that is captured.
const LONGEST: usize = 4095;

/// The offender with a folder of its own.
fn offence(bench: &Bench, case: &str) -> Result<(Offence, PathBuf)> {
    let folder = bench.folder(&format!("paths-{case}"))?;
    Ok((Offence::offender("paths")?.arg(case).arg(&folder), folder))
}

fn flags(flags: i32) -> String {
    format!("{:#o}", flags.unsigned_abs() | LARGE)
}

fn kinds(bench: &Bench) -> Result<()> {
    let (offence, folder) = offence(bench, "kinds")?;
    let file = folder.join("file");
    let opened = || Expectation::opened(file.display());
    let both = |expectation: Expectation| expectation.is("write", true);
    bench.expect(&offence, |told| {
        let exclusive = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let mut expected = vec![
            both(opened())
                .is("result", told.value("fd")?)
                .is("created", true)
                .is("flags", flags(exclusive)),
            both(bench.open_failed(file.display(), libc::EEXIST)?),
            // O_PATH is no reading, and keeps few flags.
            opened()
                .is("read", false)
                .is("flags", format!("{:#o}", libc::O_PATH)),
            opened().is("read", false).is("write", true).is(
                "flags",
                flags(libc::O_WRONLY | libc::O_APPEND | libc::O_TRUNC),
            ),
            both(Expectation::opened(folder.display()))
                .ends_with("path", "")
                .is("flags", flags(libc::O_RDWR | libc::O_TMPFILE))
                .is("deleted", true),
            bench.open_failed("/etc/absent", libc::ENOENT)?,
            Expectation::of("openat2")
                .is("path", file.display())
                .is("read", true),
        ];
        if cfg!(target_arch = "x86_64") {
            expected.push(
                Expectation::of("open")
                    .is("path", file.display())
                    .is("read", true),
            );
            let creat = Expectation::of("creat").is("path", file.display());
            expected.push(
                creat
                    .is("read", false)
                    .is("write", true)
                    .is("created", false),
            );
        }
        expected.push(Expectation::exited(0));
        Ok(expected)
    })
}

fn deep(bench: &Bench) -> Result<()> {
    let (offence, _) = offence(bench, "deep")?;
    bench.expect(&offence, |told| {
        let path = told.value("path")?;
        assert_eq!(path.len(), 4000, "the offender makes a path of this length");
        let file = Expectation::opened(path)
            .is("write", true)
            .is("created", true);
        Ok(vec![file, Expectation::exited(0)])
    })
}

fn deeper(bench: &Bench) -> Result<()> {
    let (offence, _) = offence(bench, "deeper")?;
    bench.expect(&offence, |told| {
        let path = told.value("path")?;
        // Names are kept whole: the one that does not fit is missing with all before it.
        let first = path.len() - LONGEST;
        let begin = path[first..].find('/').map_or(path.len(), |at| first + at);
        let file = Expectation::opened(&path[begin..]).is("truncated", true);
        let file = file.is("write", true).is("created", true);
        Ok(vec![file, Expectation::exited(0)])
    })
}

fn bytes(bench: &Bench) -> Result<()> {
    let (offence, folder) = offence(bench, "bytes")?;
    let file = format!(r"{}/back\\slash-\xff\xfe", folder.display());
    bench.expect(&offence, |_| {
        let file = Expectation::opened(&file)
            .is("escaped", true)
            .is("created", true);
        Ok(vec![
            file.is("read", false).is("write", true),
            Expectation::exited(0),
        ])
    })
}

/// Each change with the path or the two that it is about.
fn changes(bench: &Bench) -> Result<()> {
    let (offence, folder) = offence(bench, "changes")?;
    let file = folder.join("file");
    let exact = bench.changes_are_exact()?;
    let done = |call, first: &str, second: &str| {
        Expectation::of(call)
            .is("result", 0)
            .is("provenance", name_provenance(exact))
            .is("path", folder.join(first).display())
            .is("second", folder.join(second).display())
    };
    bench.expect(&offence, |_| {
        Ok(vec![
            Expectation::opened(file.display())
                .is("read", false)
                .is("write", true)
                .is("created", true),
            done("linkat", "file", "hard"),
            done("linkat", "file", "hard").is("result", -libc::EEXIST),
            // What a symbolic link leads to is kept as it is.
            done("symlinkat", "", "soft").is("path", "../../shadow"),
            done("renameat", "hard", "moved"),
            done("fchmodat", "moved", "")
                .is("mode", "0o4755")
                .is("second", "-"),
            Expectation::exited(0),
        ])
    })
}

fn bind(bench: &Bench) -> Result<()> {
    let (offence, folder) = offence(bench, "bind")?;
    bench.expect(&offence, |_| {
        let file = Expectation::opened(folder.join("to/file").display()).is("created", true);
        let (from, to) = (folder.join("from"), folder.join("to"));
        Ok(vec![
            Expectation::mounted("", "/"),
            Expectation::mounted(from.display(), to.display()),
            file.is("read", false).is("write", true),
            Expectation::exited(0),
        ])
    })
}

fn chroot(bench: &Bench) -> Result<()> {
    let (offence, _) = offence(bench, "chroot")?;
    bench.expect(&offence, |_| {
        let root = Expectation::of("chroot").is("result", 0).is("path", "/etc");
        Ok(vec![
            root.is("provenance", "kernel"),
            password_file(),
            Expectation::exited(0),
        ])
    })
}

fn proc_root(bench: &Bench) -> Result<()> {
    let (offence, _) = offence(bench, "proc_root")?;
    bench.expect(&offence, |_| {
        Ok(vec![password_file(), Expectation::exited(0)])
    })
}

fn password_file() -> Expectation {
    Expectation::opened("/etc/passwd").is("flags", flags(libc::O_RDONLY))
}

fn deleted(bench: &Bench) -> Result<()> {
    let (offence, folder) = offence(bench, "deleted")?;
    let (gone, file) = (folder.join("gone"), folder.join("file"));
    bench.expect(&offence, |told| {
        Ok(vec![
            Expectation::opened(gone.display()).is("deleted", true),
            bench.open_failed(gone.join("absent").display(), libc::ENOENT)?,
            Expectation::opened(file.display())
                .is("write", true)
                .is("created", true),
            bench.removed(file.display())?,
            Expectation::opened(file.display()).is("deleted", true),
            Expectation::executed("/bin/true", &["true"])
                .is("pid", told.pid)
                .is("cwd", gone.display())
                .is("cwd_deleted", true),
            Expectation::exited(0),
        ])
    })
}
