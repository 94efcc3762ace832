//! Calls on paths, and what Falco calls their arguments.

use std::borrow::Cow;

use super::{Path, Provenance, Syscall};

/// A path that a call was given.
#[derive(Clone, Debug, Default)]
pub struct CallPath<'a> {
    /// As the container sees it; what the caller passed is made absolute and resolved lexically.
    pub path: Path<Cow<'a, [u8]>>,
    /// Name as the caller passed it, where the path was made from it.
    pub name: Option<Cow<'a, [u8]>>,
    /// Where the path was read; `None` when the call has no such path.
    pub provenance: Option<Provenance>,
    /// A descriptor tells the path or where it begins, and its table is shared with another
    /// process: it may have been replaced between the call and the look-up.
    pub fd_shared: bool,
}

/// A change of a file, a call of the mount family, or an execution that failed.
#[derive(Clone, Debug, Default)]
pub struct Paths<'a> {
    /// First path, or name.
    pub first: CallPath<'a>,
    /// Second path, or name.
    pub second: CallPath<'a>,
    /// Arguments that are numbers.
    pub numbers: [u32; 2],
    /// Descriptor that the first path comes from.
    pub descriptor: Option<i32>,
}

impl CallPath<'_> {
    /// A copy that outlives the record.
    pub fn to_owned(&self) -> CallPath<'static> {
        let owned = |bytes: &[u8]| Cow::Owned(bytes.to_vec());
        CallPath {
            path: Path {
                bytes: owned(&self.path.bytes),
                ..self.path
            },
            name: self.name.as_deref().map(owned),
            ..*self
        }
    }
}

impl Paths<'_> {
    /// A copy that outlives the record.
    pub fn to_owned(&self) -> Paths<'static> {
        Paths {
            first: self.first.to_owned(),
            second: self.second.to_owned(),
            ..*self
        }
    }
}

/// What the arguments of a call are called: as in Falco, where Falco has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentNames {
    /// Of the first path.
    pub first: &'static str,
    /// Of the second; empty when the call has none.
    pub second: &'static str,
    /// Of the numbers, likewise.
    pub numbers: [&'static str; 2],
}

impl ArgumentNames {
    const fn new(first: &'static str, second: &'static str, numbers: [&'static str; 2]) -> Self {
        Self {
            first,
            second,
            numbers,
        }
    }

    /// The names of a call's arguments; `None` when it is not one on paths.
    pub const fn of(call: Syscall) -> Option<Self> {
        const NO: &str = "";
        Some(match call {
            Syscall::Unlink | Syscall::Rmdir | Syscall::Chroot => Self::new("path", NO, [NO, NO]),
            Syscall::Unlinkat | Syscall::Umount => Self::new("name", NO, ["flags", NO]),
            Syscall::Mkdir | Syscall::Mkdirat => Self::new("path", NO, ["mode", NO]),
            Syscall::Mknod | Syscall::Mknodat => Self::new("path", NO, ["mode", "dev"]),
            Syscall::Chmod | Syscall::Fchmodat => Self::new("filename", NO, ["mode", NO]),
            Syscall::Fchmodat2 => Self::new("filename", NO, ["mode", "flags"]),
            Syscall::Fchmod => Self::new("path", NO, ["mode", NO]),
            Syscall::Chown | Syscall::Lchown | Syscall::Fchown => {
                Self::new("path", NO, ["uid", "gid"])
            }
            Syscall::Fchownat => Self::new("pathname", NO, ["uid", "gid"]),
            Syscall::Truncate | Syscall::Ftruncate => Self::new("path", NO, ["length", NO]),
            Syscall::Rename | Syscall::Renameat | Syscall::Link => {
                Self::new("oldpath", "newpath", [NO, NO])
            }
            Syscall::Renameat2 | Syscall::Linkat => Self::new("oldpath", "newpath", ["flags", NO]),
            Syscall::Symlink | Syscall::Symlinkat => Self::new("target", "linkpath", [NO, NO]),
            Syscall::Setxattr | Syscall::Lsetxattr | Syscall::Fsetxattr => {
                Self::new("path", "attribute", ["flags", NO])
            }
            Syscall::Removexattr | Syscall::Lremovexattr | Syscall::Fremovexattr => {
                Self::new("path", "attribute", [NO, NO])
            }
            Syscall::Mount => Self::new("dev", "dir", ["flags", NO]),
            Syscall::PivotRoot => Self::new("new_root", "put_old", [NO, NO]),
            Syscall::Fsopen => Self::new("type", NO, ["flags", NO]),
            Syscall::Fsconfig => Self::new("key", "value", ["cmd", NO]),
            Syscall::Fsmount => Self::new(NO, NO, ["flags", "attributes"]),
            Syscall::OpenTree | Syscall::MountSetattr => Self::new("path", NO, ["flags", NO]),
            Syscall::MoveMount => Self::new("from", "to", ["flags", NO]),
            Syscall::Execve => Self::new("filename", NO, [NO, NO]),
            Syscall::Execveat => Self::new("filename", NO, ["flags", NO]),
            _ => return None,
        })
    }
}

impl Paths<'_> {
    /// The path argument of that name.
    pub fn path(&self, call: Syscall, name: &str) -> Option<&CallPath<'_>> {
        let names = ArgumentNames::of(call)?;
        if names.first == name {
            Some(&self.first)
        } else if names.second == name {
            Some(&self.second)
        } else {
            None
        }
    }

    /// The number argument of that name.
    pub fn number(&self, call: Syscall, name: &str) -> Option<u64> {
        self.named_numbers(call)
            .find(|(named, _)| *named == name)
            .map(|(_, number)| number)
    }

    /// The arguments that are numbers, with their names.
    pub fn named_numbers(&self, call: Syscall) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ArgumentNames::of(call).map_or(["", ""], |names| names.numbers);
        let [low, high] = self.numbers.map(u64::from);
        let first = match names[0] {
            "length" => high << 32 | low,
            _ => low,
        };
        [(names[0], first), (names[1], high)]
            .into_iter()
            .filter(|(name, _)| !name.is_empty())
    }
}
