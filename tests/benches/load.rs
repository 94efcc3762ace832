//! The workloads of `bench_capture`: each enters a cgroup, works, and prints the CPU time that the
//! work took and how much it was.
//!
//! `bench_load CGROUP null COUNT | open COUNT FILE | distinct SECONDS FOLDER | stream SECONDS`

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cgroup, load, amount, rest @ ..] = arguments.as_slice() else {
        panic!("usage: bench_load CGROUP LOAD AMOUNT [PATH]");
    };
    let amount: u64 = amount.parse().expect("an amount is a number");
    let path = rest.first().map_or("", String::as_str);
    if !cgroup.is_empty() {
        let procs = format!("{cgroup}/cgroup.procs");
        fs::write(procs, std::process::id().to_string()).expect("the cgroup can be entered");
    }
    let before = cpu();
    let done = match load.as_str() {
        "null" => null(amount),
        "open" => open(amount, path),
        "stream" => stream(Duration::from_secs(amount)),
        "distinct" => distinct(Duration::from_secs(amount), path),
        other => panic!("no load {other}"),
    };
    println!("{} {done}", (cpu() - before).as_nanos());
}

/// User and system time of this process.
fn cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(now.tv_nsec.unsigned_abs())
}

fn null(count: u64) -> u64 {
    for _ in 0..count {
        let _ = std::hint::black_box(rustix::process::getppid());
    }
    count
}

fn open(count: u64, path: &str) -> u64 {
    let path = CString::new(path).expect("a path has no zero");
    for _ in 0..count {
        open_close(&path);
    }
    count
}

/// Opens the 4,096 files of a folder in turn, until the time is up.
fn distinct(time: Duration, folder: &str) -> u64 {
    let names: Vec<CString> = fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry can be read").path())
        .map(|path| CString::new(path.into_os_string().into_encoded_bytes()).expect("no zero"))
        .collect();
    let deadline = Instant::now() + time;
    let mut done = 0;
    while Instant::now() < deadline {
        for name in &names {
            open_close(name);
        }
        done += names.len() as u64;
    }
    done
}

/// Sends as much as a connection over loopback takes, until the time is up.
fn stream(time: Duration) -> u64 {
    const PART: usize = 64 << 10;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let receiver = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client waits");
        let mut part = vec![0; PART];
        let mut received = 0;
        loop {
            match socket.read(&mut part).expect("the other end is there") {
                0 => return received,
                bytes => received += bytes as u64,
            }
        }
    });
    let mut socket = TcpStream::connect(address).expect("it listens");
    let deadline = Instant::now() + time;
    let part = vec![0; PART];
    while Instant::now() < deadline {
        socket.write_all(&part).expect("the other end is there");
    }
    drop(socket);
    receiver.join().expect("it has ended")
}

fn open_close(path: &CString) {
    use rustix::fs::{Mode, OFlags, open};
    let file = open(path.as_c_str(), OFlags::RDONLY, Mode::empty());
    drop(File::from(file.expect("the file can be opened")));
}
