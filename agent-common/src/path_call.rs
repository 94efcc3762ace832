//! Where the arguments of a call on paths stand: one table for programs, loader and decoder.
//!
//! The programs look a call up by the kernel's number, so that a few of them serve all calls. The
//! numbers differ between architectures and are the loader's business.

use crate::{Call, layout::assert_layout};

/// [`PathSource::kind`].
pub mod path_source {
    /// The call has no such path.
    pub const NONE: u8 = 0;
    /// A name below the working directory.
    pub const NAME: u8 = 1;
    /// A name below the directory behind a descriptor.
    pub const AT: u8 = 2;
    /// The same, where an empty name stands for the descriptor's own file (`AT_EMPTY_PATH`).
    pub const AT_OR_FILE: u8 = 3;
    /// The file behind a descriptor.
    pub const FILE: u8 = 4;
    /// A string that is no path of the caller's, or is none yet: kept as it is.
    pub const STRING: u8 = 5;
    /// A name; once the call has succeeded, the root directory of the caller.
    pub const NEW_ROOT: u8 = 6;
}

/// Numbers of arguments, from 0.
pub mod argument {
    /// The call has no such argument.
    pub const NONE: u8 = u8::MAX;
    /// Added to a number: the argument's upper half.
    pub const UPPER_HALF: u8 = 1 << 4;
}

/// Where a path comes from.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSource {
    /// [`path_source`].
    pub kind: u8,
    /// Number of the argument with the descriptor.
    pub descriptor: u8,
    /// Number of the argument with the name.
    pub name: u8,
}

impl PathSource {
    const NONE: Self = Self::new(path_source::NONE, argument::NONE, argument::NONE);

    const fn new(kind: u8, descriptor: u8, name: u8) -> Self {
        Self {
            kind,
            descriptor,
            name,
        }
    }

    const fn name(name: u8) -> Self {
        Self::new(path_source::NAME, argument::NONE, name)
    }

    const fn string(name: u8) -> Self {
        Self::new(path_source::STRING, argument::NONE, name)
    }

    const fn at(descriptor: u8) -> Self {
        Self::new(path_source::AT, descriptor, descriptor + 1)
    }

    const fn at_or_file(descriptor: u8) -> Self {
        Self::new(path_source::AT_OR_FILE, descriptor, descriptor + 1)
    }

    const fn file(descriptor: u8) -> Self {
        Self::new(path_source::FILE, descriptor, argument::NONE)
    }
}

/// Where the arguments of one call stand.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathCall {
    /// [`Call`], zero for a call that is not one of these.
    pub call: u8,
    /// First path.
    pub first: PathSource,
    /// Second path, or a name that goes with the first.
    pub second: PathSource,
    /// Numbers of the arguments in [`crate::PathsRecord::args`].
    pub args: [u8; 2],
}

assert_layout!(
    PathCall,
    size = 9,
    call = 0,
    first = 1,
    second = 4,
    args = 7
);

impl PathCall {
    /// No call.
    pub const NOTHING: Self = Self {
        call: 0,
        first: PathSource::NONE,
        second: PathSource::NONE,
        args: [argument::NONE; 2],
    };

    /// A call of another kind.
    pub const fn without_paths(call: Call) -> Self {
        Self {
            call: call as u8,
            ..Self::NOTHING
        }
    }

    /// The arguments of a call; `None` when it is not one on paths.
    pub const fn of(call: Call) -> Option<Self> {
        let (first, second) = match paths(call) {
            Some(paths) => paths,
            None => return None,
        };
        Some(Self {
            call: call as u8,
            first,
            second,
            args: numbers(call),
        })
    }
}

const fn paths(call: Call) -> Option<(PathSource, PathSource)> {
    let one = PathSource::NONE;
    Some(match call {
        Call::Unlink
        | Call::Rmdir
        | Call::Mkdir
        | Call::Mknod
        | Call::Chmod
        | Call::Chown
        | Call::Lchown
        | Call::Truncate
        | Call::Umount
        | Call::Execve => (PathSource::name(0), one),
        Call::Unlinkat | Call::Mkdirat | Call::Mknodat | Call::Fchmodat => (PathSource::at(0), one),
        Call::Fchmodat2 | Call::Fchownat | Call::Execveat | Call::OpenTree | Call::MountSetattr => {
            (PathSource::at_or_file(0), one)
        }
        Call::Fchmod | Call::Fchown | Call::Ftruncate => (PathSource::file(0), one),
        Call::Rename | Call::Link | Call::PivotRoot => (PathSource::name(0), PathSource::name(1)),
        Call::Renameat | Call::Renameat2 => (PathSource::at(0), PathSource::at(2)),
        Call::Linkat => (PathSource::at_or_file(0), PathSource::at(2)),
        Call::MoveMount => (PathSource::at_or_file(0), PathSource::at_or_file(2)),
        Call::Symlink => (PathSource::string(0), PathSource::name(1)),
        Call::Symlinkat => (PathSource::string(0), PathSource::at(1)),
        Call::Setxattr | Call::Lsetxattr | Call::Removexattr | Call::Lremovexattr => {
            (PathSource::name(0), PathSource::string(1))
        }
        Call::Fsetxattr | Call::Fremovexattr => (PathSource::file(0), PathSource::string(1)),
        Call::Mount => (PathSource::string(0), PathSource::name(1)),
        Call::Chroot => (
            PathSource::new(path_source::NEW_ROOT, argument::NONE, 0),
            one,
        ),
        Call::Fsopen => (PathSource::string(0), one),
        Call::Fsconfig => (PathSource::string(2), PathSource::string(3)),
        Call::Fsmount => (one, one),
        _ => return None,
    })
}

/// Which arguments a record keeps as numbers.
const fn numbers(call: Call) -> [u8; 2] {
    const NONE: u8 = argument::NONE;
    match call {
        // Mode, or command.
        Call::Mkdir | Call::Chmod | Call::Fchmod | Call::Fsopen | Call::Fsconfig => [1, NONE],
        Call::Mkdirat | Call::Fchmodat => [2, NONE],
        // Mode and device.
        Call::Mknod => [1, 2],
        Call::Mknodat => [2, 3],
        // Mode and flags.
        Call::Fchmodat2 => [2, 3],
        // User and group.
        Call::Chown | Call::Lchown | Call::Fchown => [1, 2],
        Call::Fchownat => [2, 3],
        // Length, in halves.
        Call::Truncate | Call::Ftruncate => [1, 1 + argument::UPPER_HALF],
        // Flags.
        Call::Umount => [1, NONE],
        Call::Unlinkat | Call::OpenTree | Call::MountSetattr => [2, NONE],
        Call::Mount => [3, NONE],
        Call::Renameat2
        | Call::Linkat
        | Call::MoveMount
        | Call::Execveat
        | Call::Setxattr
        | Call::Lsetxattr
        | Call::Fsetxattr => [4, NONE],
        // Flags and attributes.
        Call::Fsmount => [1, 2],
        _ => [NONE, NONE],
    }
}
