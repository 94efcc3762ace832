//! Segments whose meaning depends on where they stand: procfs, and the volumes of Kubernetes.

use crate::baseline::generalise::token::Type;

/// What the next segment may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// Below the root directory.
    Root { own: Option<u32> },
    /// In `/proc`.
    Proc { own: Option<u32> },
    /// In the directory of a process or of a thread.
    Process,
    /// In `task`.
    Task,
    /// In a directory of descriptors.
    Descriptors,
    /// In `map_files`.
    Mappings,
    /// In `/dev`.
    Dev,
    /// In `kubernetes.io`.
    Kubernetes,
    /// In `serviceaccount` there.
    Account,
    /// Anywhere else.
    Plain,
}

/// What a segment is.
pub(super) enum Segment {
    /// It is left out.
    Skipped,
    /// One of a type.
    Typed(Type),
    /// A name that has no type, whatever it looks like.
    Named(&'static [u8]),
    /// What it looks like.
    Plain,
}

impl Context {
    pub(super) const fn root(own: Option<u32>) -> Self {
        Self::Root { own }
    }

    /// What a segment is; goes on to the next one.
    pub(super) fn next(&mut self, text: &[u8]) -> Segment {
        let segment;
        (*self, segment) = match *self {
            Self::Root { own } if text == b"proc" => (Self::Proc { own }, Segment::Plain),
            Self::Root { .. } if text == b"dev" => (Self::Dev, Segment::Plain),
            Self::Proc { own } => process(text, own),
            Self::Process => match text {
                b"task" => (Self::Task, Segment::Plain),
                b"fd" | b"fdinfo" => (Self::Descriptors, Segment::Plain),
                b"map_files" => (Self::Mappings, Segment::Plain),
                _ => (Self::Plain, Segment::Plain),
            },
            Self::Task if is_number(text, Type::Tid) => (Self::Process, Segment::Typed(Type::Tid)),
            Self::Descriptors if is_number(text, Type::Fd) => {
                (Self::Plain, Segment::Typed(Type::Fd))
            }
            Self::Mappings if is_range(text) => (Self::Plain, Segment::Typed(Type::Range)),
            Self::Dev if text == b"fd" => (Self::Descriptors, Segment::Plain),
            Self::Kubernetes if text == b"serviceaccount" => (Self::Account, Segment::Plain),
            // Links to the version that is current: the file behind them is the token.
            Self::Account if text.starts_with(b"..") && text.len() > 2 => {
                (Self::Account, Segment::Skipped)
            }
            _ if text == b"kubernetes.io" => (Self::Kubernetes, Segment::Plain),
            _ => (Self::Plain, Segment::Plain),
        };
        segment
    }
}

/// A segment in `/proc`.
fn process(text: &[u8], own: Option<u32>) -> (Context, Segment) {
    let is_own = match text {
        b"self" | b"thread-self" => true,
        _ => own.is_some() && own == pid(text),
    };
    let segment = if is_own {
        Segment::Named(b"self")
    } else if text == b"1" {
        Segment::Named(b"1")
    } else if is_number(text, Type::Pid) {
        Segment::Typed(Type::Pid)
    } else {
        return (Context::Plain, Segment::Plain);
    };
    (Context::Process, segment)
}

fn pid(text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok()?.parse().ok()
}

fn is_number(text: &[u8], typed: Type) -> bool {
    text == typed.text().as_bytes() || (!text.is_empty() && text.iter().all(u8::is_ascii_digit))
}

fn is_range(text: &[u8]) -> bool {
    let hexadecimal = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_hexdigit);
    let mut parts = text.splitn(2, |byte| *byte == b'-');
    text == Type::Range.text().as_bytes()
        || (parts.next().is_some_and(hexadecimal) && parts.next().is_some_and(hexadecimal))
}
