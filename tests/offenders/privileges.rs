//! Makes each traced call that takes no path, harmlessly, and prints it as it must be told:
//! `NAME ARGUMENT=VALUE ... = RESULT`, where a failure is a negative error number; with `int80` as a
//! 32-bit program makes it.
//!
//! `privileges [int80]`

use std::{mem, ptr};

mod width;

use width::{placed, string};

/// A descriptor that nobody has open.
const NOT_OPEN: i64 = 999;
/// KEY_SPEC_PROCESS_KEYRING (linux/keyctl.h).
const PROCESS_KEYRING: i64 = -2;
const PAGE: i64 = 4096;

fn main() {
    width::choose();
    own_privileges();
    kernel();
    keys();
    memory();
    descriptors();
    sockets();
    other_processes();
}

/// Makes a call and prints it.
fn make(told: &str, number: libc::c_long, arguments: &[i64]) -> i64 {
    let result = call(number, arguments);
    println!("{told} = {result}");
    result
}

fn call(number: libc::c_long, arguments: &[i64]) -> i64 {
    let arguments: Vec<u64> = arguments.iter().map(|word| *word as u64).collect();
    width::call(number, &arguments)
}

fn own_privileges() {
    make("capset", libc::SYS_capset, &[]);
    let flags = i64::from(libc::CLONE_FS);
    make("unshare flags=CLONE_FS", libc::SYS_unshare, &[flags]);
    let own = open(c"/proc/self/ns/uts");
    let told = format!("setns fd={own} nstype=CLONE_NEWUTS");
    make(
        &told,
        libc::SYS_setns,
        &[own, i64::from(libc::CLONE_NEWUTS)],
    );
    let told = format!("setns fd={NOT_OPEN} nstype=0");
    make(&told, libc::SYS_setns, &[NOT_OPEN]);
}

fn open(path: &'static std::ffi::CStr) -> i64 {
    let path = string(path) as i64;
    let fd = call(libc::SYS_openat, &[i64::from(libc::AT_FDCWD), path]);
    assert!(fd >= 0, "cannot open: {fd}");
    fd
}

fn kernel() {
    make("init_module length=1", libc::SYS_init_module, &[0, 1]);
    let told = format!("finit_module fd={NOT_OPEN} flags=MODULE_INIT_IGNORE_VERMAGIC");
    make(&told, libc::SYS_finit_module, &[NOT_OPEN, 0, 2]);
    let flags = i64::from(libc::O_NONBLOCK);
    let told = "delete_module flags=O_NONBLOCK";
    make(told, libc::SYS_delete_module, &[0, flags]);
    make("bpf cmd=999", libc::SYS_bpf, &[999]);
    make("bpf cmd=BPF_PROG_LOAD", libc::SYS_bpf, &[5]);
    let parameters = placed([0_u32; 30]) as i64;
    make(
        "io_uring_setup entries=1",
        libc::SYS_io_uring_setup,
        &[1, parameters],
    );
    let flags = i64::from(libc::O_CLOEXEC) | 1;
    let told = "userfaultfd flags=UFFD_USER_MODE_ONLY|O_CLOEXEC";
    make(told, libc::SYS_userfaultfd, &[flags]);
    let told = "perf_event_open pid=0 cpu=-1 group_fd=-1 flags=PERF_FLAG_FD_CLOEXEC";
    make(told, libc::SYS_perf_event_open, &[0, 0, -1, -1, 8]);
}

fn keys() {
    let told = "keyctl operation=KEYCTL_GET_KEYRING_ID";
    make(told, libc::SYS_keyctl, &[0, PROCESS_KEYRING]);
    let told = format!("add_key length=0 keyring={PROCESS_KEYRING}");
    make(&told, libc::SYS_add_key, &[0, 0, 0, 0, PROCESS_KEYRING]);
    let told = format!("request_key keyring={PROCESS_KEYRING}");
    make(&told, libc::SYS_request_key, &[0, 0, 0, PROCESS_KEYRING]);
}

fn memory() {
    let all = i64::from(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
    let some = i64::from(libc::PROT_READ | libc::PROT_WRITE);
    let private = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    const NAMES: &str = "prot=PROT_READ|PROT_WRITE|PROT_EXEC";
    let told = format!("mmap addr=0x0 length={PAGE} {NAMES} flags=MAP_PRIVATE|MAP_ANONYMOUS");
    let page = make(&told, libc::SYS_mmap, &[0, PAGE, all, private, -1]);
    // What every program does is not told.
    call(libc::SYS_mprotect, &[page, PAGE, some]);
    let told = format!("mprotect addr={page:#x} length={PAGE} {NAMES}");
    make(&told, libc::SYS_mprotect, &[page, PAGE, all]);
    let told = format!("pkey_mprotect addr={page:#x} length={PAGE} {NAMES} pkey=-1");
    make(&told, libc::SYS_pkey_mprotect, &[page, PAGE, all, -1]);
    if width::is_compat() {
        let flags = private | i64::from(libc::MAP_NORESERVE);
        let block = [0, PAGE, all, flags, -1, 0].map(|word| word as u32);
        let result = width::old_mmap(block);
        let flags = "MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE";
        println!("mmap addr=0x0 length={PAGE} {NAMES} flags={flags} = {result}");
    }
}

fn descriptors() {
    make("dup oldfd=1", libc::SYS_dup, &[1]);
    make(&format!("dup oldfd={NOT_OPEN}"), libc::SYS_dup, &[NOT_OPEN]);
    #[cfg(target_arch = "x86_64")]
    make("dup2 oldfd=1 newfd=40", libc::SYS_dup2, &[1, 40]);
    let flags = i64::from(libc::O_CLOEXEC);
    let told = "dup3 oldfd=1 newfd=41 flags=O_CLOEXEC";
    make(told, libc::SYS_dup3, &[1, 41, flags]);
}

fn sockets() {
    let packet = [i64::from(libc::AF_PACKET), i64::from(libc::SOCK_RAW), 0];
    make(
        "socket domain=AF_PACKET type=3 proto=0",
        libc::SYS_socket,
        &packet,
    );
    make(
        "socket domain=99 type=1 proto=0",
        libc::SYS_socket,
        &[99, 1, 0],
    );
    let pair = placed([0_i32; 2]) as i64;
    let told = "socketpair domain=AF_UNIX type=1 proto=0";
    make(told, libc::SYS_socketpair, &[1, 1, 0, pair]);
    let datagram = [i64::from(libc::AF_INET), i64::from(libc::SOCK_DGRAM), 0];
    let told = "socket domain=AF_INET type=2 proto=0";
    let socket = make(told, libc::SYS_socket, &datagram);
    connect(socket);
    let told = format!("dup3 oldfd={socket} newfd=42 flags=0");
    make(&told, libc::SYS_dup3, &[socket, 42, 0]);
}

/// Gives a socket another end, 127.0.0.1:4242; nothing is sent.
fn connect(socket: i64) {
    // SAFETY: all zeroes are a valid address.
    let mut target: libc::sockaddr_in = unsafe { mem::zeroed() };
    target.sin_family = libc::AF_INET as u16;
    target.sin_port = 4242_u16.to_be();
    target.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    let size = mem::size_of::<libc::sockaddr_in>() as i64;
    let result = call(libc::SYS_connect, &[socket, placed(target) as i64, size]);
    assert_eq!(result, 0, "cannot connect");
}

fn other_processes() {
    traced_child();
    own_memory();
    let child = fork(|| {
        // SAFETY: no arguments.
        unsafe { libc::pause() };
    });
    trace(child);
    signal(child);
    make(
        &format!("kill pid={child} sig=SIGKILL"),
        libc::SYS_kill,
        &[child, 9],
    );
    wait(child);
}

/// A process that does one thing and ends.
fn fork(deed: impl FnOnce()) -> i64 {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            deed();
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(0) }
        }
        child => i64::from(child),
    }
}

fn wait(child: i64) {
    // SAFETY: the status is not wanted.
    unsafe { libc::waitpid(child as i32, ptr::null_mut(), 0) };
}

fn traced_child() {
    let child = fork(|| {
        let told = "ptrace request=PTRACE_TRACEME pid=0 addr=0x0 data=0x0";
        make(told, libc::SYS_ptrace, &[0]);
    });
    wait(child);
}

fn own_memory() {
    let own = i64::from(std::process::id());
    let vector = width::vector(placed(7_u8), 1) as i64;
    let arguments = [own, vector, 1, vector, 1, 0];
    let told = format!("process_vm_readv pid={own}");
    make(&told, libc::SYS_process_vm_readv, &arguments);
    let told = format!("process_vm_writev pid={own}");
    make(&told, libc::SYS_process_vm_writev, &arguments);
}

fn trace(child: i64) {
    let told = |request: &str| format!("ptrace request={request} pid={child} addr=0x0 data=0x0");
    let attach = i64::from(libc::PTRACE_ATTACH);
    make(&told("PTRACE_ATTACH"), libc::SYS_ptrace, &[attach, child]);
    wait(child);
    let detach = i64::from(libc::PTRACE_DETACH);
    make(&told("PTRACE_DETACH"), libc::SYS_ptrace, &[detach, child]);
}

fn signal(child: i64) {
    make(&format!("kill pid={child} sig=0"), libc::SYS_kill, &[child]);
    make(
        &format!("tkill tid={child} sig=0"),
        libc::SYS_tkill,
        &[child],
    );
    let told = format!("tgkill pid={child} tid={child} sig=0");
    make(&told, libc::SYS_tgkill, &[child, child]);
    let process = call(libc::SYS_pidfd_open, &[child]);
    let told = format!("pidfd_send_signal pid_fd={process} sig=0");
    make(&told, libc::SYS_pidfd_send_signal, &[process]);
    let told = format!("pidfd_getfd pid_fd={process} target_fd=1");
    make(&told, libc::SYS_pidfd_getfd, &[process, 1]);
}
