//! Whatever a process becomes is told: which file, whence, and by which way.

use std::fs;

use anyhow::Result;
use integration_test::expectation::Expectation;
use integration_test::offence::Offence;

use crate::Test;
use crate::bench::{Bench, comm};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("images::a_program_by_its_descriptor", by_descriptor),
    ("images::a_program_in_memory", by_memory),
    ("images::a_program_that_was_unlinked", unlinked),
    ("images::a_script_and_its_interpreter", script),
    ("images::a_script_by_process_substitution", substitution),
    (
        "images::a_thread_that_is_not_the_leader_executes",
        by_thread,
    ),
    ("images::a_child_of_vfork", vfork),
    ("images::a_program_that_is_absent_is_no_image", absent),
    ("images::each_overlay_layer_is_told", overlay),
    ("images::the_environment_is_told", environment),
    ("images::a_large_environment_is_cut", large_environment),
    ("images::a_file_that_is_made_as_a_program", made),
];

const PROGRAM: &str = "/bin/true";

fn offence(case: &str) -> Result<Offence> {
    Ok(Offence::offender("images")?.arg(case))
}

/// The file behind a path.
fn file(path: &str) -> Result<String> {
    Ok(fs::canonicalize(path)?.display().to_string())
}

/// An image by a descriptor, as execveat names it.
fn by_fd(fd: &str, args: &[&str]) -> Expectation {
    let name = format!("/dev/fd/{fd}");
    // Before 6.14 the kernel names the process after the descriptor, later after the file.
    Expectation::executed(name, args).call("execveat")
}

fn by_descriptor(bench: &Bench) -> Result<()> {
    let program = file(PROGRAM)?;
    bench.expect(&offence("descriptor")?, |told| {
        Ok(vec![
            Expectation::opened(&program),
            by_fd(told.value("fd")?, &["by", "descriptor"])
                .is("pid", told.pid)
                .is("exe", &program),
            Expectation::exited(0),
        ])
    })
}

fn by_memory(bench: &Bench) -> Result<()> {
    let program = file(PROGRAM)?;
    bench.expect(&offence("memory")?, |told| {
        Ok(vec![
            Expectation::opened(&program),
            Expectation::of("memfd_create")
                .is("result", told.value("fd")?)
                .is("path", "memfd:payload")
                .is("provenance", "kernel"),
            by_fd(told.value("fd")?, &["by", "memory"])
                .is("pid", told.pid)
                .is("exe", "memfd:payload")
                .is("memfd", true),
            Expectation::exited(0),
        ])
    })
}

fn unlinked(bench: &Bench) -> Result<()> {
    let folder = bench.folder("images-unlinked")?;
    let copy = folder.join("program");
    let program = file(PROGRAM)?;
    bench.expect(&offence("unlinked")?.arg(&folder), |told| {
        let written = Expectation::opened(copy.display())
            .is("read", false)
            .is("write", true)
            .is("created", true);
        Ok(vec![
            Expectation::opened(&program),
            written,
            Expectation::opened(copy.display()),
            bench.removed(copy.display())?,
            Expectation::of("execveat")
                .is("pid", told.pid)
                .is("args", "by unlinked")
                .is("exe", copy.display())
                .is("exe_deleted", true)
                .is("unlinked", true)
                .is("memfd", false),
            Expectation::exited(0),
        ])
    })
}

fn script(bench: &Bench) -> Result<()> {
    let folder = bench.folder("images-script")?;
    let script = folder.join("script").display().to_string();
    let shell = file("/bin/sh")?;
    bench.expect(&offence("script")?.arg(&folder), |told| {
        let written = Expectation::opened(&script)
            .is("read", false)
            .is("write", true)
            .is("created", true);
        Ok(vec![
            written,
            Expectation::executed(&script, &["/bin/sh", "-e", &script, "so"])
                .is("pid", told.pid)
                .is("interpreter", "/bin/sh")
                .is("exe", &shell)
                .is("name", "script"),
            // The shell reads it.
            Expectation::opened(&script),
            Expectation::exited(0),
        ])
    })
}

/// The text of the script is in no file: the shell gets a pipe.
fn substitution(bench: &Bench) -> Result<()> {
    let offence = Offence::program("/bin/bash").args(["-c", "exec /bin/sh <(echo :)"]);
    let shell = file("/bin/sh")?;
    bench.expect(&offence, |told| {
        let read = Expectation::of("openat")
            .descriptor("result")
            .is("read", true);
        Ok(vec![
            // What bash looks at when it starts.
            Expectation::of("openat")
                .is("path", "/dev/tty")
                .one_of("result", &["-6", "3"]),
            Expectation::forked().is("ppid", told.pid),
            Expectation::executed("/bin/sh", &["/bin/sh", "/dev/fd/63"])
                .is("pid", told.pid)
                .is("exe", &shell),
            read.is("provenance", "kernel").is("unreachable", true),
            Expectation::exited(0).times(2),
        ])
    })
}

fn by_thread(bench: &Bench) -> Result<()> {
    let program = file(PROGRAM)?;
    bench.expect(&offence("thread")?, |told| {
        Ok(vec![
            Expectation::executed(PROGRAM, &["by", "thread"])
                .is("pid", told.pid)
                .is("tid", told.pid)
                .is("exe", &program)
                .is("name", comm(PROGRAM)),
            Expectation::exited(0),
        ])
    })
}

fn vfork(bench: &Bench) -> Result<()> {
    let offence = offence("vfork")?;
    let words = offence.words().join(" ");
    let program = file(PROGRAM)?;
    bench.expect(&offence, |told| {
        let child = told.value("child")?;
        Ok(vec![
            Expectation::forked()
                .is("pid", child)
                .is("ppid", told.pid)
                .is("args", &words),
            Expectation::executed(PROGRAM, &["by", "vfork"])
                .is("pid", child)
                .is("exe", &program)
                .list_from("ancestors", told.pid.to_string()),
            Expectation::exited(0).is("pid", child),
            Expectation::exited(0).is("pid", told.pid),
        ])
    })
}

fn absent(bench: &Bench) -> Result<()> {
    bench.expect(&offence("absent")?, |told| {
        Ok(vec![
            Expectation::of("execve")
                .is("pid", told.pid)
                .is("result", -libc::ENOENT)
                .is("path", "/nonexistent/program")
                .is("provenance", "user_memory"),
            Expectation::exited(0),
        ])
    })
}

fn environment(bench: &Bench) -> Result<()> {
    bench.expect(&offence("environment")?, |_| {
        Ok(vec![
            Expectation::executed(PROGRAM, &["with", "environment"])
                .is("variable", "here")
                .is("environment_cut", false),
            Expectation::exited(0).is("variable", "here"),
        ])
    })
}

fn large_environment(bench: &Bench) -> Result<()> {
    bench.expect(&offence("large_environment")?, |_| {
        Ok(vec![
            Expectation::executed(PROGRAM, &["with", "much"])
                .is("variable", "first")
                .is("environment_cut", true),
            Expectation::exited(0),
        ])
    })
}

/// The umask takes bits away, and a file that was there before was not made.
fn made(bench: &Bench) -> Result<()> {
    let folder = bench.folder("images-made")?;
    bench.expect(&offence("made")?.arg(&folder), |_| {
        let opened = |name: &str, created: bool, executable: bool| {
            Expectation::opened(folder.join(name).display())
                .is("read", false)
                .is("write", true)
                .is("created", created)
                .is("open_exec", executable)
        };
        Ok(vec![
            opened("program", true, true),
            opened("data", true, false),
            opened("masked", true, false),
            opened("program", false, false),
            Expectation::exited(0),
        ])
    })
}

fn overlay(bench: &Bench) -> Result<()> {
    let folder = bench.folder("images-overlay")?;
    let program = file(PROGRAM)?;
    let merged = folder.join("merged");
    bench.expect(&offence("overlay")?.arg(&folder), |told| {
        let written = |path: std::path::PathBuf| {
            Expectation::opened(path.display())
                .is("read", false)
                .is("write", true)
                .is("created", true)
        };
        let mut expected = vec![
            Expectation::mounted("", "/"),
            Expectation::mounted("overlay", merged.display()),
            Expectation::opened(&program).times(3),
            written(folder.join("lower/image")),
            written(folder.join("lower/changed")),
            written(merged.join("dropped")),
            Expectation::exited(0).times(4),
        ];
        let layers = [
            ("image", "lower"),
            ("changed", "copied_up"),
            ("dropped", "upper_only"),
        ];
        for (name, layer) in layers {
            let path = merged.join(name).display().to_string();
            expected.push(Expectation::forked().is("pid", told.value(name)?));
            expected.push(
                Expectation::executed(&path, &[&path])
                    .is("pid", told.value(name)?)
                    .is("exe", &path)
                    .is("layer", layer),
            );
        }
        Ok(expected)
    })
}
