//! What an offender's events have to be, field by field.

mod judgement;

use std::fmt;

use crate::facts::{Facts, UNSET, shortened};

pub use judgement::{Judgement, judge};

/// What a field has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Is(String),
    OneOf(Vec<String>),
    EndsWith(String),
    /// A list, joined by commas, that begins so.
    ListFrom(String),
    /// A descriptor: a number, and not negative.
    Descriptor,
}

impl Wanted {
    fn admits(&self, value: &str) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::OneOf(all) => all.iter().any(|wanted| value == wanted),
            Self::EndsWith(end) => value.ends_with(end),
            Self::ListFrom(begin) => {
                let rest = value.strip_prefix(begin.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(','))
            }
            Self::Descriptor => value.parse::<u32>().is_ok(),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => write!(f, "={}", shortened(value)),
            Self::OneOf(all) => write!(f, "={}", shortened(&all.join("|"))),
            Self::EndsWith(end) => write!(f, "=...{}", shortened(end)),
            Self::ListFrom(begin) => write!(f, "={begin},..."),
            Self::Descriptor => write!(f, ">=0"),
        }
    }
}

/// One event that has to be seen, once unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    call: &'static str,
    wanted: Vec<(&'static str, Wanted)>,
    times: usize,
}

impl Expectation {
    /// An event of that type, by a process that is known.
    pub fn of(call: &'static str) -> Self {
        Self {
            call,
            wanted: Vec::new(),
            times: 1,
        }
        .is("process_unknown", false)
        .is("seen_late", false)
    }

    /// A file opened for reading, with everything that is told of an ordinary one.
    pub fn opened(path: impl fmt::Display) -> Self {
        Self::file_opened(path)
            .descriptor("result")
            .is("by_io_uring", false)
    }

    /// The same, whoever had it opened.
    pub fn file_opened(path: impl fmt::Display) -> Self {
        Self::of("openat").file(path).is("provenance", "kernel")
    }

    /// An open that failed: what the caller asked for is all there is, read from there.
    pub fn open_failed(path: impl fmt::Display, errno: i32, provenance: &str) -> Self {
        Self::of("openat")
            .file(path)
            .is("result", -errno)
            .is("provenance", provenance)
    }

    fn file(self, path: impl fmt::Display) -> Self {
        self.is("path", path)
            .is("read", true)
            .is("write", false)
            .is("created", false)
            .is("fd_shared", false)
            .is("truncated", false)
            .is("unreachable", false)
            .is("deleted", false)
            .is("escaped", false)
    }

    /// Something mounted, or a mount changed where there is no source.
    pub fn mounted(source: impl fmt::Display, place: impl fmt::Display) -> Self {
        Self::of("mount")
            .is("result", 0)
            .is("path", source)
            .is("second", place)
    }

    /// A socket call about an address that the kernel told.
    pub fn socket(call: &'static str, family: &str, result: impl fmt::Display) -> Self {
        Self::of(call)
            .is("family", family)
            .is("result", result)
            .is("provenance", "kernel")
    }

    /// A new image, with everything that is told of an ordinary one.
    pub fn executed(program: impl fmt::Display, args: &[&str]) -> Self {
        Self::of("execve")
            .is("result", 0)
            .is("filename", program)
            .is("args", args.join(" "))
            .is("argc", args.len())
            .is("interpreter", "")
            .is("args_truncated", false)
            .is("process_escaped", false)
            .is("memfd", false)
            .is("unlinked", false)
            .is("exe_deleted", false)
            .is("cwd_deleted", false)
    }

    /// A ring of io_uring that was made.
    pub fn ring_made() -> Self {
        Self::of("io_uring_setup").descriptor("result")
    }

    /// A fork, as the child sees it.
    pub fn forked() -> Self {
        Self::of("clone").is("result", 0)
    }

    /// A process that ended with that status.
    pub fn exited(status: u32) -> Self {
        Self::of("procexit")
            .is("result", UNSET)
            .is("status", status)
            .is("signal", 0)
    }

    /// The same by another call.
    pub fn call(self, call: &'static str) -> Self {
        Self { call, ..self }
    }

    /// The field has this value.
    pub fn is(self, field: &'static str, value: impl fmt::Display) -> Self {
        self.want(field, Wanted::Is(value.to_string()))
    }

    /// The field has one of these values.
    pub fn one_of(self, field: &'static str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.want(field, Wanted::OneOf(values))
    }

    /// The field ends so.
    pub fn ends_with(self, field: &'static str, end: impl Into<String>) -> Self {
        self.want(field, Wanted::EndsWith(end.into()))
    }

    /// The field is a list that begins so.
    pub fn list_from(self, field: &'static str, begin: impl Into<String>) -> Self {
        self.want(field, Wanted::ListFrom(begin.into()))
    }

    /// The field is a descriptor.
    pub fn descriptor(self, field: &'static str) -> Self {
        self.want(field, Wanted::Descriptor)
    }

    /// So many events are like this.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn want(mut self, field: &'static str, wanted: Wanted) -> Self {
        self.wanted.retain(|(name, _)| *name != field);
        self.wanted.push((field, wanted));
        self
    }

    /// Whether an event is as expected.
    pub fn admits(&self, facts: &Facts) -> bool {
        self.is_call(facts) && self.differences(facts).is_empty()
    }

    /// The fields that it is about.
    fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.wanted.iter().map(|(field, _)| *field)
    }

    fn is_call(&self, facts: &Facts) -> bool {
        facts.call == self.call
    }

    /// The fields that are not as expected.
    fn differences(&self, facts: &Facts) -> Vec<String> {
        let different =
            |(field, wanted): &&(&'static str, Wanted)| !wanted.admits(facts.get(field));
        let wanted = self.wanted.iter().filter(different);
        wanted
            .map(|(field, wanted)| {
                format!("{field} is {}, not {wanted}", shortened(facts.get(field)))
            })
            .collect()
    }
}

/// One line.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        if self.times != 1 {
            write!(f, " x{}", self.times)?;
        }
        for (field, wanted) in &self.wanted {
            write!(f, " {field}{wanted}")?;
        }
        Ok(())
    }
}
