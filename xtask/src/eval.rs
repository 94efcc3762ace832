//! `cargo xtask eval`: how good detection is.

use anyhow::Result;

use crate::run::become_tool;

/// The tool of `eval baselines`.
pub(crate) const BASELINES: &str = "eval_baselines";

/// Evaluate; prints a table, or with `--output json` `{"metrics": {...}}`.
#[derive(clap::Subcommand)]
pub(crate) enum Eval {
    /// How well baselines tell attacks from ordinary work: recordings of real servers with users and
    /// operators, and attacks on them, go through the learner and through three other ways to learn.
    /// Takes hours without `--short`
    Baselines {
        /// Arguments of the evaluation itself (`-- --help` lists them)
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARGS"
        )]
        args: Vec<String>,
    },
}

/// Runs `cargo xtask eval`; returns only if the evaluation could not start.
pub(crate) fn verb(eval: &Eval) -> Result<()> {
    match eval {
        Eval::Baselines { args } => become_tool(BASELINES, args),
    }
}
