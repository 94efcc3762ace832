//! Approvers: which events at least one rule can want, as the kernel programs look it up.
//!
//! A [`Call`] and its [`EventClass`] have a [`verdict`]. Where the path decides, each of its names is
//! looked up; where ports decide, both ends' are. A table of nothing but zeros keeps every event.

use crate::{Call, Hook, layout::assert_layout};

/// What becomes of the events of a class.
pub mod verdict {
    /// Some rule can want each of them.
    pub const KEEP: u8 = 0;
    /// No rule can want any.
    pub const DROP: u8 = 1;
    /// Of these, those with a path of which a name stands in the table. Of opens that succeed only.
    pub const BY_NAME: u8 = 2;
    /// Of these, those with a port at either end that stands in the table. Of socket calls only.
    pub const BY_PORT: u8 = 3;
}

/// O_PATH (open(2)): the access mode is left out of account.
pub const O_PATH: u32 = 0o10_000_000;
/// Reading, writing or both (O_ACCMODE).
pub const ACCESS_MODE: u32 = 0o3;

/// What a program knows of a call before it reads anything else: how it ended, and of an open what
/// for and whether it made the file. A number below [`Self::COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventClass(u8);

impl EventClass {
    /// Bound of the numbers; a power of two, so that the verifier can bound them.
    pub const COUNT: usize = 16;
    /// A call that is no open and succeeded.
    pub const SUCCEEDED: Self = Self(0);
    /// A call that is no open and failed.
    pub const FAILED: Self = Self(Self::FIRST_FAILED);
    /// A socket call of which only the address is told.
    pub const NO_RESULT: Self = Self(12);

    /// Opens that succeed come first: access and whether the file was made.
    const FIRST_FAILED: u8 = 8;
    /// The access that is neither reading nor writing.
    const NO_ACCESS: u8 = 3;

    const OPENS: [Self; 12] = {
        let mut all = [Self(0); 12];
        let mut number = 0;
        while number < 12 {
            all[number] = Self(number as u8);
            number += 1;
        }
        all
    };
    const IN_MEMORY: [Self; 2] = [
        Self(2 * Self::NO_ACCESS),
        Self(Self::FIRST_FAILED + Self::NO_ACCESS),
    ];
    const WITH_RESULT: [Self; 2] = [Self::SUCCEEDED, Self::FAILED];
    const OF_SOCKETS: [Self; 3] = [Self::SUCCEEDED, Self::FAILED, Self::NO_RESULT];

    /// The class of an open, by its flags (open(2); those of memfd_create do not count).
    #[inline(always)]
    pub const fn of_open(call: Call, flags: u32, created: bool, result: i32) -> Self {
        let in_memory = matches!(call, Call::MemfdCreate);
        let access = if in_memory || flags & O_PATH != 0 {
            Self::NO_ACCESS
        } else {
            (flags & ACCESS_MODE) as u8
        };
        if result < 0 {
            Self(Self::FIRST_FAILED + access)
        } else {
            Self(2 * access + (created && !in_memory) as u8)
        }
    }

    /// The class of a call that is no open.
    #[inline(always)]
    pub const fn of_result(result: i64) -> Self {
        if result < 0 {
            Self::FAILED
        } else {
            Self::SUCCEEDED
        }
    }

    /// The number.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The bit under which names are wanted by opens of this class that succeed.
    #[inline(always)]
    pub const fn bit(self) -> u8 {
        1 << (self.0 & (Self::FIRST_FAILED - 1))
    }

    /// The classes that events of a call can have; none of a call whose events are always kept.
    pub const fn all_of(call: Call) -> &'static [Self] {
        match call.hook() {
            Hook::Open => match call {
                Call::MemfdCreate => &Self::IN_MEMORY,
                _ => &Self::OPENS,
            },
            Hook::Connect | Hook::Send | Hook::Bind | Hook::Listen | Hook::Accept => {
                &Self::OF_SOCKETS
            }
            // Executions that failed; the others are critical.
            Hook::Exec => match call {
                Call::Execve | Call::Execveat => &[Self::FAILED],
                _ => &[],
            },
            Hook::FileChange | Hook::Memory | Hook::Descriptor | Hook::Signal | Hook::Socket => {
                &Self::WITH_RESULT
            }
            _ => &[],
        }
    }

    /// The call failed.
    pub const fn has_failed(self) -> bool {
        self.0 >= Self::FIRST_FAILED && self.0 != Self::NO_RESULT.0
    }

    /// Of an open: the file is open for reading.
    pub const fn reads(self) -> bool {
        matches!(self.access(), 0 | 2)
    }

    /// Of an open: the file is open for writing.
    pub const fn writes(self) -> bool {
        matches!(self.access(), 1 | 2)
    }

    /// Of an open: it made the file.
    pub const fn creates(self) -> bool {
        self.0 < Self::FIRST_FAILED && self.0 & 1 != 0
    }

    /// Of an open: 0 for reading, 1 for writing, 2 for both, 3 for neither.
    const fn access(self) -> u8 {
        if self.0 < Self::FIRST_FAILED {
            self.0 >> 1
        } else {
            self.0 - Self::FIRST_FAILED
        }
    }
}

/// Names that can be told apart by their place; a power of two.
pub const NAME_PLACES: usize = 8192;
/// Bytes of a name that count, with its length.
pub const NAME_HEAD: usize = 8;
/// Bytes of a path that count as its begin.
pub const PATH_BEGIN: usize = 4;
/// Length that stands for the begin of a path: longer than any name.
const BEGIN_LEN: u64 = 1 << 16;
/// Makes ASCII letters of either case equal, and some other bytes too.
const FOLD: u64 = 0x2020_2020_2020_2020;

/// Where a name stands in the table, and how it is told from others that would stand there.
///
/// Names of the same length that begin with the same [`NAME_HEAD`] bytes, but for the case of
/// letters, have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey {
    /// Below [`NAME_PLACES`].
    pub place: u32,
    /// Not zero.
    pub tag: u32,
}

impl NameKey {
    /// The key of a name of that length, not zero, by its first bytes, the first one lowest. Bytes
    /// behind its end do not count.
    #[inline(always)]
    pub const fn of(len: u64, head: u64) -> Self {
        let unused = if len < NAME_HEAD as u64 {
            64 - 8 * len
        } else {
            0
        };
        let head = (head | FOLD) & u64::MAX.wrapping_shr(unused as u32);
        let mut hash =
            (head ^ len.wrapping_mul(0xA24B_AED4_963E_E407)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        hash = (hash ^ hash >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Self {
            place: (hash >> 51) as u32,
            tag: (hash >> 16) as u32 | 1,
        }
    }

    /// The key of the first [`PATH_BEGIN`] bytes of a path, the first one lowest.
    #[inline(always)]
    pub const fn of_begin(begin: u32) -> Self {
        Self::of(BEGIN_LEN, begin as u64)
    }
}

const _: () = assert!(NAME_PLACES == 1 << (64 - 51), "every place is in the table");

/// Which classes want a name, and which name: an entry of the table.
///
/// From the lowest bit: eight bits of [`EventClass::bit`] for the name anywhere in a path, eight for
/// the last name of a path; in the upper half the [`NameKey::tag`], zero for any name of this place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WantedName(pub u64);

impl WantedName {
    const TAG: u32 = 32;
    const LAST: u32 = 8;

    /// An entry.
    pub const fn new(tag: u32, anywhere: u8, last: u8) -> Self {
        Self((tag as u64) << Self::TAG | (last as u64) << Self::LAST | anywhere as u64)
    }

    /// Bits of the classes that want a name with this tag, wherever it stands or as the last one.
    #[inline(always)]
    pub const fn classes(self, tag: u32, is_last: bool) -> u8 {
        let own = (self.0 >> Self::TAG) as u32;
        if own != 0 && own != tag {
            return 0;
        }
        let last = if is_last { self.0 >> Self::LAST } else { 0 };
        (self.0 | last) as u8
    }

    /// What either wants.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        const BITS: u64 = 0xFFFF;
        if self.0 == 0 {
            return other;
        }
        if other.0 == 0 || self.0 == other.0 {
            return self;
        }
        let bits = (self.0 | other.0) & BITS;
        if self.0 >> Self::TAG == other.0 >> Self::TAG {
            Self(self.0 & !BITS | bits)
        } else {
            Self(bits)
        }
    }
}

/// Ports that can be told apart; a power of two. Others of the same remainder count as the same.
pub const PORT_PLACES: usize = 4096;

/// The bit under which a port is wanted by calls of this hook; zero where ports do not decide.
#[inline(always)]
pub const fn port_bit(hook: Hook) -> u8 {
    match hook {
        Hook::Connect => 1,
        Hook::Send => 2,
        Hook::Bind => 4,
        Hook::Listen => 8,
        Hook::Accept => 16,
        _ => 0,
    }
}

/// Calls that have verdicts: a power of two above their numbers.
pub const VERDICT_CALLS: usize = 128;

/// The one entry of the map of approvers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(zerocopy::Immutable, zerocopy::IntoBytes))]
pub struct ApproverTable {
    /// Cgroup whose events are all kept, whatever the rest says: the canary's. Zero for none.
    pub exempt_cgroup: u64,
    /// [`verdict`], by call and [`EventClass`].
    pub verdicts: [[u8; EventClass::COUNT]; VERDICT_CALLS],
    /// [`port_bit`] of the hooks that want a port, by its remainder.
    pub ports: [u8; PORT_PLACES],
    /// [`WantedName`], by [`NameKey::place`].
    pub names: [u64; NAME_PLACES],
}

assert_layout!(
    ApproverTable,
    size = 71_688,
    exempt_cgroup = 0,
    verdicts = 8,
    ports = 2056,
    names = 6152,
);

const _: () = assert!(Call::ALL.len() < VERDICT_CALLS, "every call has verdicts");

impl ApproverTable {
    /// Every event is kept.
    pub const KEEP_ALL: Self = Self {
        exempt_cgroup: 0,
        verdicts: [[verdict::KEEP; EventClass::COUNT]; VERDICT_CALLS],
        ports: [0; PORT_PLACES],
        names: [0; NAME_PLACES],
    };

    /// What either keeps. Each entry keeps at least what that of either does, so that programs may
    /// read the table while one is turned into the other.
    #[cfg(feature = "user")]
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut table = *self;
        let verdicts = table.verdicts.as_flattened_mut().iter_mut();
        for (verdict, other) in verdicts.zip(other.verdicts.as_flattened()) {
            *verdict = match (*verdict, *other) {
                (verdict::KEEP, _) | (_, verdict::KEEP) => verdict::KEEP,
                (verdict::DROP, other) => other,
                (verdict, _) => verdict,
            };
        }
        for (ports, other) in table.ports.iter_mut().zip(&other.ports) {
            *ports |= other;
        }
        for (name, other) in table.names.iter_mut().zip(&other.names) {
            *name = WantedName(*name).union(WantedName(*other)).0;
        }
        table
    }
}
