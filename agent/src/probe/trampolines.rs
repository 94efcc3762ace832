//! Programs on kernel functions: whether the kernel grants them, and what is told through maps.

use aya::{
    Btf, Ebpf,
    programs::{FEntry, FExit, links::FdLink},
};
use aya_obj::btf::BtfKind;
use gravlens_common::Call;

use super::{
    ProbeError,
    arrays::{array, failed},
    loader::chain,
};

/// A kernel function that every supported kernel has and that is rarely called.
const TARGET: &str = "bprm_execve";

/// Calls whose functions io_uring runs too.
const TWINS: &[(libc::c_long, Call)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Call::Open),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, Call::Creat),
    (libc::SYS_openat, Call::Openat),
    (libc::SYS_openat2, Call::Openat2),
    (libc::SYS_accept, Call::Accept),
    (libc::SYS_accept4, Call::Accept4),
    (libc::SYS_ftruncate, Call::Ftruncate),
];

/// The kernel has no function of that name.
pub(super) fn lacks_function(btf: &Btf, name: &str) -> bool {
    btf.id_by_type_name_kind(name, BtfKind::Func).is_err()
}

/// Loads and attaches an empty program for a moment.
pub(super) fn check(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), String> {
    let program: &mut FEntry = ebpf
        .program_mut("trampoline")
        .ok_or("the object has no program trampoline")?
        .try_into()
        .map_err(|error: aya::programs::ProgramError| chain(&error))?;
    attach_entry(program, TARGET, btf).map(drop)
}

/// Attaches a program to the entry of a kernel function.
pub(super) fn attach_entry(
    program: &mut FEntry,
    function: &str,
    btf: &Btf,
) -> Result<FdLink, String> {
    program.load(function, btf).map_err(|error| chain(&error))?;
    let link = program.attach().map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    Ok(link.into())
}

/// Attaches a program to the end of a kernel function.
pub(super) fn attach_exit(
    program: &mut FExit,
    function: &str,
    btf: &Btf,
) -> Result<FdLink, String> {
    program.load(function, btf).map_err(|error| chain(&error))?;
    let link = program.attach().map_err(|error| chain(&error))?;
    let link = program.take_link(link).map_err(|error| chain(&error))?;
    Ok(link.into())
}

/// Tells the programs the numbers of those calls.
pub(super) fn prepare(ebpf: &mut Ebpf) -> Result<(), ProbeError> {
    let mut calls = array::<u8>(ebpf, "TWIN_CALLS")?;
    for &(number, call) in TWINS {
        let number = u32::try_from(number).map_err(|_| failed("TWIN_CALLS", &number))?;
        calls
            .set(number, call as u8, 0)
            .map_err(|error| failed("TWIN_CALLS", &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gravlens_common::limits;

    use super::*;

    #[test]
    fn every_number_has_a_place() {
        let mut numbers = TWINS.iter().map(|(number, _)| *number);
        assert!(numbers.all(|number| number < limits::CALL_NUMBERS.into()));
    }
}
