//! The results, for people.

use std::fmt::Write as _;

use super::entry::Entry;
use super::record::Record;

/// The newest result of each entry as Markdown: a table, then the end of each output.
pub(super) fn markdown(entries: &[Entry], records: &[Record]) -> String {
    let newest: Vec<(Entry, Option<&Record>)> = entries
        .iter()
        .map(|entry| (*entry, records.iter().rfind(|it| it.entry == entry.name())))
        .collect();
    let mut text = String::from(
        "| soak | result | commit | date | kernel | cores | seconds |\n\
         |---|---|---|---|---|--:|--:|\n",
    );
    for (entry, record) in &newest {
        // Writing to a string cannot fail, here and below.
        let _ = match record {
            Some(record) => writeln!(text, "{}", row(record)),
            None => writeln!(text, "| {} | not run | | | | | |", entry.name()),
        };
    }
    for record in newest.iter().filter_map(|(_, record)| *record) {
        let lines = record.lines.join("\n");
        let _ = write!(text, "\n## {}\n\n```\n{lines}\n```\n", record.entry);
    }
    text
}

fn row(record: &Record) -> String {
    let result = if record.passed { "pass" } else { "FAIL" };
    let Record {
        entry,
        commit,
        date,
        kernel,
        cores,
        seconds,
        ..
    } = record;
    format!("| {entry} | {result} | {commit} | {date} | {kernel} | {cores} | {seconds} |")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_result_of_each_is_shown() {
        let record = |passed, line: &str| Record {
            entry: "fairness".to_owned(),
            passed,
            commit: "c0ffee".to_owned(),
            date: "today".to_owned(),
            kernel: "6.18".to_owned(),
            cores: 2,
            seconds: 31,
            lines: vec![line.to_owned()],
        };
        let records = [record(false, "old"), record(true, "new")];
        let text = markdown(&[Entry::RacesOpen, Entry::Fairness], &records);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "| races-open | not run | | | | | |");
        assert_eq!(
            lines[3],
            "| fairness | pass | c0ffee | today | 6.18 | 2 | 31 |"
        );
        assert!(text.ends_with("\n## fairness\n\n```\nnew\n```\n"));
        assert!(!text.contains("old"));
    }
}
