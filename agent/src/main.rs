//! The `gravlens` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    gravlens::cli::main()
}
