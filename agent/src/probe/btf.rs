//! The kernel's own type description (BTF), read for field offsets.
//!
//! Format: Documentation/bpf/btf.rst of the kernel. Only what offset look-ups need is kept:
//! structs, unions, arrays, and the types that stand between a member and its struct. A module's
//! BTF continues the numbering of types and strings of the base ("split BTF").

use std::collections::HashMap;

use thiserror::Error;

const MAGIC: u16 = 0xEB9F;
const HEADER_LEN: usize = 24;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_FWD: u32 = 7;
const KIND_TYPEDEF: u32 = 8;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_FLOAT: u32 = 16;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// Deepest chain of typedefs and modifiers, and of anonymous members, that is followed.
const DEPTH_MAX: u32 = 32;

/// A type description that cannot be used, or a path that is not in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// The bytes end too early or contradict themselves.
    #[error("malformed at byte {at}: {what}")]
    Malformed {
        /// Offset of the offending bytes.
        at: usize,
        /// What was expected.
        what: &'static str,
    },
    /// A kind that this parser does not know, so that it cannot find the next type.
    #[error("unknown kind {0}")]
    UnknownKind(u32),
    /// No struct or union of that name.
    #[error("no struct {0}")]
    NoStruct(String),
    /// No such member.
    #[error("no member {member} in {path}")]
    NoMember {
        /// The member.
        member: String,
        /// The whole path.
        path: String,
    },
    /// The member is a bit field, which has no byte offset.
    #[error("{0} is a bit field")]
    BitField(String),
    /// The path asks for something that the type is not.
    #[error("{0} is not a struct or an array as the path needs")]
    WrongType(String),
}

/// Where a field lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Offset in bytes; for a bare struct name its size.
    pub offset: u32,
    /// Size in bytes; zero for flexible arrays.
    pub size: u32,
}

#[derive(Clone, Debug)]
struct Member {
    name: u32,
    type_id: u32,
    bit_offset: u32,
    bit_size: u32,
}

#[derive(Clone, Debug)]
enum Type {
    Sized(u32),
    Pointer,
    Array { element: u32, count: u32 },
    Composite { size: u32, members: Vec<Member> },
    Alias(u32),
    Other,
}

/// Types and their names.
#[derive(Clone, Debug)]
pub struct Btf {
    types: Vec<Type>,
    strings: Vec<u8>,
    composites: HashMap<Vec<u8>, Vec<u32>>,
}

impl Btf {
    /// Parses a self-contained description (`/sys/kernel/btf/vmlinux`).
    pub fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        let mut btf = Self {
            // Type 0 is void.
            types: vec![Type::Other],
            strings: Vec::new(),
            composites: HashMap::new(),
        };
        btf.extend(bytes)?;
        Ok(btf)
    }

    /// Adds a module's description to that of its kernel.
    pub fn with_module(&self, bytes: &[u8]) -> Result<Self, BtfError> {
        let mut btf = self.clone();
        btf.extend(bytes)?;
        Ok(btf)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), BtfError> {
        let header = Header::parse(bytes)?;
        // Name offsets of a module count on from the end of its kernel's strings.
        self.strings.extend_from_slice(header.strings);
        let mut cursor = Cursor {
            bytes: header.types,
            at: 0,
        };
        while !cursor.is_empty() {
            let (name, parsed) = parse_type(&mut cursor)?;
            let id = self.types.len() as u32;
            if matches!(parsed, Type::Composite { .. }) && name != 0 {
                let name = self.string(name).to_vec();
                self.composites.entry(name).or_default().push(id);
            }
            self.types.push(parsed);
        }
        Ok(())
    }

    fn string(&self, offset: u32) -> &[u8] {
        let tail = self.strings.get(offset as usize..).unwrap_or_default();
        let end = tail.iter().position(|byte| *byte == 0).unwrap_or(0);
        &tail[..end]
    }

    /// Finds `struct.member.member[n]`, through anonymous members; a bare struct name gives the
    /// struct's size as its offset.
    pub fn find(&self, path: &str) -> Result<Field, BtfError> {
        let mut parts = path.split('.');
        let name = parts.next().unwrap_or_default();
        let members: Vec<&str> = parts.collect();
        let candidates = self
            .composites
            .get(name.as_bytes())
            .ok_or_else(|| BtfError::NoStruct(name.to_owned()))?;
        // Different units of a kernel can define structs of one name: take the one that fits.
        let mut last = BtfError::NoStruct(name.to_owned());
        for candidate in candidates {
            match self.walk(*candidate, &members, path) {
                Ok(field) => return Ok(field),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn walk(&self, root: u32, members: &[&str], path: &str) -> Result<Field, BtfError> {
        let mut current = root;
        let mut bits = 0u32;
        if members.is_empty() {
            let size = self.size(root, 0);
            return Ok(Field { offset: size, size });
        }
        for part in members {
            let (name, index) = split_index(part);
            let (member, offset) =
                self.member(current, name, 0)
                    .ok_or_else(|| BtfError::NoMember {
                        member: name.to_owned(),
                        path: path.to_owned(),
                    })?;
            if member.bit_size != 0 || offset % 8 != 0 {
                return Err(BtfError::BitField(path.to_owned()));
            }
            bits = bits.wrapping_add(offset);
            current = member.type_id;
            if let Some(index) = index {
                let Type::Array { element, .. } = *self.resolve(current, 0) else {
                    return Err(BtfError::WrongType(path.to_owned()));
                };
                bits = bits.wrapping_add(self.size(element, 0).wrapping_mul(index * 8));
                current = element;
            }
        }
        Ok(Field {
            offset: bits / 8,
            size: self.size(current, 0),
        })
    }

    /// A member by name, also inside anonymous structs and unions, with its offset in bits.
    fn member(&self, composite: u32, name: &str, depth: u32) -> Option<(&Member, u32)> {
        if depth > DEPTH_MAX {
            return None;
        }
        let Type::Composite { members, .. } = self.resolve(composite, 0) else {
            return None;
        };
        members.iter().find_map(|member| {
            if member.name != 0 {
                let found = self.string(member.name) == name.as_bytes();
                return found.then_some((member, member.bit_offset));
            }
            let (inner, offset) = self.member(member.type_id, name, depth + 1)?;
            Some((inner, member.bit_offset.wrapping_add(offset)))
        })
    }

    fn resolve(&self, id: u32, depth: u32) -> &Type {
        match self.types.get(id as usize) {
            Some(Type::Alias(target)) if depth < DEPTH_MAX => self.resolve(*target, depth + 1),
            Some(found) => found,
            None => &Type::Other,
        }
    }

    fn size(&self, id: u32, depth: u32) -> u32 {
        if depth > DEPTH_MAX {
            return 0;
        }
        match self.resolve(id, 0) {
            Type::Sized(size) | Type::Composite { size, .. } => *size,
            Type::Pointer => 8,
            Type::Array { element, count } => self.size(*element, depth + 1).wrapping_mul(*count),
            Type::Alias(_) | Type::Other => 0,
        }
    }
}

/// `name[3]` as its two parts.
fn split_index(part: &str) -> (&str, Option<u32>) {
    match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
        Some((name, index)) => (name, index.parse().ok()),
        None => (part, None),
    }
}

struct Header<'a> {
    types: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let malformed = |at, what| BtfError::Malformed { at, what };
        if bytes.len() < HEADER_LEN {
            return Err(malformed(bytes.len(), "a 24-byte header"));
        }
        if u16::from_le_bytes([bytes[0], bytes[1]]) != MAGIC {
            return Err(malformed(0, "the BTF magic number"));
        }
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
        };
        let base = word(4);
        let section = |offset: usize, len: usize| {
            let start = base.checked_add(word(offset))?;
            bytes.get(start..start.checked_add(word(len))?)
        };
        Ok(Self {
            types: section(8, 12).ok_or(malformed(8, "a type section inside the file"))?,
            strings: section(16, 20).ok_or(malformed(16, "a string section inside the file"))?,
        })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn word(&mut self) -> Result<u32, BtfError> {
        let end = self.at + 4;
        let Some(word) = self.bytes.get(self.at..end) else {
            return Err(BtfError::Malformed {
                at: self.at,
                what: "four more bytes of a type",
            });
        };
        self.at = end;
        Ok(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
    }

    fn skip(&mut self, words: u32) -> Result<(), BtfError> {
        for _ in 0..words {
            self.word()?;
        }
        Ok(())
    }
}

fn parse_type(cursor: &mut Cursor<'_>) -> Result<(u32, Type), BtfError> {
    let name = cursor.word()?;
    let info = cursor.word()?;
    let size_or_type = cursor.word()?;
    let count = info & 0xFFFF;
    let kind = (info >> 24) & 0x1F;
    let parsed = match kind {
        KIND_INT => {
            cursor.skip(1)?;
            Type::Sized(size_or_type)
        }
        KIND_PTR => Type::Pointer,
        KIND_ARRAY => {
            let element = cursor.word()?;
            cursor.skip(1)?;
            Type::Array {
                element,
                count: cursor.word()?,
            }
        }
        KIND_STRUCT | KIND_UNION => Type::Composite {
            size: size_or_type,
            members: parse_members(cursor, count, info >> 31 != 0)?,
        },
        KIND_ENUM => {
            cursor.skip(count * 2)?;
            Type::Sized(size_or_type)
        }
        KIND_ENUM64 => {
            cursor.skip(count * 3)?;
            Type::Sized(size_or_type)
        }
        KIND_TYPEDEF..=KIND_RESTRICT | KIND_TYPE_TAG => Type::Alias(size_or_type),
        KIND_FLOAT => Type::Sized(size_or_type),
        KIND_FWD | KIND_FUNC => Type::Other,
        KIND_FUNC_PROTO => {
            cursor.skip(count * 2)?;
            Type::Other
        }
        KIND_VAR | KIND_DECL_TAG => {
            cursor.skip(1)?;
            Type::Other
        }
        KIND_DATASEC => {
            cursor.skip(count * 3)?;
            Type::Other
        }
        unknown => return Err(BtfError::UnknownKind(unknown)),
    };
    Ok((name, parsed))
}

/// Members; with the kind flag set, the offset word's top byte is the size of a bit field.
fn parse_members(
    cursor: &mut Cursor<'_>,
    count: u32,
    has_bit_fields: bool,
) -> Result<Vec<Member>, BtfError> {
    let mut members = Vec::new();
    for _ in 0..count {
        let name = cursor.word()?;
        let type_id = cursor.word()?;
        let offset = cursor.word()?;
        members.push(Member {
            name,
            type_id,
            bit_offset: if has_bit_fields {
                offset & 0x00FF_FFFF
            } else {
                offset
            },
            bit_size: if has_bit_fields { offset >> 24 } else { 0 },
        });
    }
    Ok(members)
}

#[cfg(test)]
mod tests;
