//! `struct file` and its inode.

use super::{
    field,
    object::{FromStart, Room, Window},
    path::Place,
    read, read_or_zero, read_ptr,
};
use crate::globals::*;

/// File type bits of `inode.i_mode` (stat.h).
const S_IFMT: u16 = 0o170_000;
/// Socket.
const S_IFSOCK: u16 = 0o140_000;
/// Pipe.
const S_IFIFO: u16 = 0o010_000;
/// Character device.
const S_IFCHR: u16 = 0o020_000;
/// Regular file.
const S_IFREG: u16 = 0o100_000;
/// Directory.
const S_IFDIR: u16 = 0o040_000;
/// Execution by the owner, the group or others.
const S_IXUGO: u16 = 0o111;
/// The open made the file (`FMODE_CREATED` in include/linux/fs.h).
const FMODE_CREATED: u32 = 0x0010_0000;

/// What kind of object a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FileType {
    Regular,
    Directory,
    CharDevice,
    Pipe,
    Socket,
    Other,
}

/// An open file.
#[derive(Clone, Copy)]
pub struct File(u64);

impl File {
    /// A file by its address.
    #[inline(always)]
    pub fn at(address: u64) -> Self {
        Self(address)
    }

    /// Its address.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0
    }

    /// Address of its `struct path`.
    #[inline(always)]
    pub fn path(self) -> Option<u64> {
        field(self.0, &FILE_PATH)
    }

    /// What an open tells, read at once, for as long as the room is not used for other things.
    #[inline(always)]
    pub fn head(self, room: *mut Room) -> FileHead {
        FileHead(Window::of(self.0, room))
    }

    /// Its dentry.
    #[inline(always)]
    pub fn dentry(self) -> Option<u64> {
        read_ptr(self.path()?, &PATH_DENTRY)
    }

    /// Its inode.
    #[inline(always)]
    pub fn inode(self) -> Option<Inode> {
        read_ptr(self.0, &FILE_INODE).map(Inode)
    }

    /// `private_data`: of a socket's file, the `struct socket`.
    #[inline(always)]
    pub fn private_data(self) -> Option<u64> {
        read_ptr(self.0, &FILE_PRIVATE_DATA)
    }
}

/// The first fields of an open file.
pub struct FileHead(Window<FromStart, 12>);

impl FileHead {
    /// open(2) flags.
    #[inline(always)]
    pub fn flags(&self) -> u32 {
        self.0.get(&FILE_FLAGS)
    }

    /// The open made the file.
    #[inline(always)]
    pub fn was_created(&self) -> bool {
        self.0.get::<u32>(&FILE_MODE) & FMODE_CREATED != 0
    }

    /// It is a regular file that somebody may execute.
    #[inline(always)]
    pub fn is_executable(&self) -> bool {
        let inode = self.0.get::<u64>(&FILE_INODE);
        let mode = read_or_zero::<u16>(inode, &INODE_MODE);
        mode & S_IFMT == S_IFREG && mode & S_IXUGO != 0
    }

    /// Where its name is.
    #[inline(always)]
    pub fn place(&self) -> Place {
        Place::new(
            self.0.get_in(&FILE_PATH, &PATH_DENTRY),
            self.0.get_in(&FILE_PATH, &PATH_MNT),
        )
    }
}

/// An inode.
#[derive(Clone, Copy)]
pub struct Inode(u64);

impl Inode {
    /// Address of the struct.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.0
    }

    /// Inode number.
    #[inline(always)]
    pub fn number(self) -> u64 {
        read_or_zero(self.0, &INODE_INO)
    }

    /// Number of names.
    #[inline(always)]
    pub fn links(self) -> Option<u32> {
        read(self.0, &INODE_NLINK)
    }

    /// Device of its filesystem.
    #[inline(always)]
    pub fn device(self) -> Option<u32> {
        Some(read_or_zero(self.super_block()?, &SB_DEV))
    }

    /// Magic number of its filesystem.
    #[inline(always)]
    pub fn magic(self) -> Option<u64> {
        Some(read_or_zero(self.super_block()?, &SB_MAGIC))
    }

    #[inline(always)]
    fn super_block(self) -> Option<u64> {
        read_ptr(self.0, &INODE_SB)
    }

    /// Kind of object.
    #[inline(always)]
    pub fn file_type(self) -> FileType {
        match read_or_zero::<u16>(self.0, &INODE_MODE) & S_IFMT {
            S_IFREG => FileType::Regular,
            S_IFDIR => FileType::Directory,
            S_IFCHR => FileType::CharDevice,
            S_IFIFO => FileType::Pipe,
            S_IFSOCK => FileType::Socket,
            _ => FileType::Other,
        }
    }
}
