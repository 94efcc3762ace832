//! Becomes another program by a way that hides which.
//!
//! `images CASE [FOLDER]`; the folder is empty and the program's own

use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};

mod raw;

use raw::{c_string, done, execute, execute_descriptor, execute_with, fork, make, open, wait};

const PROGRAM: &CStr = c"/bin/true";

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let case = arguments.next().expect("usage: images CASE [FOLDER]");
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    match case.to_string_lossy().as_ref() {
        "descriptor" => {
            let fd = done(open(PROGRAM, libc::O_RDONLY | libc::O_CLOEXEC));
            println!("fd={fd}");
            execute_descriptor(fd, &[c"by", c"descriptor"]);
        }
        "memory" => memory(),
        "script" => script(&folder),
        "thread" => {
            let _ = thread::spawn(|| execute(PROGRAM, &[c"by", c"thread"])).join();
        }
        "vfork" => vfork(),
        "absent" => {
            execute(c"/nonexistent/program", &[c"absent"]);
            return;
        }
        "unlinked" => {
            let copy = copied(&folder.join("program"));
            let fd = done(open(&c_string(&copy), libc::O_RDONLY | libc::O_CLOEXEC));
            fs::remove_file(&copy).expect("it was just made");
            execute_descriptor(fd, &[c"by", c"unlinked"]);
        }
        "overlay" => {
            overlay(&folder);
            return;
        }
        "environment" => {
            let environment = [c"FIRST=1", c"SENSOR_TEST=here", c"LAST=1"];
            execute_with(PROGRAM, &[c"with", c"environment"], &environment);
        }
        "large_environment" => {
            // More than what is captured stands before the last variable.
            let padding = CString::new(format!("PADDING={}", "x".repeat(3000))).expect("no zero");
            let mut environment = vec![c"SENSOR_TEST=first"];
            environment.extend([padding.as_c_str(); 4]);
            execute_with(PROGRAM, &[c"with", c"much"], &environment);
        }
        "made" => {
            made(&folder);
            return;
        }
        other => panic!("no case {other}"),
    }
    panic!("the program could not be executed");
}

/// Files that are made as programs, or are not.
fn made(folder: &Path) {
    for (name, mode, mask) in [
        ("program", 0o711, 0o022),
        ("data", 0o666, 0o022),
        ("masked", 0o777, 0o111),
    ] {
        // SAFETY: no memory is passed.
        unsafe { libc::umask(mask) };
        done(make(&c_string(folder.join(name)), mode));
    }
    // It is there already.
    done(open(
        &c_string(folder.join("program")),
        libc::O_WRONLY | libc::O_CREAT,
    ));
}

/// An image that no file system holds.
fn memory() {
    let image = fs::read("/bin/true").expect("every system has it");
    let flags = MemfdFlags::CLOEXEC;
    let mut memory = File::from(memfd_create(c"payload", flags).expect("memory is there"));
    memory.write_all(&image).expect("memory is there");
    println!("fd={}", memory.as_raw_fd());
    execute_descriptor(memory.as_raw_fd(), &[c"by", c"memory"]);
}

fn script(folder: &Path) {
    let script = folder.join("script");
    fs::write(&script, "#!/bin/sh -e\nexit 0\n").expect("room for a file");
    executable(&script);
    let script = c_string(script);
    execute(&script, &[c"called", c"so"]);
}

fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

fn copied(to: &Path) -> PathBuf {
    fs::copy("/bin/true", to).expect("room for a program");
    to.to_owned()
}

/// A child on its parent's memory, which then becomes another program.
fn vfork() -> ! {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // A stack of its own keeps the child from the parent's frames.
    let mut stack = vec![0_u128; 4096];
    let top = stack.as_mut_ptr_range().end;
    extern "C" fn child(_: *mut libc::c_void) -> i32 {
        execute(PROGRAM, &[c"by", c"vfork"]);
        1
    }
    // SAFETY: the stack is large enough and outlives the child's use of it, since the parent goes
    // on when the child has another image.
    let pid = done(unsafe { libc::clone(child, top.cast(), flags, std::ptr::null_mut()) });
    println!("child={pid}");
    wait(pid);
    std::process::exit(0);
}

/// Programs of every layer of an overlay, in a mount namespace of its own.
fn overlay(folder: &Path) {
    // SAFETY: the program has one thread, and shares no descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("root may");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("root may");
    let inside = |name: &str| folder.join(name);
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(inside(name)).expect("room for a folder");
    }
    for name in ["image", "changed"] {
        executable(&copied(&inside("lower").join(name)));
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        inside("lower").display(),
        inside("upper").display(),
        inside("work").display()
    );
    let merged = inside("merged");
    let options = c_string(options);
    let flags = MountFlags::empty();
    mount(
        "overlay",
        &merged,
        "overlay",
        flags,
        Some(options.as_c_str()),
    )
    .expect("root may");
    // A change of any kind brings a copy into the upper layer.
    fs::set_permissions(merged.join("changed"), fs::Permissions::from_mode(0o700))
        .expect("the file is ours");
    executable(&copied(&merged.join("dropped")));
    for name in ["image", "changed", "dropped"] {
        let program = c_string(merged.join(name));
        let child = fork(|| execute(&program, &[&program]));
        println!("{name}={child}");
        wait(child);
    }
}
