//! What a behaviour is about, with what varies from run to run taken out: paths, arguments, names
//! and peers.
//!
//! ```text
//! path  -> path::Segments (token: types of each segment, guard: what stays as it is)
//!       -> tree::PathTree (three values of one shape under a parent become that shape)
//! argv  -> arguments::shape
//! name  -> names::NameShape        address, port -> names::peer::text
//! ```
//!
//! Everything here is a function of its input: no clock, no state but that of the tree. Strings are
//! bytes of the kernel; every text that comes out is printable ASCII.

pub mod arguments;
pub mod guard;
pub mod names;
pub mod path;
mod text;
pub mod token;
pub mod tree;
