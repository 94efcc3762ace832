//! `rules explain`: what a rule needs and what it costs.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{Selection, files, load_options};
use crate::cli::run::RunArgs;
use crate::cli::{Exit, Failure, Global, output};
use crate::config::OutputFormat;
use crate::detect::{self, Explanation, RuleFile, Sample};
use crate::pipeline;
use crate::probe::{self, Report};
use crate::telemetry::TopicState;

/// What to explain.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArgs {
    /// Names of rules, `*` standing for anything, and files and directories to load instead of the
    /// configured ones; all rules without a name
    #[arg(value_name = "NAME|PATH")]
    what: Vec<String>,
    /// Leave out the bundled rules
    #[arg(long)]
    no_bundled: bool,
    /// Ask this kernel what it fills, as `gravlens doctor` does: as root
    #[arg(long)]
    kernel: bool,
}

/// `gravlens rules explain`
pub(super) fn run(global: &Global, args: &ExplainArgs) -> Result<(), Failure> {
    let (paths, names): (Vec<_>, Vec<_>) = args
        .what
        .iter()
        .cloned()
        .partition(|what| PathBuf::from(what).exists());
    let selection = Selection {
        paths: paths.into_iter().map(PathBuf::from).collect(),
        no_bundled: args.no_bundled,
    };
    let config = global.load(RunArgs::default().flags())?.config;
    let files = files(&config, &selection)?;
    let loaded = detect::load(&files, &load_options(&config));
    let samples = samples(&config, &selection)?;
    let mut explained = detect::explain(&loaded, &files, &samples);
    if !selection.paths.is_empty() && names.is_empty() {
        // What was named is asked for, not the bundled rules that it builds on.
        let bundled: Vec<_> = detect::bundled()
            .into_iter()
            .map(|file| file.path)
            .collect();
        explained.retain(|rule| !bundled.contains(&rule.file));
    }
    if !names.is_empty() {
        explained = named(&explained, &names)?;
    }
    let report = args.kernel.then(|| examined(&config)).transpose()?;
    match global.document()? {
        OutputFormat::Text => {
            let texts = explained
                .iter()
                .map(|rule| rule.to_text(&kernel_lines(rule, report.as_ref())));
            output::text(&texts.collect::<Vec<_>>().join("\n"))
        }
        OutputFormat::Json => {
            let rules: Vec<_> = explained
                .iter()
                .map(|rule| json!({ "rule": rule, "kernel": kernel_json(rule, report.as_ref()) }))
                .collect();
            output::json(&rules)
        }
    }
}

fn samples(config: &crate::config::Config, selection: &Selection) -> Result<Vec<Sample>, Failure> {
    let mut files: Vec<RuleFile> = detect::bundled_samples();
    let paths = match selection.paths.as_slice() {
        [] => &config.rules.paths,
        paths => paths,
    };
    files.extend(detect::read_sample_paths(paths)?);
    let read = files.iter().flat_map(|file| detect::read_samples(file).0);
    Ok(read.collect())
}

/// The rules of these names.
fn named(explained: &[Explanation], names: &[String]) -> Result<Vec<Explanation>, Failure> {
    let mut found = Vec::new();
    for name in names {
        let before = found.len();
        for rule in explained {
            if detect::is_named(&rule.name, name) {
                found.push(rule.clone());
            }
        }
        if found.len() == before {
            let known = explained.iter().map(|rule| rule.name.as_str());
            let hint = match detect::nearest_name(name, known) {
                Some(near) => format!("did you mean '{near}'?"),
                None => "`gravlens rules list` lists them".to_owned(),
            };
            let why = format!("'{name}' is neither a rule that was loaded nor a path: {hint}");
            return Err(Failure::new(Exit::Usage, why));
        }
    }
    Ok(found)
}

fn examined(config: &crate::config::Config) -> Result<Report, Failure> {
    probe::check_requirements()?;
    probe::ensure_tracefs()?;
    Ok(probe::examine(&pipeline::probe_options(config))?)
}

const NOT_ASKED: &str = "not asked: --kernel asks this machine's, as root";

fn kernel_lines(rule: &Explanation, report: Option<&Report>) -> Vec<String> {
    let Some(report) = report else {
        return vec![NOT_ASKED.to_owned()];
    };
    let missing = missing(rule, report);
    if missing.is_empty() {
        let release = &report.kernel_release;
        return vec![format!(
            "{release} produces all of these events and fills all of these fields"
        )];
    }
    missing
}

fn kernel_json(rule: &Explanation, report: Option<&Report>) -> Value {
    match report {
        None => json!({ "asked": false }),
        Some(report) => json!({
            "asked": true,
            "release": report.kernel_release,
            "missing": missing(rule, report),
        }),
    }
}

/// What this kernel does not give the rule.
fn missing(rule: &Explanation, report: &Report) -> Vec<String> {
    let mut missing = Vec::new();
    for topic in &report.topics {
        let hook = topic.hook.map(gravlens_common::Hook::name);
        if !rule.events.iter().any(|event| Some(event.hook) == hook) {
            continue;
        }
        match topic.state() {
            TopicState::Full => {}
            TopicState::Off => missing.push(format!("{}: no hook is attached", topic.name)),
            TopicState::Partial => missing.extend(topic.missing.iter().map(|program| {
                format!(
                    "{}: not seen are {} ({})",
                    topic.name, program.not_seen, program.why
                )
            })),
        }
    }
    for (fields, symbols) in OPTIONAL {
        let Some(field) = rule
            .fields
            .iter()
            .find(|field| fields.contains(&field.name))
        else {
            continue;
        };
        let absent = report.offsets.absent().find(|offset| {
            let symbol = offset.spec.symbol;
            symbols.contains(&symbol) && report.offsets.stand_in(symbol).is_none()
        });
        if let Some(offset) = absent {
            let why = offset.found.as_ref().err().cloned().unwrap_or_default();
            missing.push(format!(
                "{} is missing: {} ({why})",
                field.name, offset.spec.symbol
            ));
        }
    }
    missing
}

/// Fields that need something a kernel may lack, by the symbols of `doctor`.
const OPTIONAL: &[(&[&str], &[&str])] = &[
    (
        &["proc.tty"],
        &[
            "SIGNAL_TTY",
            "TTY_INDEX",
            "TTY_DRIVER",
            "TTY_DRIVER_MAJOR",
            "TTY_DRIVER_MINOR_START",
        ],
    ),
    (&["user.loginuid", "user.loginname"], &["TASK_LOGINUID"]),
    (
        &[
            "proc.is_exe_upper_layer",
            "proc.is_exe_lower_layer",
            "evt.arg.flags",
        ],
        &[
            "OVL_INODE_VFS_INODE",
            "OVL_INODE_UPPER",
            "OVL_INODE_ENTRY",
            "OVL_ENTRY_NUMLOWER",
        ],
    ),
    (
        &[
            "fd.ip", "fd.cip", "fd.sip", "fd.lip", "fd.rip", "fd.net", "fd.cnet", "fd.snet",
            "fd.lnet", "fd.rnet",
        ],
        &["SK_V6_DADDR", "SK_V6_RCV_SADDR"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_may_lack_is_named_as_the_tables_do() {
        let known: Vec<_> = gravlens_common::OFFSETS
            .iter()
            .map(|spec| spec.symbol)
            .collect();
        for (fields, symbols) in OPTIONAL {
            for symbol in *symbols {
                assert!(known.contains(symbol), "{symbol}");
            }
            for field in *fields {
                assert!(
                    detect::field_list(Some(field)).unwrap()[0].supported,
                    "{field}"
                );
            }
        }
    }

    #[test]
    fn a_kernel_that_was_not_asked_is_not_spoken_for() {
        let files = detect::bundled();
        let loaded = detect::load(&files, &detect::LoadOptions::default());
        let rule = &detect::explain(&loaded, &files, &[])[0];
        assert_eq!(kernel_lines(rule, None), [NOT_ASKED]);
        assert_eq!(kernel_json(rule, None)["asked"], false);
    }

    #[test]
    fn rules_are_found_by_name_and_pattern() {
        let files = detect::bundled();
        let loaded = detect::load(&files, &detect::LoadOptions::default());
        let explained = || detect::explain(&loaded, &files, &[]);
        let name = loaded.set.rules().next().unwrap().info.name.clone();
        let found = named(&explained(), std::slice::from_ref(&name)).unwrap();
        assert_eq!(found[0].name, name);
        assert!(
            named(&explained(), &["*container*".to_owned()])
                .unwrap()
                .len()
                > 3
        );
        let wrong = named(&explained(), &["Crypto-miner startd".to_owned()]).unwrap_err();
        assert!(
            wrong
                .to_string()
                .contains("did you mean 'Crypto-miner started'?"),
            "{wrong}"
        );
    }
}
