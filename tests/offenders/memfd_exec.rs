//! Runs a program that has no file: copies it into memory and executes that copy.
//!
//! `memfd_exec PROGRAM [ARG...]`

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{MemfdFlags, memfd_create};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (program, arguments) = arguments
        .split_first()
        .expect("usage: memfd_exec PROGRAM [ARG...]");
    let image = fs::read(program).expect("the program can be read");
    let name = CString::new("payload").expect("no zero byte");
    let mut memory = File::from(memfd_create(&name, MemfdFlags::empty()).expect("memfd_create"));
    memory.write_all(&image).expect("memory is there");
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let error = Command::new(path).arg0(program).args(arguments).exec();
    panic!("cannot execute the copy in memory: {error}");
}
