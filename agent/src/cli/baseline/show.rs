//! `baseline show`: what profiles say, those of files or of the running agent.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::super::{Exit, Failure, Global, output};
use super::files::{self, Target};
use super::live;
use crate::baseline::evidence::Seen;
use crate::baseline::file::{Evidence, UNDATED};
use crate::baseline::{Profile, Workload};
use crate::config::OutputFormat;

/// Which profiles.
#[derive(Debug, Args)]
#[command(after_help = "\
What is written is a reviewed file: whoever keeps it vouches for the behaviours in it. With --output
json the behaviours of all workloads are one list, each with where what it counts for comes from: `file`, a
reviewed one; `operator`, at the time `decided`; `agent`, which learnt or quarantined it.")]
pub(in crate::cli) struct ShowArgs {
    /// Files with profiles, or folders of them; what several know of one workload is put together
    #[arg(value_name = "PATH", required_unless_present = "workload")]
    paths: Vec<PathBuf>,
    /// Ask the running agent what counts of this workload, as `gravlens baseline list` has it: what its
    /// reviewed file says, and what was learnt beside it. May be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    workload: Vec<String>,
    #[command(flatten)]
    target: Target,
}

/// A behaviour.
#[derive(Debug, Serialize)]
struct Behaviour<'a> {
    workload: &'a str,
    role: &'a str,
    phase: &'static str,
    class: &'static str,
    object: String,
    trust: &'static str,
    /// Who says so.
    by: &'static str,
    /// When an operator said so, in seconds since the Unix epoch.
    decided: Option<u64>,
}

/// `gravlens baseline show`
pub(super) fn run(global: &Global, args: &ShowArgs) -> Result<(), Failure> {
    let form = global.document()?;
    if form == OutputFormat::Json && args.target.into.is_some() {
        let message = "--into writes files, which are YAML: leave out --output json";
        return Err(Failure::new(Exit::Usage, message));
    }
    let profiles = match &args.workload[..] {
        [] => files::read(&args.paths)?,
        named => live::profiles(global, named, true)?,
    };
    match form {
        OutputFormat::Text => args.target.put(&profiles, Evidence::Without),
        OutputFormat::Json => output::json(&behaviours(&profiles)),
    }
}

fn behaviours(profiles: &BTreeMap<Workload, Profile>) -> Vec<Behaviour<'_>> {
    let behaviours = profiles.iter().flat_map(|(workload, profile)| {
        let behaviours = profile.behaviours();
        behaviours.map(|(role, phase, class, object, seen)| Behaviour {
            workload: workload.text(),
            role: role.text(),
            phase: phase.name(),
            class: class.name(),
            object,
            trust: seen.trust().name(),
            by: by(seen),
            decided: decided(seen),
        })
    });
    behaviours.collect()
}

/// Who says what a behaviour counts for.
fn by(seen: &Seen) -> &'static str {
    match (seen.decision(), decided(seen)) {
        (None, _) => "agent",
        (Some(_), None) => "file",
        (Some(_), Some(_)) => "operator",
    }
}

fn decided(seen: &Seen) -> Option<u64> {
    let (_, time) = seen.decision()?;
    (time != UNDATED).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::evidence::Decision;
    use crate::baseline::file;

    #[test]
    fn json_has_every_behaviour_of_every_workload() {
        let texts = [
            "workload: image a\nroles:\n- role: r\n  run: {dns: [a.example, rejected: b.example]}\n",
            "workload: image b\nroles:\n- role: r\n  start: {file_read: [/a]}\n",
        ];
        let profiles = texts.map(|text| file::read(text, "f.yaml").unwrap());
        let profiles = BTreeMap::from(profiles);
        let behaviour = |workload, phase, class, object, trust| {
            serde_json::json!({
                "workload": workload, "role": "r", "phase": phase, "class": class, "object": object,
                "trust": trust, "by": "file", "decided": null,
            })
        };
        assert_eq!(
            serde_json::to_value(behaviours(&profiles)).unwrap(),
            serde_json::json!([
                behaviour("image a", "run", "dns", "a.example", "accepted"),
                behaviour("image a", "run", "dns", "b.example", "rejected"),
                behaviour("image b", "start", "file_read", "/a", "accepted"),
            ])
        );
    }

    #[test]
    fn it_is_told_who_says_so() {
        let mut seen = Seen::default();
        assert_eq!((by(&seen), decided(&seen)), ("agent", None));
        seen.decide(Decision::Accepted, UNDATED);
        assert_eq!((by(&seen), decided(&seen)), ("file", None));
        seen.decide(Decision::Rejected, 7);
        assert_eq!((by(&seen), decided(&seen)), ("operator", Some(7)));
    }
}
