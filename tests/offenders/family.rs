//! Processes whose parent is not who it seems.
//!
//! `family CASE`

use std::io::{PipeReader, PipeWriter, Read as _, pipe};
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::{UnshareFlags, unshare_unsafe};

mod raw;

use raw::{clone, done, execute, exit, fork, open, own_pid, wait, wait_reparented};

/// Files that tell the processes apart by what they open.
const CHILD: &std::ffi::CStr = c"/etc/hostname";

fn main() {
    let case = std::env::args().nth(1).expect("usage: family CASE");
    match case.as_str() {
        "zombie" => zombie(),
        "daemon" => daemon(),
        "sibling" => sibling(),
        "sibling_maker" => sibling_maker(),
        "namespaces" => namespaces(),
        "groups" => groups(),
        "reuse" => reuse(),
        other => panic!("no case {other}"),
    }
}

/// A child of a zombie: nobody has asked how its parent ended.
fn zombie() {
    let descendants = Descendants::new();
    let child = fork(|| {
        let middle = own_pid();
        let last = fork(|| {
            wait_reparented(middle);
            execute(c"/bin/true", &[c"true", c"of", c"zombie"]);
        });
        println!("last={last}");
        println!("middle={middle}");
        exit(0);
    });
    descendants.wait();
    wait(child);
}

/// Forks twice, as daemons do: its parent is gone before it begins.
fn daemon() {
    let descendants = Descendants::new();
    let child = fork(|| {
        let middle = own_pid();
        // SAFETY: no memory is passed.
        done(unsafe { libc::setsid() });
        let last = fork(|| {
            wait_reparented(middle);
            execute(c"/bin/true", &[c"true", c"of", c"daemon"]);
        });
        println!("last={last}");
        println!("middle={middle}");
    });
    wait(child);
    descendants.wait();
}

/// Waits for processes that are nobody's child here: they inherit one end of a pipe, which is
/// closed when the last of them has ended.
struct Descendants {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Descendants {
    fn new() -> Self {
        let (reader, writer) = pipe().expect("a pipe more");
        fcntl_setfd(&writer, FdFlags::empty()).expect("it is open");
        Self { reader, writer }
    }

    fn wait(self) {
        let Self { mut reader, writer } = self;
        drop(writer);
        let end = reader.read(&mut [0]).expect("it is open");
        assert_eq!(end, 0, "nobody writes");
    }
}

/// The maker's child becomes this program's child.
fn sibling() {
    let program = std::env::current_exe().expect("procfs is mounted");
    let mut maker = Command::new(program)
        .arg("sibling_maker")
        .spawn()
        .expect("a process more");
    println!("maker={}", maker.id());
    maker.wait().expect("it was started");
    // SAFETY: the status is not asked for. The one child that is left is the sibling.
    done(unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) });
}

fn sibling_maker() {
    let pid = clone(libc::CLONE_PARENT | libc::SIGCHLD, || {
        done(open(CHILD, libc::O_RDONLY));
    });
    println!("sibling={pid}");
}

/// A pid namespace in a pid namespace: in each, the first process is number 1.
fn namespaces() {
    // SAFETY: the program has one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.expect("root may");
    let outer = fork(|| {
        // SAFETY: as above.
        unsafe { unshare_unsafe(UnshareFlags::NEWPID) }.expect("root may");
        let inner = fork(|| {
            done(open(CHILD, libc::O_RDONLY));
        });
        wait(inner);
    });
    println!("outer={outer}");
    wait(outer);
}

/// A leader of a session, a leader of a process group, and a member of one.
fn groups() {
    let session = fork(|| {
        // SAFETY: no memory is passed.
        done(unsafe { libc::setsid() });
        execute(c"/bin/true", &[c"true", c"session"]);
    });
    println!("session={session}");
    wait(session);
    let group = fork(|| {
        // SAFETY: no memory is passed.
        done(unsafe { libc::setpgid(0, 0) });
        execute(c"/bin/true", &[c"true", c"group"]);
    });
    println!("group={group}");
    wait(group);
    let member = fork(|| execute(c"/bin/true", &[c"true", c"member"]));
    wait(member);
    // SAFETY: no memory is passed.
    let (own_group, own_session) = unsafe { (libc::getpgrp(), libc::getsid(0)) };
    println!("own_group={own_group}");
    println!("own_session={own_session}");
}

/// A process with the pid of one that has just ended.
fn reuse() {
    let first = fork(|| execute(c"/bin/true", &[c"true", c"first"]));
    wait(first);
    println!("first={first}");
    let set = [first];
    let mut arguments = [0_u64; 11];
    // struct clone_args of linux/sched.h: exit_signal, set_tid and set_tid_size.
    arguments[4] = libc::SIGCHLD.unsigned_abs().into();
    arguments[8] = set.as_ptr() as u64;
    arguments[9] = 1;
    let size = size_of_val(&arguments);
    // SAFETY: the arguments are those of clone3; the child goes on on its copy of the stack.
    let second = unsafe { libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size) };
    if second == 0 {
        done(open(CHILD, libc::O_RDONLY));
        exit(0);
    }
    // Another process may have got the pid in between.
    println!("second={second}");
    if second > 0 {
        wait(first);
    }
}
