//! A system call made in another process, as a debugger does it.

use std::io;

/// `syscall` of x86-64, least byte first.
const SYSCALL: i64 = 0x050f;
/// Stops until the thread is found in a system call.
const TRIES: u32 = 100;

/// Has another process close one of its descriptors.
#[cfg(target_arch = "x86_64")]
pub(crate) fn close(pid: i32, descriptor: u64) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, pid, 0, 0)?;
    let result = close_in_traced(pid, descriptor);
    request(libc::PTRACE_DETACH, pid, 0, 0)?;
    result
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn close(_pid: i32, _descriptor: u64) -> io::Result<()> {
    panic!("the registers of this architecture are not known here")
}

#[cfg(target_arch = "x86_64")]
fn close_in_traced(pid: i32, descriptor: u64) -> io::Result<()> {
    for _ in 0..TRIES {
        request(libc::PTRACE_INTERRUPT, pid, 0, 0)?;
        wait(pid)?;
        let saved = registers(pid)?;
        // SAFETY: plain data; the kernel reads the word in the other process.
        let word = unsafe { libc::ptrace(libc::PTRACE_PEEKTEXT, pid, saved.rip - 2, 0) };
        if word & 0xffff == SYSCALL {
            return call(pid, saved, descriptor);
        }
        request(libc::PTRACE_CONT, pid, 0, 0)?;
    }
    Err(io::Error::other("the thread is in no system call"))
}

/// Runs the instruction that the thread has just run, for another call, and puts everything back.
#[cfg(target_arch = "x86_64")]
fn call(pid: i32, saved: libc::user_regs_struct, descriptor: u64) -> io::Result<()> {
    let mut changed = saved;
    changed.rip -= 2;
    changed.rax = libc::SYS_close as u64;
    // No call that is under way: the kernel has nothing to restart.
    changed.orig_rax = u64::MAX;
    changed.rdi = descriptor;
    request(libc::PTRACE_SETREGS, pid, 0, (&raw const changed) as usize)?;
    request(libc::PTRACE_SINGLESTEP, pid, 0, 0)?;
    wait(pid)?;
    let result = registers(pid)?.rax as i64;
    request(libc::PTRACE_SETREGS, pid, 0, (&raw const saved) as usize)?;
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result as i32));
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn registers(pid: i32) -> io::Result<libc::user_regs_struct> {
    // SAFETY: registers are numbers, of which zero is one.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    request(libc::PTRACE_GETREGS, pid, 0, (&raw mut registers) as usize)?;
    Ok(registers)
}

fn request(request: libc::c_uint, pid: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: what `data` points to is as large as the request asks for.
    let result = unsafe { libc::ptrace(request, pid, address, data) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn wait(pid: i32) -> io::Result<()> {
    let mut status = 0;
    // SAFETY: the status is ours.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    if waited < 0 {
        return Err(io::Error::last_os_error());
    }
    if !libc::WIFSTOPPED(status) {
        return Err(io::Error::other(format!(
            "the process did not stop: {status:#x}"
        )));
    }
    Ok(())
}
