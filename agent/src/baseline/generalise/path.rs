//! A path as typed segments.
//!
//! The text of a path or of a pattern is printable ASCII: segments behind slashes, types in braces,
//! every other byte as `\xNN`. It reads back, and reading what was written gives the same.
//! Paths come resolved: `.` is left out, and `..` is a name like any other. What is not below the
//! root directory, such as `memfd:x` or `pipe:[7]`, has no slash in front.

mod any;
mod context;
mod parse;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

pub(super) use self::any::AnyKey;
use self::context::{Context, Segment as InContext};
pub use self::parse::ParseError;
use super::guard::{self, GuardReason};
use super::text;
use super::token;

/// The longest path that the kernel tells; what is behind is not looked at.
pub const MAX_PATH: usize = 4096;
/// Of a deeper path, the last of so many segments is `{any}`.
pub const MAX_SEGMENTS: usize = 64;

/// What stands in front of a path that is not below the root directory.
pub(super) const RELATIVE: &[u8] = b"{relative}";

/// What a segment stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A name without weak types.
    Fixed,
    /// A name with weak types that stays as it is.
    Pinned,
    /// A name with weak types.
    Value,
    /// Weak types.
    Shape,
    /// Whatever there is from here on.
    Any,
}

/// A segment, as places in the buffers of its path.
#[derive(Clone, Debug)]
struct Segment {
    name: Range<usize>,
    shape: Range<usize>,
    form: Form,
}

/// A segment with its texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// Its own text.
    pub(super) name: &'a [u8],
    /// What it is an instance of, if it is a value.
    pub(super) shape: &'a [u8],
    pub(super) form: Form,
}

impl<'a> Part<'a> {
    /// The most general text.
    pub(super) fn general(&self) -> &'a [u8] {
        match self.form {
            Form::Value => self.shape,
            _ => self.name,
        }
    }
}

/// A path or a pattern as typed segments. Reading another one into it takes no memory once its
/// buffers are large enough.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    /// The path with its strong types.
    names: Vec<u8>,
    shapes: Vec<u8>,
    /// The text of a segment that has bytes to escape.
    escaped: Vec<u8>,
    list: Vec<Segment>,
    guard: Option<GuardReason>,
}

impl Segments {
    /// An empty one, to read into.
    pub fn new() -> Self {
        Self::default()
    }

    /// Types a path. See [`read`](Self::read).
    pub fn of(path: &[u8], own: Option<u32>) -> Self {
        let mut segments = Self::new();
        segments.read(path, own);
        segments
    }

    /// Types a path in place of the one before. `own` is the pid of the process that uses it, as
    /// the procfs that it sees has it.
    pub fn read(&mut self, path: &[u8], own: Option<u32>) {
        let path = &path[..path.len().min(MAX_PATH)];
        let mut context = self.start(path, own);
        let mut escaped = std::mem::take(&mut self.escaped);
        let mut rest = path;
        let mut deep = None;
        while let Some(mut segment) = next(&mut rest) {
            if self.list.len() + 1 >= MAX_SEGMENTS && next(&mut { rest }).is_some() {
                let last = path
                    .rsplit(|byte| *byte == b'/')
                    .find(|last| !skipped(last));
                segment = last.unwrap_or(segment);
                deep = Some(self.list.len());
                rest = &[];
            }
            let mut text = segment;
            if !segment.iter().copied().all(text::plain) {
                escaped.clear();
                text::escape(segment, &mut escaped);
                text = &escaped;
            }
            self.push(text, &mut context);
        }
        self.escaped = escaped;
        self.pin();
        // A guarded path keeps its last name.
        if let Some(last) = deep
            && self.guard.is_none()
        {
            self.open(last);
        }
    }

    /// Why the path is never generalised, if it is one of those.
    pub fn guard(&self) -> Option<GuardReason> {
        self.guard
    }

    /// How many segments it has.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether it is the root directory.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The text with every weak value as its shape, but for those of a guarded path.
    pub fn general_text(&self) -> String {
        let mut joined = Vec::new();
        for part in (0..self.len()).map_while(|at| self.part(at)) {
            if !joined.is_empty() || part.name != RELATIVE {
                joined.push(b'/');
            }
            joined.extend_from_slice(part.general());
        }
        text::string(path_text(&joined))
    }

    pub(super) fn part(&self, at: usize) -> Option<Part<'_>> {
        let segment = self.list.get(at)?;
        Some(Part {
            name: &self.names[segment.name.clone()],
            shape: &self.shapes[segment.shape.clone()],
            form: segment.form,
        })
    }

    /// Clears everything; a path that is not below the root directory begins with [`RELATIVE`].
    fn start(&mut self, path: &[u8], own: Option<u32>) -> Context {
        self.names.clear();
        self.shapes.clear();
        self.list.clear();
        if path.starts_with(b"/") {
            return Context::root(own);
        }
        self.names.extend_from_slice(RELATIVE);
        self.list.push(Segment {
            name: 0..RELATIVE.len(),
            shape: 0..0,
            form: Form::Fixed,
        });
        Context::Plain
    }

    /// Appends a segment; `None` if it mixes a weak type with a value of one.
    fn push(&mut self, text: &[u8], context: &mut Context) -> Option<()> {
        let (name_from, shape_from) = (self.names.len() + 1, self.shapes.len());
        let mut form = Form::Fixed;
        let typed = match context.next(text) {
            InContext::Skipped => return Some(()),
            InContext::Typed(typed) => typed.text().as_bytes(),
            InContext::Named(name) => name,
            InContext::Plain if token::is_literal(text) => text,
            InContext::Plain => {
                self.names.push(b'/');
                let weak = token::write(text, &mut self.names, &mut self.shapes);
                form = match (weak.values, weak.types) {
                    (true, true) => return None,
                    (true, false) => Form::Value,
                    (false, true) => Form::Shape,
                    (false, false) => Form::Fixed,
                };
                if form != Form::Value {
                    self.shapes.truncate(shape_from);
                }
                if any::is_in(text) {
                    form = any::is_key(text).then_some(Form::Any)?;
                }
                self.note(name_from, shape_from, form);
                return Some(());
            }
        };
        self.names.push(b'/');
        self.names.extend_from_slice(typed);
        self.note(name_from, shape_from, form);
        Some(())
    }

    /// Puts what stands for the rest of a path in place of its last name, which is that segment.
    fn open(&mut self, last: usize) {
        let general = self.part(last).map_or(&[][..], |part| part.general());
        let any = AnyKey::of(general);
        if let Some(segment) = self.list.get(last) {
            self.names.truncate(segment.name.start - 1);
            self.shapes.truncate(segment.shape.start);
            self.list.truncate(last);
        }
        self.names.push(b'/');
        let name_from = self.names.len();
        self.names.extend_from_slice(any.text());
        self.note(name_from, self.shapes.len(), Form::Any);
    }

    fn note(&mut self, name_from: usize, shape_from: usize, form: Form) {
        self.list.push(Segment {
            name: name_from..self.names.len(),
            shape: shape_from..self.shapes.len(),
            form,
        });
    }

    fn ends_with_any(&self) -> bool {
        self.list.last().is_some_and(|last| last.form == Form::Any)
    }

    /// Finds out whether the path is guarded; the values in one that is stay as they are.
    fn pin(&mut self) {
        self.guard = guard::of(path_text(&self.names));
        if self.guard.is_some() {
            for segment in &mut self.list {
                if segment.form == Form::Value {
                    segment.form = Form::Pinned;
                }
            }
        }
    }
}

/// Displayed as its text, with its values as they are.
impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::string(path_text(&self.names)))
    }
}

/// The text of a path of joined segments.
pub(super) fn path_text(joined: &[u8]) -> &[u8] {
    match joined.strip_prefix(RELATIVE) {
        Some(rest) => rest.strip_prefix(b"/").unwrap_or(rest),
        None if joined.is_empty() => b"/",
        None => joined,
    }
}

/// The next segment that is one.
fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'/');
        let segment = &rest[..end.unwrap_or(rest.len())];
        *rest = end.map_or(&[], |end| &rest[end + 1..]);
        if !skipped(segment) {
            return Some(segment);
        }
    }
    None
}

fn skipped(segment: &[u8]) -> bool {
    matches!(segment, b"" | b".")
}
