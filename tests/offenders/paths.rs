//! Opens a file by a way that a path alone does not show.
//!
//! `paths CASE FOLDER`; the folder is empty and the program's own

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, chmodat, linkat, renameat, symlinkat};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::process::{chdir, chroot};
use rustix::thread::{UnshareFlags, unshare_unsafe};

mod raw;

use raw::{c_string, done, open};

/// Length of each folder's name on a deep path.
const STEP: usize = 199;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let case = arguments.next().expect("usage: paths CASE FOLDER");
    let folder = PathBuf::from(arguments.next().expect("usage: paths CASE FOLDER"));
    match case.to_string_lossy().as_ref() {
        "deep" => deep(&folder, 4000),
        "deeper" => deep(&folder, 5000),
        "bytes" => bytes(&folder),
        "changes" => changes(&folder),
        "bind" => bind(&folder),
        "chroot" => {
            chroot("/etc").expect("root may");
            read("/passwd");
        }
        "proc_root" => {
            read("/proc/self/root/etc/passwd");
        }
        "deleted" => deleted(&folder),
        "kinds" => kinds(&folder),
        other => panic!("no case {other}"),
    }
}

fn read(path: impl AsRef<Path>) -> i32 {
    done(open(&c_string(path), libc::O_RDONLY))
}

/// Makes folders in folders until a file's path is so long, and opens the file from inside.
fn deep(folder: &Path, length: usize) {
    chdir(folder).expect("the folder is there");
    let mut path = folder.as_os_str().as_bytes().to_vec();
    while path.len() + 1 < length {
        let left = length - path.len() - 1;
        // The last step leaves room for a name of at least one byte.
        let step = if left <= STEP + 1 { left } else { STEP };
        let name = vec![b'd'; step];
        let name = OsStr::from_bytes(&name);
        path.push(b'/');
        path.extend_from_slice(name.as_bytes());
        if path.len() == length {
            done(open(&c_string(name), libc::O_RDWR | libc::O_CREAT));
        } else {
            fs::create_dir(name).expect("room for a folder");
            chdir(name).expect("it was just made");
        }
    }
    println!("path={}", String::from_utf8_lossy(&path));
}

/// A name that is no text.
fn bytes(folder: &Path) {
    let name = folder.join(OsStr::from_bytes(b"back\\slash-\xff\xfe"));
    done(open(&c_string(name), libc::O_WRONLY | libc::O_CREAT));
}

/// Other names and another mode for a file, and one name that is taken.
fn changes(folder: &Path) {
    chdir(folder).expect("the folder is there");
    done(open(c"file", libc::O_WRONLY | libc::O_CREAT));
    let none = AtFlags::empty();
    linkat(CWD, "file", CWD, "hard", none).expect("the name is free");
    linkat(CWD, "file", CWD, "./hard", none).expect_err("the name is taken");
    symlinkat("../../shadow", CWD, "soft").expect("the name is free");
    renameat(CWD, "hard", CWD, "moved").expect("the file is there");
    let mode = Mode::from_raw_mode(0o4755);
    chmodat(CWD, "moved", mode, none).expect("the file is ours");
}

/// The file of one folder by the name of another, in a mount namespace of its own.
fn bind(folder: &Path) {
    let (from, to) = (folder.join("from"), folder.join("to"));
    for folder in [&from, &to] {
        fs::create_dir(folder).expect("room for a folder");
    }
    // SAFETY: the program has one thread, and shares no descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("root may");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("root may");
    mount_bind(&from, &to).expect("both are there");
    done(open(
        &c_string(to.join("file")),
        libc::O_WRONLY | libc::O_CREAT,
    ));
}

/// Files and folders that have no name any more.
fn deleted(folder: &Path) {
    let gone = folder.join("gone");
    fs::create_dir(&gone).expect("room for a folder");
    chdir(&gone).expect("it was just made");
    fs::remove_dir(&gone).expect("it is empty");
    done(open(c".", libc::O_RDONLY | libc::O_DIRECTORY));
    assert!(
        open(c"absent", libc::O_RDONLY) < 0,
        "a folder that is gone has no files"
    );
    let file = folder.join("file");
    let fd = done(open(&c_string(&file), libc::O_RDWR | libc::O_CREAT));
    fs::remove_file(&file).expect("it was just made");
    read(format!("/proc/self/fd/{fd}"));
    // Last: the image of the program gets the folder that is gone.
    raw::execute(c"/bin/true", &[c"true"]);
}

/// One open of each kind.
fn kinds(folder: &Path) {
    let path = c_string(folder.join("file"));
    let fd = done(open(&path, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL));
    println!("fd={fd}");
    assert!(open(&path, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL) < 0);
    done(open(&path, libc::O_PATH));
    done(open(&path, libc::O_WRONLY | libc::O_APPEND | libc::O_TRUNC));
    done(open(&c_string(folder), libc::O_RDWR | libc::O_TMPFILE));
    assert!(open(c"/nonexistent/../etc/absent", libc::O_RDONLY) < 0);
    let how = [u64::from(libc::O_RDONLY.unsigned_abs()), 0, 0];
    // SAFETY: `how` has the three words that the call reads.
    done(unsafe {
        libc::syscall(
            libc::SYS_openat2,
            libc::AT_FDCWD,
            path.as_ptr(),
            how.as_ptr(),
            24,
        )
    });
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: the path ends with a zero byte.
        done(unsafe { libc::syscall(libc::SYS_open, path.as_ptr(), libc::O_RDONLY, 0) });
        // SAFETY: as above.
        done(unsafe { libc::syscall(libc::SYS_creat, path.as_ptr(), 0o600) });
    }
}
