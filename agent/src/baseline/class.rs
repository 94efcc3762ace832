//! Classes of behaviour: what a process can do that a baseline keeps apart.

use std::fmt;

/// A class of behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A role starts an executable.
    Exec,
    /// The shape of an executable's arguments.
    Arguments,
    /// A file is opened for reading.
    FileRead,
    /// A file that exists is opened for writing, truncated, or its owner or attributes change.
    FileWrite,
    /// A file, directory, link or special file is made, or comes under a name.
    FileCreate,
    /// A name is removed.
    FileRemove,
    /// A file's mode changes.
    FileMode,
    /// A shared library is loaded.
    Library,
    /// A connection or a datagram leaves.
    NetOut,
    /// A port is listened on.
    Listen,
    /// A name is asked for.
    Dns,
    /// Credentials or capabilities change.
    Privilege,
    /// A call that few programs make and many attacks do.
    RareCall,
}

impl Class {
    /// Every class, in the order of profiles.
    pub const ALL: [Self; 13] = [
        Self::Exec,
        Self::Arguments,
        Self::FileRead,
        Self::FileWrite,
        Self::FileCreate,
        Self::FileRemove,
        Self::FileMode,
        Self::Library,
        Self::NetOut,
        Self::Listen,
        Self::Dns,
        Self::Privilege,
        Self::RareCall,
    ];

    /// Its name in profiles, alerts and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Arguments => "arguments",
            Self::FileRead => "file_read",
            Self::FileWrite => "file_write",
            Self::FileCreate => "file_create",
            Self::FileRemove => "file_remove",
            Self::FileMode => "file_mode",
            Self::Library => "library",
            Self::NetOut => "net_out",
            Self::Listen => "listen",
            Self::Dns => "dns",
            Self::Privilege => "privilege",
            Self::RareCall => "rare_call",
        }
    }

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Its place in [`Class::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Objects are paths.
    pub const fn is_of_files(self) -> bool {
        matches!(
            self,
            Self::FileRead
                | Self::FileWrite
                | Self::FileCreate
                | Self::FileRemove
                | Self::FileMode
                | Self::Library
        )
    }

    /// Which class gives way first when a profile is full: the lower, the sooner. What an attack can
    /// hardly do without stays longest.
    pub const fn worth(self) -> u8 {
        match self {
            Self::FileRead => 0,
            Self::FileRemove => 1,
            Self::FileWrite | Self::FileCreate => 2,
            Self::Arguments | Self::Dns => 3,
            Self::FileMode | Self::Library => 4,
            Self::NetOut | Self::Listen => 5,
            Self::Privilege | Self::RareCall => 6,
            Self::Exec => 7,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_found_by_its_name_and_place() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), place);
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
    }
}
