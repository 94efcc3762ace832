//! Says what a run did in a shorter form than it could.

use std::fs::File;
use std::io::Write as _;

/// Names the file that collects such lines; set by `cargo xtask`.
const VARIABLE: &str = "GRAVLENS_SHORTENED";

/// Notes one thing.
pub fn note(line: &str) {
    println!("shortened: {line}");
    let Some(path) = std::env::var_os(VARIABLE) else {
        return;
    };
    let file = File::options().append(true).create(true).open(path);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("cannot note it: {error}");
    }
}
