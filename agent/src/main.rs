//! The `gravlens` command.

fn main() {}
