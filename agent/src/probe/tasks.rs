//! The processes that already run, from the kernel's task iterator and /proc.
//!
//! The iterator gives exec ids, credentials and paths as kernel facts; arguments and working
//! directory live in the process's own memory and come from /proc, where they may have changed
//! since the exec.

use std::{fs, io, io::Read, os::unix::ffi::OsStringExt};

use aya::{Btf, Ebpf, programs::Iter};
use gravlens_common::limits::ARGV_MAX;

use super::{Probe, ProbeError, loader::chain};
use crate::enrich::process_table::ProcDetails;
use crate::model::ExecId;

/// What the task iterator said: one record for each process in scope.
#[derive(Debug)]
pub struct Snapshot(Vec<u8>);

impl Snapshot {
    /// Runs the iterator.
    pub fn take(probe: &mut Probe) -> Result<Self, ProbeError> {
        Ok(Self(probe.read_tasks()?))
    }

    /// The processes, each with its record ([`gravlens_common::TaskRecord`] and its path).
    pub fn tasks(&self) -> impl Iterator<Item = (ExecId, &[u8])> {
        split(&self.0).filter_map(|record| Some((crate::decode::task_exec_id(record)?, record)))
    }
}

pub(super) fn read(ebpf: &mut Ebpf, btf: &Btf) -> Result<Vec<u8>, ProbeError> {
    let fail = |error: &dyn std::error::Error| ProbeError::Load(format!("tasks: {}", chain(error)));
    let program: &mut Iter = ebpf
        .program_mut("tasks")
        .ok_or_else(|| ProbeError::Load("the object has no program tasks".to_owned()))?
        .try_into()
        .map_err(|error: aya::programs::ProgramError| fail(&error))?;
    if program.fd().is_err() {
        program.load("task", btf).map_err(|error| fail(&error))?;
    }
    let link = program.attach().map_err(|error| fail(&error))?;
    let link = program.take_link(link).map_err(|error| fail(&error))?;
    let mut file = link.into_file().map_err(|error| fail(&error))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| ProbeError::io("cannot read the task iterator", error))?;
    Ok(bytes)
}

/// Cuts the iterator's output into records by the size that each header gives.
fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let size = bytes.get(4..8)?;
        let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize;
        if size == 0 || size > bytes.len() {
            return None;
        }
        let (record, rest) = bytes.split_at(size);
        bytes = rest;
        Some(record)
    })
}

/// What /proc adds; empty when the process is gone or hides it.
pub fn proc_details(tgid: u32) -> ProcDetails {
    let (argv, argv_truncated) = fs::File::open(format!("/proc/{tgid}/cmdline"))
        .and_then(arguments)
        .unwrap_or_default();
    ProcDetails {
        argv,
        argv_truncated,
        cwd: fs::read_link(format!("/proc/{tgid}/cwd"))
            .map(|path| path.into_os_string().into_vec())
            .unwrap_or_default(),
    }
}

/// Arguments up to the length at which an exec's are cut too, and whether there are more.
fn arguments(source: impl Read) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    source.take(ARGV_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let truncated = bytes.len() > ARGV_MAX;
    bytes.truncate(ARGV_MAX);
    Ok((bytes, truncated))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_are_cut_by_their_size() {
        let mut bytes = vec![0u8; 40];
        bytes[4] = 16;
        bytes[20] = 24;
        let sizes: Vec<usize> = split(&bytes).map(<[u8]>::len).collect();
        assert_eq!(sizes, [16, 24]);
    }

    #[test]
    fn long_arguments_are_cut_where_those_of_an_exec_are() {
        let long = vec![b'x'; ARGV_MAX];
        assert_eq!(arguments(&long[..]).unwrap(), (long.clone(), false));
        let longer = [&long[..], b"y"].concat();
        assert_eq!(arguments(&longer[..]).unwrap(), (long, true));
    }

    #[test]
    fn a_process_with_a_long_command_line_is_found_cut() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "echo; read line", "sh", &"x".repeat(100_000)])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The shell runs when it writes.
        let said = child.stdout.as_mut().unwrap().read(&mut [0]).unwrap();
        assert_eq!(said, 1);
        let found = proc_details(child.id());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(found.argv_truncated && found.argv.starts_with(b"sh\0-c\0"));
        assert_eq!(found.argv.len(), ARGV_MAX);
    }

    proptest! {
        #[test]
        fn arbitrary_output_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let total: usize = split(&bytes).map(<[u8]>::len).sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
