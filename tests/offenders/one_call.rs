//! Makes one call that rules look for, or a harmless one of the same kind, and prints what the
//! kernel answered: a result, or an error as a negative number.
//!
//! `one_call CALL [PATH]`

use std::{io, ptr};

mod int80;
mod raw;

use raw::{done, fork, wait};

/// Nobody's user id.
const NOBODY: u32 = 65534;

fn main() {
    let name = std::env::args()
        .nth(1)
        .expect("usage: one_call CALL [PATH]");
    let result = match name.as_str() {
        "ptrace_attach" => ptrace_attach(),
        "ptrace_traceme" => ptrace_traceme(),
        "init_module" => init_module(),
        "bpf_program" => bpf_program(),
        "bpf_map" => bpf_map(),
        "enter_namespace" => enter_namespace(),
        "make_namespace" => unshare(libc::CLONE_NEWUTS),
        "unshare_files" => unshare(libc::CLONE_FILES),
        "packet_socket" => socket(libc::AF_PACKET, libc::SOCK_RAW),
        "datagram_socket" => socket(libc::AF_INET, libc::SOCK_DGRAM),
        "io_uring" => io_uring(),
        "epoll" => call(libc::SYS_epoll_create1, [0; 4]),
        "open_by_handle" => by_handle(libc::SYS_open_by_handle_at),
        "name_to_handle" => by_handle(libc::SYS_name_to_handle_at),
        "open" => open_path(),
        "become_nobody" => call(libc::SYS_setuid, [i64::from(NOBODY), 0, 0, 0]),
        other => panic!("no call {other}"),
    };
    println!("{name} = {result}");
}

fn call(number: libc::c_long, arguments: [i64; 4]) -> i64 {
    let [first, second, third, fourth] = arguments;
    // SAFETY: pointers among the arguments are null, or point to memory of the caller that is large
    // enough.
    let result = unsafe { libc::syscall(number, first, second, third, fourth) };
    if result < 0 {
        -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        result
    }
}

/// Opens the path of the second argument, as it is written there.
fn open_path() -> i64 {
    let path = std::env::args().nth(2).expect("usage: one_call open PATH");
    let path = raw::c_string(path);
    let here = i64::from(libc::AT_FDCWD);
    call(libc::SYS_openat, [here, path.as_ptr() as i64, 0, 0])
}

fn ptrace_attach() -> i64 {
    let child = fork(|| {
        // SAFETY: no arguments.
        unsafe { libc::pause() };
    });
    let ptrace = |request: libc::c_uint| {
        let arguments = [i64::from(request), i64::from(child), 0, 0];
        call(libc::SYS_ptrace, arguments)
    };
    let result = ptrace(libc::PTRACE_ATTACH);
    if result >= 0 {
        wait(child); // it has stopped
        ptrace(libc::PTRACE_DETACH);
    }
    // SAFETY: a child that nobody has waited for to end.
    done(unsafe { libc::kill(child, libc::SIGKILL) });
    wait(child);
    result
}

fn ptrace_traceme() -> i64 {
    let child = fork(|| {
        call(libc::SYS_ptrace, [i64::from(libc::PTRACE_TRACEME), 0, 0, 0]);
    });
    wait(child);
    0
}

/// One byte is no module, so that nothing is loaded whoever asks. Where the kernel was built without
/// modules its call has no tracepoint, and only that of 32-bit programs is told.
fn init_module() -> i64 {
    #[cfg(target_arch = "x86_64")]
    int80::call(128, &[0, 1, 0]);
    call(libc::SYS_init_module, [0, 1, 0, 0])
}

/// A filter of sockets that lets nothing through, for none.
fn bpf_program() -> i64 {
    const LOAD: i64 = 5;
    const SOCKET_FILTER: u32 = 1;
    /// `r0 = 0; exit`
    const INSTRUCTIONS: [u64; 2] = [0xB7, 0x95];
    #[repr(C)]
    struct Load {
        kind: u32,
        instructions: u32,
        code: u64,
        licence: u64,
        log: [u64; 2],
        version: u32,
        flags: u32,
    }
    let load = Load {
        kind: SOCKET_FILTER,
        instructions: INSTRUCTIONS.len() as u32,
        code: INSTRUCTIONS.as_ptr() as u64,
        licence: c"GPL".as_ptr() as u64,
        log: [0; 2],
        version: 0,
        flags: 0,
    };
    let size = size_of::<Load>() as i64;
    call(libc::SYS_bpf, [LOAD, (&raw const load) as i64, size, 0])
}

fn bpf_map() -> i64 {
    const CREATE: i64 = 0;
    const ARRAY: u32 = 2;
    let map = [ARRAY, 4, 4, 1]; // its kind, bytes of a key and of a value, entries
    let size = size_of_val(&map) as i64;
    call(libc::SYS_bpf, [CREATE, map.as_ptr() as i64, size, 0])
}

/// The one that it is in.
fn enter_namespace() -> i64 {
    let own = raw::open(c"/proc/self/ns/uts", libc::O_RDONLY);
    let kind = i64::from(libc::CLONE_NEWUTS);
    call(libc::SYS_setns, [i64::from(done(own)), kind, 0, 0])
}

fn unshare(flags: i32) -> i64 {
    call(libc::SYS_unshare, [i64::from(flags), 0, 0, 0])
}

fn socket(domain: i32, kind: i32) -> i64 {
    call(libc::SYS_socket, [i64::from(domain), i64::from(kind), 0, 0])
}

fn io_uring() -> i64 {
    let parameters = [0_u32; 30];
    let at = parameters.as_ptr() as i64;
    call(libc::SYS_io_uring_setup, [1, at, 0, 0])
}

/// Asks for the handle of a file, or for the file of a handle that is none.
fn by_handle(number: libc::c_long) -> i64 {
    /// Its length, its kind, and room for what the kernel writes.
    #[repr(C)]
    struct Handle {
        length: u32,
        kind: i32,
        bytes: [u8; 128],
    }
    let mut handle = Handle {
        length: 128,
        kind: 1,
        bytes: [0; 128],
    };
    let at = (&raw mut handle) as i64;
    let here = i64::from(libc::AT_FDCWD);
    if number == libc::SYS_open_by_handle_at {
        return call(number, [here, at, i64::from(libc::O_RDONLY), 0]);
    }
    let mut mount = 0_i32;
    let path = c"/etc/passwd".as_ptr() as i64;
    let place = ptr::from_mut(&mut mount) as i64;
    // SAFETY: there is room for the handle and the number of the mount.
    unsafe { libc::syscall(number, here, path, at, place, 0) }
}
