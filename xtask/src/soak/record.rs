//! One result.

use serde_json::{Value, json};

use super::source::Source;

/// Lines of output that are kept, the last ones: a runner says there what came of its tests.
const LINES: usize = 16;
/// Characters of a line that are kept: a failure may list every round.
const LINE: usize = 300;

/// What came of one run of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) entry: String,
    pub(super) passed: bool,
    pub(super) commit: String,
    pub(super) date: String,
    /// Release of the kernel that it ran on.
    pub(super) kernel: String,
    /// Processors of the machine.
    pub(super) cores: usize,
    pub(super) seconds: u64,
    /// The end of its output.
    pub(super) lines: Vec<String>,
}

impl Record {
    /// Whether the entry need not run again: it passed with just this source on this kernel.
    pub(super) fn counts(&self, source: &Source, kernel: Option<&str>) -> bool {
        let same = self.commit == source.commit && Some(self.kernel.as_str()) == kernel;
        self.passed && same && source.is_clean()
    }

    /// As one line.
    pub(super) fn to_line(&self) -> String {
        let value = json!({
            "entry": self.entry,
            "passed": self.passed,
            "commit": self.commit,
            "date": self.date,
            "kernel": self.kernel,
            "cores": self.cores,
            "seconds": self.seconds,
            "lines": self.lines,
        });
        value.to_string()
    }

    /// From such a line; `None` if it is another.
    pub(super) fn from_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |key: &str| Some(value[key].as_str()?.to_owned());
        let lines = value["lines"].as_array()?.iter();
        Some(Self {
            entry: text("entry")?,
            passed: value["passed"].as_bool()?,
            commit: text("commit")?,
            date: text("date")?,
            kernel: text("kernel")?,
            cores: usize::try_from(value["cores"].as_u64()?).ok()?,
            seconds: value["seconds"].as_u64()?,
            lines: lines
                .map(|line| Some(line.as_str()?.to_owned()))
                .collect::<Option<_>>()?,
        })
    }
}

/// The end of an output, without empty lines.
pub(super) fn last_lines(output: &str) -> Vec<String> {
    let lines: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| cut(line)).collect()
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            entry: "fairness".to_owned(),
            passed: false,
            commit: "c0ffee-dirty".to_owned(),
            date: "2026-01-02 03:04:05 UTC".to_owned(),
            kernel: "6.18".to_owned(),
            cores: 2,
            seconds: 31,
            lines: vec!["one \"quoted\"".to_owned(), "two".to_owned()],
        };
        let line = record.to_line();
        assert!(!line.contains('\n'));
        assert_eq!(Record::from_line(&line), Some(record));
        assert_eq!(Record::from_line(&line[..line.len() / 2]), None);
    }

    #[test]
    fn the_end_of_an_output_is_kept_and_long_lines_are_cut() {
        let output = (0..40).map(|n| format!("{n}\n\n")).collect::<String>() + &"ä".repeat(500);
        let lines = last_lines(&output);
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[LINES - 2], "39");
        assert_eq!(lines[LINES - 1], "ä".repeat(LINE) + " ...");
        assert!(last_lines("\n").is_empty());
    }
}
