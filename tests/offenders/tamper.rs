//! Changes the eBPF objects of another process from outside, as an intruder with root does.
//!
//! `tamper PID detach PROGRAM`: detaches the cgroup link of a program
//! `tamper PID close PROGRAM`: has the process close the link of a program's perf event, which
//! disables it
//! `tamper PID overwrite MAP`: inverts the first byte of an array map's first value

use std::fs;
use std::io;

mod injected;

const MAP_LOOKUP_ELEM: i32 = 1;
const MAP_UPDATE_ELEM: i32 = 2;
const PROG_GET_FD_BY_ID: i32 = 13;
const MAP_GET_FD_BY_ID: i32 = 14;
const OBJ_GET_INFO_BY_FD: i32 = 15;
const LINK_GET_FD_BY_ID: i32 = 30;
const LINK_DETACH: i32 = 34;

/// Where the name stands in the kernel's description of a program and of a map.
const PROGRAM_NAME_AT: usize = 64;
const MAP_NAME_AT: usize = 24;
const NAME_LEN: usize = 15;
const VALUE_SIZE_AT: usize = 12;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pid, deed, name] = arguments.as_slice() else {
        panic!("usage: tamper PID detach|close|overwrite NAME");
    };
    let done = match deed.as_str() {
        "detach" => detach(pid, name),
        "close" => close(pid, name),
        "overwrite" => overwrite(pid, name),
        other => panic!("no such deed: {other}"),
    };
    assert!(done.expect("the deed succeeds"), "{name} is not there");
    println!("done");
}

fn detach(pid: &str, name: &str) -> io::Result<bool> {
    for lines in descriptions(pid)? {
        if !lines.contains("link_type:\tcgroup") {
            continue;
        }
        let (Some(link), Some(program)) = (number(&lines, "link_id:"), number(&lines, "prog_id:"))
        else {
            continue;
        };
        let program = by_id(PROG_GET_FD_BY_ID, program)?;
        if is_named(&info(program)?, PROGRAM_NAME_AT, name) {
            let link = by_id(LINK_GET_FD_BY_ID, link)?;
            bpf(LINK_DETACH, &[link as u64])?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn close(pid: &str, name: &str) -> io::Result<bool> {
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
        let Ok(lines) = fs::read_to_string(entry.path()) else {
            continue;
        };
        if !lines.contains("link_type:\tperf") {
            continue;
        }
        let Some(program) = number(&lines, "prog_id:") else {
            continue;
        };
        if is_named(
            &info(by_id(PROG_GET_FD_BY_ID, program)?)?,
            PROGRAM_NAME_AT,
            name,
        ) {
            let descriptor = entry.file_name().to_string_lossy().parse();
            let pid = pid.parse().expect("PID is a number");
            injected::close(pid, descriptor.expect("descriptors are numbers"))?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn overwrite(pid: &str, name: &str) -> io::Result<bool> {
    for lines in descriptions(pid)? {
        let Some(id) = number(&lines, "map_id:") else {
            continue;
        };
        let map = by_id(MAP_GET_FD_BY_ID, id)?;
        let info = info(map)?;
        if !is_named(&info, MAP_NAME_AT, name) {
            continue;
        }
        let size = &info[VALUE_SIZE_AT..VALUE_SIZE_AT + 4];
        let size = u32::from_ne_bytes(size.try_into().expect("four bytes"));
        let key = 0_u32;
        let mut value = vec![0_u8; (size as usize).next_multiple_of(8)];
        let attributes = [
            map as u64,
            (&raw const key) as u64,
            value.as_mut_ptr() as u64,
            0,
        ];
        bpf(MAP_LOOKUP_ELEM, &attributes)?;
        value[0] = !value[0];
        bpf(MAP_UPDATE_ELEM, &attributes)?;
        return Ok(true);
    }
    Ok(false)
}

/// What the kernel says of each descriptor of a process.
fn descriptions(pid: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten();
    Ok(entries
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .collect())
}

fn number(lines: &str, name: &str) -> Option<u32> {
    let line = lines.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().parse().ok()
}

fn is_named(info: &[u8], at: usize, name: &str) -> bool {
    let wanted = &name.as_bytes()[..name.len().min(NAME_LEN)];
    let found = &info[at..at + NAME_LEN + 1];
    found.starts_with(wanted) && found[wanted.len()] == 0
}

fn by_id(command: i32, id: u32) -> io::Result<i32> {
    bpf(command, &[u64::from(id), 0])
}

fn info(object: i32) -> io::Result<Vec<u8>> {
    let mut info = vec![0_u8; 256];
    let head = u64::from(object as u32) | (info.len() as u64) << 32;
    bpf(OBJ_GET_INFO_BY_FD, &[head, info.as_mut_ptr() as u64])?;
    Ok(info)
}

fn bpf(command: i32, attributes: &[u64]) -> io::Result<i32> {
    // SAFETY: the attributes are those of the command, and every pointer in them leads to memory
    // that is as large as the command asks for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as i32)
}
