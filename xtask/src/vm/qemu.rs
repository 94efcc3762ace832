//! QEMU and the daemon that serves it this machine's root.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::run::find_program;
use crate::steps;

const VIRTIOFSD: [&str; 2] = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];
/// How the first process says how the job ended.
const EXIT: &str = "vm: exit ";
/// How a test says what it did in a shorter form.
const SHORTENED: &str = "shortened: ";
/// Processors of the machine.
pub(crate) const CORES: usize = 2;
const SOCKET_PATIENCE: Duration = Duration::from_secs(10);

/// A machine to boot.
pub(super) struct Machine {
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    pub(super) memory_mib: u32,
    pub(super) deadline: Duration,
}

/// A process that ends with this value.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl Machine {
    /// Boots, passes the console through, and gives the job's exit code; `None` when the machine
    /// ended without one, or had to be ended.
    pub(super) fn run(&self, folder: &Path) -> Result<Option<i32>> {
        // The path of a socket has room for 108 bytes, which a checkout's may exceed.
        let socket = std::env::temp_dir().join(format!("gravlens-vm-{}.sock", std::process::id()));
        let result = self.run_on(folder, &socket);
        for file in [&socket, &self.initramfs] {
            let _ = fs::remove_file(file); // already gone is as good
        }
        result
    }

    fn run_on(&self, folder: &Path, socket: &Path) -> Result<Option<i32>> {
        let log = fs::File::create(folder.join("virtiofsd.log"))?;
        let _files = serve_root(socket, log)?;
        let mut qemu = Owned(self.start(socket)?);
        let output = qemu.0.stdout.take().context("the console is piped")?;
        let (lines, console) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(follow(&console, Instant::now() + self.deadline))
    }

    fn start(&self, socket: &Path) -> Result<Child> {
        let memory = self.memory_mib;
        let qemu =
            find_program("qemu-system-x86_64").context("no QEMU: run `cargo xtask setup`")?;
        Command::new(qemu)
            .args(["-accel", "tcg,thread=multi", "-cpu", "max"])
            .args(["-smp", &CORES.to_string()])
            .args(["-m", &memory.to_string()])
            .arg("-object")
            .arg(format!(
                "memory-backend-memfd,id=mem,size={memory}M,share=on"
            ))
            .args(["-numa", "node,memdev=mem"])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args([
                "-append",
                // The last word tells the tests that they may watch all of it.
                "console=ttyS0 quiet loglevel=3 panic=-1 lsm=landlock,yama,bpf \
                 gravlens.test_machine",
            ])
            .args(["-display", "none", "-serial", "stdio", "-monitor", "none"])
            .args(["-no-reboot", "-nic", "none"])
            .arg("-chardev")
            .arg(format!("socket,id=host,path={}", socket.display()))
            .args(["-device", "vhost-user-fs-pci,chardev=host,tag=host"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start QEMU")
    }
}

fn serve_root(socket: &Path, log: fs::File) -> Result<Owned> {
    let program = VIRTIOFSD
        .iter()
        .find(|path| Path::new(path).is_file())
        .context("no virtiofsd: run `cargo xtask setup`")?;
    let child = Command::new(program)
        .arg(format!("--socket-path={}", socket.display()))
        .args(["-o", "source=/", "-o", "cache=auto", "-o", "sandbox=chroot"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("cannot start virtiofsd")?;
    let child = Owned(child);
    let deadline = Instant::now() + SOCKET_PATIENCE;
    while !socket.exists() {
        if Instant::now() > deadline {
            bail!("virtiofsd does not come up; see target/vm/virtiofsd.log");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(child)
}

/// Prints the console from the kernel's first line on, and waits for the exit code.
fn follow(console: &Receiver<Vec<u8>>, deadline: Instant) -> Option<i32> {
    let mut code = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match console.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return code,
        };
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\r');
        match text.strip_prefix(EXIT) {
            Some(number) => code = number.trim().parse().ok(),
            // The firmware's greeting clears the screen.
            None if text.contains("\x1bc") || text.starts_with("Booting from") => {}
            None => {
                println!("{text}");
                if let Some((_, what)) = text.split_once(SHORTENED) {
                    steps::note_shortened(&format!("in the virtual machine: {what}"));
                }
            }
        }
    }
}
