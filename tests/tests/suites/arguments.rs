//! Long argument lists are captured up to the limit, and the alert says when there was more.

use anyhow::{Context, Result, ensure};
use gravlens::proto::Process;
use integration_test::container::{Container, ContainerSpec};
use integration_test::images::Image;
use integration_test::runtime::block_on;

use crate::image_rules::start_with_rules;
use crate::{Bench, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "arguments::what_exceeds_32_kib_is_cut_and_the_alert_says_so",
    cut_at_the_limit,
)];

/// Bytes of arguments that the sensor captures, the zero after each included.
const LIMIT: usize = 32 * 1024;
/// All that fits, one byte more, and far more.
const LENGTHS: [usize; 3] = [LIMIT, LIMIT + 1, 40 * 1024];

fn cut_at_the_limit(bench: &Bench) -> Result<()> {
    let rules: String = LENGTHS.iter().map(|length| rule(*length)).collect();
    block_on(async {
        let engine = bench.engine.lock().await;
        Image::Busybox.ensure(&engine, &bench.state).await?;
        let watched = start_with_rules(bench, engine.socket(), &rules).await?;
        let spec = ContainerSpec::new("arguments", Image::Busybox);
        let container = Container::run(&engine, &watched.cgroup, &spec).await?;
        for length in LENGTHS {
            let command = command(length);
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let output = container.exec(&words).await?;
            ensure!(output.code == 0, "{length} bytes: {output:?}");
            let alert = watched.alert(&rule_name(length), &container).await?;
            let process = alert.process.as_ref().context("the alert has no process")?;
            check(process, &command).with_context(|| format!("{length} bytes of arguments"))?;
        }
        drop(container);
        watched.finish()
    })
}

fn rule_name(length: usize) -> String {
    format!("Arguments of {length} bytes")
}

fn rule(length: usize) -> String {
    format!(
        "- rule: {}\n  desc: For this suite.\n  \
           condition: evt.type in (execve, execveat) and proc.args startswith \"{length} \"\n  \
           output: many arguments\n  priority: WARNING\n",
        rule_name(length)
    )
}

/// A command that does nothing with arguments of so many bytes, program and zeros included.
fn command(length: usize) -> Vec<String> {
    let mut command = vec!["/bin/true".to_owned(), length.to_string()];
    let mut left = length - bytes(&command).len();
    while left > 0 {
        // The last word takes what is left, so that no word is empty.
        let room = if left < 2_000 { left } else { 1_000 };
        command.push("x".repeat(room - 1));
        left -= room;
    }
    command
}

/// Arguments as the kernel keeps them.
fn bytes(command: &[String]) -> Vec<u8> {
    let words = command.iter();
    words
        .flat_map(|word| [word.as_bytes(), b"\0"].concat())
        .collect()
}

fn check(process: &Process, command: &[String]) -> Result<()> {
    let all = bytes(command);
    let kept = all.get(..LIMIT).unwrap_or(&all);
    let told = process.args.join("\0");
    ensure!(
        told.as_bytes() == kept.strip_suffix(b"\0").unwrap_or(kept),
        "{} bytes are told in {} arguments, {} were to be kept",
        told.len(),
        process.args.len(),
        kept.len()
    );
    let cut = all.len() > LIMIT;
    ensure!(
        process.args_truncated == cut,
        "args_truncated is {}",
        process.args_truncated
    );
    Ok(())
}
