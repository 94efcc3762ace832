//! Calls that take no path: what their arguments are called and how they are written.

mod names;

use std::fmt;

use gravlens_common::CALL_ARGUMENTS;

use super::{Stdio, Syscall};

/// Numbers with their names; of flags one bit each.
type Names = &'static [(u64, &'static str)];

/// A call that takes no path.
#[derive(Clone, Debug)]
pub struct Call {
    /// Arguments as the kernel read them; [`parameters`] tells how many the call has and what they
    /// mean.
    pub arguments: [u64; CALL_ARGUMENTS],
    /// What the descriptor is that dup and its like made, or that they were to copy.
    pub descriptor: Option<Stdio>,
    /// The descriptor table is shared with another process: the descriptor may have been replaced
    /// between the call and the look-up.
    pub fd_shared: bool,
}

impl Call {
    /// The argument of that name.
    pub fn argument(&self, syscall: Syscall, name: &str) -> Option<Argument> {
        parameters(syscall)
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| self.value(parameter))
    }

    /// Every argument with its name, in the order of the call.
    pub fn named(&self, syscall: Syscall) -> impl Iterator<Item = (&'static str, Argument)> {
        parameters(syscall)
            .iter()
            .map(|parameter| (parameter.name, self.value(parameter)))
    }

    fn value(&self, parameter: &Parameter) -> Argument {
        Argument {
            form: parameter.form,
            raw: self.arguments[parameter.position],
        }
    }
}

/// An argument that a call has. Pointers into the caller's memory are none, apart from addresses
/// that the call is about.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Falco's name, or where it has none the name in the manual page.
    pub name: &'static str,
    position: usize,
    form: Form,
}

/// What an argument is.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A number of 32 bits with a sign: a pid, a descriptor, a protocol.
    Number,
    /// A length.
    Length,
    /// An address, written in hexadecimal.
    Address,
    /// One of several numbers.
    Name(Names),
    /// Any of several bits.
    Flags(Names),
}

/// The value of an argument. Displayed as Falco prints it: by name where the number has one, flags
/// joined by `|`, bits without a name in hexadecimal behind them.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    form: Form,
    raw: u64,
}

impl Argument {
    /// The number. The kernel reads the lower half of what is not an address or a length.
    pub fn number(self) -> i64 {
        match self.form {
            Form::Number | Form::Name(_) => i64::from(self.raw as i32),
            Form::Length | Form::Address => self.raw as i64,
            Form::Flags(_) => i64::from(self.raw as u32),
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            Form::Number => self.number().fmt(f),
            Form::Length => self.raw.fmt(f),
            Form::Address => write!(f, "{:#x}", self.raw),
            Form::Name(names) => match name(names, u64::from(self.raw as u32)) {
                Some(name) => f.write_str(name),
                None => (self.raw as i32).fmt(f),
            },
            Form::Flags(names) => flags(f, names, u64::from(self.raw as u32)),
        }
    }
}

fn name(names: Names, number: u64) -> Option<&'static str> {
    let found = names.iter().find(|(known, _)| *known == number)?;
    Some(found.1)
}

fn flags(f: &mut fmt::Formatter<'_>, names: Names, mut rest: u64) -> fmt::Result {
    let mut separator = "";
    let given = rest;
    for (bit, name) in names.iter().filter(|(bit, _)| given & bit != 0) {
        rest &= !bit;
        write!(f, "{separator}{name}")?;
        separator = "|";
    }
    match (rest, separator) {
        (0, "") => f.write_str("0"),
        (0, _) => Ok(()),
        _ => write!(f, "{separator}{rest:#x}"),
    }
}

const fn parameter(name: &'static str, position: usize, form: Form) -> Parameter {
    Parameter {
        name,
        position,
        form,
    }
}

/// Parameters from the first one on, with a name each.
macro_rules! parameters {
    ($($name:literal: $position:literal $form:expr),* $(,)?) => {
        const { &[$(parameter($name, $position, $form)),*] }
    };
}

/// The arguments of a call that takes no path; empty for every other call, and where all of them
/// point into the caller's memory.
pub const fn parameters(syscall: Syscall) -> &'static [Parameter] {
    use Form::{Address, Flags, Length, Name, Number};
    match syscall {
        Syscall::Ptrace => parameters! {
            "request": 0 Name(names::PTRACE_REQUESTS), "pid": 1 Number, "addr": 2 Address,
            "data": 3 Address,
        },
        Syscall::ProcessVmReadv | Syscall::ProcessVmWritev => parameters! { "pid": 0 Number },
        Syscall::PidfdGetfd => parameters! { "pid_fd": 0 Number, "target_fd": 1 Number },
        Syscall::Unshare => parameters! { "flags": 0 Flags(names::CLONE_FLAGS) },
        Syscall::Setns => parameters! {
            "fd": 0 Number, "nstype": 1 Flags(names::CLONE_FLAGS),
        },
        Syscall::InitModule => parameters! { "length": 1 Length },
        Syscall::FinitModule => parameters! {
            "fd": 0 Number, "flags": 2 Flags(names::MODULE_INIT_FLAGS),
        },
        Syscall::DeleteModule => parameters! { "flags": 1 Flags(names::MODULE_DELETE_FLAGS) },
        Syscall::Bpf => parameters! { "cmd": 0 Name(names::BPF_COMMANDS) },
        Syscall::IoUringSetup => parameters! { "entries": 0 Number },
        Syscall::Keyctl => parameters! { "operation": 0 Name(names::KEYCTL_OPERATIONS) },
        Syscall::AddKey => parameters! { "length": 3 Length, "keyring": 4 Number },
        Syscall::RequestKey => parameters! { "keyring": 3 Number },
        Syscall::Userfaultfd => parameters! { "flags": 0 Flags(names::NEW_DESCRIPTOR) },
        Syscall::PerfEventOpen => parameters! {
            "pid": 1 Number, "cpu": 2 Number, "group_fd": 3 Number,
            "flags": 4 Flags(names::PERF_FLAGS),
        },
        Syscall::Mmap => parameters! {
            "addr": 0 Address, "length": 1 Length, "prot": 2 Flags(names::PROTECTION),
            "flags": 3 Flags(names::MAP_FLAGS),
        },
        Syscall::Mprotect => parameters! {
            "addr": 0 Address, "length": 1 Length, "prot": 2 Flags(names::PROTECTION),
        },
        Syscall::PkeyMprotect => parameters! {
            "addr": 0 Address, "length": 1 Length, "prot": 2 Flags(names::PROTECTION),
            "pkey": 3 Number,
        },
        Syscall::Dup => parameters! { "oldfd": 0 Number },
        Syscall::Dup2 => parameters! { "oldfd": 0 Number, "newfd": 1 Number },
        Syscall::Dup3 => parameters! {
            "oldfd": 0 Number, "newfd": 1 Number, "flags": 2 Flags(names::NEW_DESCRIPTOR),
        },
        Syscall::Kill => parameters! { "pid": 0 Number, "sig": 1 Name(names::SIGNALS) },
        Syscall::Tkill => parameters! { "tid": 0 Number, "sig": 1 Name(names::SIGNALS) },
        Syscall::Tgkill => parameters! {
            "pid": 0 Number, "tid": 1 Number, "sig": 2 Name(names::SIGNALS),
        },
        Syscall::PidfdSendSignal => parameters! {
            "pid_fd": 0 Number, "sig": 1 Name(names::SIGNALS),
        },
        Syscall::Socket | Syscall::Socketpair => parameters! {
            "domain": 0 Name(names::FAMILIES), "type": 1 Number, "proto": 2 Number,
        },
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(syscall: Syscall, arguments: &[u64]) -> String {
        let mut call = Call {
            arguments: [0; CALL_ARGUMENTS],
            descriptor: None,
            fd_shared: false,
        };
        call.arguments[..arguments.len()].copy_from_slice(arguments);
        call.named(syscall)
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn arguments_are_named_as_falco_names_them() {
        for (syscall, arguments, expected) in [
            (
                Syscall::Ptrace,
                &[16, 7, 0, 0][..],
                "request=PTRACE_ATTACH pid=7 addr=0x0 data=0x0",
            ),
            (Syscall::Bpf, &[5], "cmd=BPF_PROG_LOAD"),
            (Syscall::Bpf, &[0xFFFF_FFFF], "cmd=-1"),
            (
                Syscall::Unshare,
                &[0x1002_0000],
                "flags=CLONE_NEWNS|CLONE_NEWUSER",
            ),
            (
                Syscall::Unshare,
                &[0x1002_0003],
                "flags=CLONE_NEWNS|CLONE_NEWUSER|0x3",
            ),
            (Syscall::Setns, &[3, 0], "fd=3 nstype=0"),
            (Syscall::Setns, &[3, 4], "fd=3 nstype=0x4"),
            (
                Syscall::Socket,
                &[17, 3, 768],
                "domain=AF_PACKET type=3 proto=768",
            ),
            (Syscall::Kill, &[u64::MAX, 9], "pid=-1 sig=SIGKILL"),
            (Syscall::Kill, &[1, 0], "pid=1 sig=0"),
            (Syscall::Keyctl, &[32], "operation=KEYCTL_WATCH_KEY"),
            (
                Syscall::Mprotect,
                &[0x7F00_0000_0000, 4096, 7],
                "addr=0x7f0000000000 length=4096 prot=PROT_READ|PROT_WRITE|PROT_EXEC",
            ),
            (Syscall::Capset, &[], ""),
            (Syscall::Openat, &[], ""),
        ] {
            assert_eq!(shown(syscall, arguments), expected);
        }
    }

    #[test]
    fn the_upper_half_of_a_small_argument_says_nothing() {
        assert_eq!(shown(Syscall::Bpf, &[5 | 1 << 40]), "cmd=BPF_PROG_LOAD");
        assert_eq!(shown(Syscall::Dup2, &[1 << 32, 2]), "oldfd=0 newfd=2");
    }

    #[test]
    fn every_name_stands_once_in_its_call() {
        for &syscall in Syscall::ALL {
            let parameters = parameters(syscall);
            for (index, parameter) in parameters.iter().enumerate() {
                assert!(parameter.position < CALL_ARGUMENTS);
                let later = &parameters[index + 1..];
                let twice = later.iter().any(|other| other.name == parameter.name);
                assert!(!twice, "{} of {}", parameter.name, syscall.name());
            }
        }
    }
}
