//! Sigma's rule language: from the documents of rule files to searches and conditions.
//!
//! `compile/sigma.rs` turns them into the tree that Falco's conditions become too.

pub(crate) mod condition;
pub(crate) mod correlation;
pub(crate) mod document;
pub(crate) mod fields;
pub(crate) mod level;
pub(crate) mod logsource;
pub(crate) mod modifiers;
pub(crate) mod pattern;
pub(crate) mod search;

pub use fields::sigma_fields_markdown;
pub use level::Level;
