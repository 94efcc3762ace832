//! Falco's rule language: from the text of rule files to conditions without macros and lists.

pub(crate) mod ast;
pub(crate) mod expiry;
pub(crate) mod items;
pub(crate) mod lexer;
pub(crate) mod output;
pub(crate) mod parser;
pub(crate) mod requirements;
pub(crate) mod resolve;
pub(crate) mod source;
pub(crate) mod yaml;
