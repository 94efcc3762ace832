//! A second thread changes what a call was given while the call runs, and the program asks the
//! kernel what it took.
//!
//! `races CASE ROUNDS FOLDER`; the folder is for the files that the case needs

use std::cell::UnsafeCell;
use std::ffi::{CStr, CString};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::{fs, mem, ptr, thread};

use rustix::fs::fstat;
use rustix::thread::{CpuSet, sched_setaffinity};

mod raw;

use raw::{c_string, done, open};

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: races CASE ROUNDS FOLDER";
    let case = arguments.next().expect(usage);
    let rounds = arguments.next().expect(usage);
    let rounds: u32 = rounds.to_string_lossy().parse().expect(usage);
    let folder = PathBuf::from(arguments.next().expect(usage));
    match case.to_string_lossy().as_ref() {
        "open" => open_race(rounds, &folder),
        "connect" => connect_race(rounds),
        "exec" => exec_race(rounds, &folder),
        "descriptor" => descriptor_race(rounds, &folder),
        "unlink" => name_race(rounds, &folder, |name, _| {
            // SAFETY: every mixture of the names ends with the same zero byte.
            unsafe { libc::unlinkat(libc::AT_FDCWD, name, 0) }
        }),
        "rename" => name_race(rounds, &folder, |name, target| {
            let at = libc::AT_FDCWD;
            // SAFETY: as above; the target ends with a zero byte.
            unsafe { libc::renameat(at, name, at, target.as_ptr()) }
        }),
        "chmod" => mode_race(rounds, &folder),
        other => panic!("no case {other}"),
    }
}

static AT_WORK: AtomicBool = AtomicBool::new(false);
static OVER: AtomicBool = AtomicBool::new(false);

/// Runs `swap` again and again on another processor until `work` is done.
fn against<R>(swap: impl Fn(u8) + Sync, work: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(1);
            let mut turn = 0_u8;
            while !OVER.load(Ordering::Relaxed) {
                swap(turn & 1);
                turn = turn.wrapping_add(1);
                AT_WORK.store(true, Ordering::Relaxed);
            }
        });
        stay_on(0);
        while !AT_WORK.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let result = work();
        OVER.store(true, Ordering::Relaxed);
        result
    })
}

/// Moves the thread to a processor: threads that take turns on one do not race.
fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    // A machine with one processor goes on as it is.
    let _ = sched_setaffinity(None, &set);
}

/// Bytes that two threads write at the same time, one by one so that it is no undefined behaviour.
struct Contested(Vec<AtomicU8>);

impl Contested {
    fn new(text: &CStr) -> Self {
        Self(
            text.to_bytes_with_nul()
                .iter()
                .copied()
                .map(AtomicU8::new)
                .collect(),
        )
    }

    fn fill(&self, text: &CStr) {
        for (byte, value) in self.0.iter().zip(text.to_bytes_with_nul()) {
            byte.store(*value, Ordering::Relaxed);
        }
    }

    fn as_ptr(&self) -> *const libc::c_char {
        self.0.as_ptr().cast()
    }
}

/// Two names that differ in their last byte, so that no mixture of them exists.
fn names(folder: &Path) -> [CString; 2] {
    ["file-r", "file-b"].map(|name| {
        fs::write(folder.join(name), "").expect("room for a file");
        c_string(folder.join(name))
    })
}

fn inode(path: &CStr) -> u64 {
    let path = path.to_str().expect("the folder has a plain name");
    fs::metadata(path).expect("it was just made").ino()
}

/// Tells the path that each open took.
fn open_race(rounds: u32, folder: &Path) {
    let names = names(folder);
    let red = inode(&names[0]);
    let path = Contested::new(&names[0]);
    let truth: Vec<bool> = against(
        |turn| path.fill(&names[usize::from(turn)]),
        || {
            let opens = (0..rounds).map(|_| {
                // SAFETY: every mixture of the names ends with the same zero byte.
                let fd = done(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) });
                // SAFETY: the descriptor is open, and closed only below.
                let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
                let is_red = fstat(file).expect("it is open").st_ino == red;
                // SAFETY: nobody else knows the descriptor.
                unsafe { libc::close(fd) };
                is_red
            });
            opens.collect()
        },
    );
    tell(truth.into_iter().map(|red| if red { 'r' } else { 'b' }));
}

/// Tells the port that each connect took. Datagram sockets, since nobody has to accept them.
fn connect_race(rounds: u32) {
    let target = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let (red, blue) = (target(), target());
    let port = |socket: &UdpSocket| socket.local_addr().expect("it is bound").port();
    let ports = [port(&red), port(&blue)];
    println!("red={}", SocketAddrV4::new(Ipv4Addr::LOCALHOST, ports[0]));
    println!("blue={}", SocketAddrV4::new(Ipv4Addr::LOCALHOST, ports[1]));
    let address = Address::new(ports[0]);
    let truth: Vec<bool> = against(
        |turn| {
            address
                .port()
                .store(ports[usize::from(turn)].to_be(), Ordering::Relaxed);
        },
        || {
            (0..rounds)
                .map(|_| address.connected_port() == ports[0])
                .collect()
        },
    );
    tell(truth.into_iter().map(|red| if red { 'r' } else { 'b' }));
}

/// A socket address whose port is fought for.
struct Address(UnsafeCell<libc::sockaddr_in>);

// SAFETY: the one field that changes is changed as an atomic value.
unsafe impl Sync for Address {}

impl Address {
    fn new(port: u16) -> Self {
        // SAFETY: zeroes are a valid address.
        let mut address: libc::sockaddr_in = unsafe { mem::zeroed() };
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        Self(UnsafeCell::new(address))
    }

    fn port(&self) -> &AtomicU16 {
        // SAFETY: the field is aligned, and nobody has a plain reference to it.
        unsafe { AtomicU16::from_ptr(&raw mut (*self.0.get()).sin_port) }
    }

    fn connected_port(&self) -> u16 {
        let socket = UdpSocketRaw::new();
        let length = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
        // SAFETY: the address has that length.
        done(unsafe { libc::connect(socket.0, self.0.get().cast(), length) });
        // SAFETY: zeroes are a valid address.
        let mut peer: libc::sockaddr_in = unsafe { mem::zeroed() };
        let mut room = length;
        // SAFETY: the address has room for what is asked.
        done(unsafe { libc::getpeername(socket.0, (&raw mut peer).cast(), &raw mut room) });
        u16::from_be(peer.sin_port)
    }
}

/// A descriptor of a datagram socket.
struct UdpSocketRaw(i32);

impl UdpSocketRaw {
    fn new() -> Self {
        // SAFETY: no memory is passed.
        Self(done(unsafe {
            libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0)
        }))
    }
}

impl Drop for UdpSocketRaw {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this value's own.
        unsafe { libc::close(self.0) };
    }
}

/// Tells its argument.
const PROGRAM: &CStr = c"/bin/echo";

/// Tells the argument that each image got. The thread that changes it must outlive the exec, so
/// the memory is shared with children that become the image.
fn exec_race(rounds: u32, folder: &Path) {
    let names = [c"argument-r".to_owned(), c"argument-b".to_owned()];
    let argument = Contested::new(&names[0]);
    let words = [PROGRAM.as_ptr(), argument.as_ptr(), ptr::null()];
    // A pipe would be full before the rounds are over.
    let output = folder.join("words");
    let writer = fs::File::create(&output).expect("room for a file");
    let child = Child {
        words: words.as_ptr(),
        output: writer.as_raw_fd(),
    };
    against(
        |turn| argument.fill(&names[usize::from(turn)]),
        || (0..rounds).for_each(|_| child.run()),
    );
    let told = fs::read_to_string(&output).expect("echo writes text");
    tell(told.lines().filter_map(|line| line.chars().last()));
}

/// What a child on this process's memory becomes.
struct Child {
    words: *const *const libc::c_char,
    output: i32,
}

impl Child {
    /// Shares the memory, so that the argument goes on changing until the kernel has read it.
    fn run(&self) {
        extern "C" fn become_image(child: *mut libc::c_void) -> i32 {
            // SAFETY: the parent waits until this child has another image.
            let child = unsafe { &*child.cast::<Child>() };
            let environment = [ptr::null()];
            // SAFETY: the descriptors are this child's own copies, and the lists end with null.
            unsafe {
                libc::dup2(child.output, 1);
                libc::execve(PROGRAM.as_ptr(), child.words, environment.as_ptr());
            }
            1
        }
        let mut stack = vec![0_u128; 4096];
        let top = stack.as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let argument = ptr::from_ref(self).cast_mut().cast();
        // SAFETY: the stack outlives the child's use of it: the parent goes on when the child has
        // another image.
        let pid = done(unsafe { libc::clone(become_image, top.cast(), flags, argument) });
        raw::wait(pid);
    }
}

/// Opens one file while the other thread puts another behind the new descriptor.
fn descriptor_race(rounds: u32, folder: &Path) {
    let [red, blue] = names(folder);
    let decoy = done(open(&blue, libc::O_RDONLY));
    let next = decoy + 1;
    against(
        |_| {
            // SAFETY: no memory is passed; the descriptor is what is fought for.
            unsafe { libc::dup2(decoy, next) };
            // SAFETY: as above.
            unsafe { libc::close(next) };
        },
        || {
            for _ in 0..rounds {
                let fd = done(open(&red, libc::O_RDONLY));
                // SAFETY: as above; it may be the other thread's by now.
                unsafe { libc::close(fd) };
            }
        },
    );
}

/// Takes one of two names away, and tells which.
fn name_race(rounds: u32, folder: &Path, take: impl Fn(*const libc::c_char, &CStr) -> i32) {
    let names = names(folder);
    let target = c_string(folder.join("taken"));
    let path = Contested::new(&names[0]);
    let truth: Vec<bool> = against(
        |turn| path.fill(&names[usize::from(turn)]),
        || {
            let gone = (0..rounds).map(|_| {
                done(take(path.as_ptr(), &target));
                let is_red = !folder.join("file-r").exists();
                let missing = &names[usize::from(!is_red)];
                let again = done(open(missing, libc::O_CREAT | libc::O_EXCL));
                // SAFETY: nobody else knows the descriptor.
                unsafe { libc::close(again) };
                is_red
            });
            gone.collect()
        },
    );
    tell(truth.into_iter().map(|red| if red { 'r' } else { 'b' }));
}

/// Changes the mode of one of two files, and tells which.
fn mode_race(rounds: u32, folder: &Path) {
    const PLAIN: u32 = 0o600;
    const CHANGED: u32 = 0o640;
    let names = names(folder);
    let files =
        ["file-r", "file-b"].map(|name| fs::File::open(folder.join(name)).expect("is there"));
    let reset = |file: &fs::File| {
        file.set_permissions(fs::Permissions::from_mode(PLAIN))
            .expect("the file is ours");
    };
    files.iter().for_each(reset);
    let path = Contested::new(&names[0]);
    let truth: Vec<bool> = against(
        |turn| path.fill(&names[usize::from(turn)]),
        || {
            let changed = (0..rounds).map(|_| {
                // SAFETY: every mixture of the names ends with the same zero byte.
                done(unsafe { libc::fchmodat(libc::AT_FDCWD, path.as_ptr(), CHANGED, 0) });
                let mode = files[0].metadata().expect("it is open").mode();
                let is_red = mode & 0o777 == CHANGED;
                reset(&files[usize::from(!is_red)]);
                is_red
            });
            changed.collect()
        },
    );
    tell(truth.into_iter().map(|red| if red { 'r' } else { 'b' }));
}

fn tell(truth: impl Iterator<Item = char>) {
    println!("truth={}", truth.collect::<String>());
}
