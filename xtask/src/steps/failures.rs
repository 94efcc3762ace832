//! What a failed step said of its failure, to be repeated where people look: at the end.

/// Lines of one step that are repeated at most.
const MOST: usize = 120;
/// Lines that are repeated of a step that does not list its failures.
const TAIL: usize = 30;
/// Characters that are repeated of a line at most.
const WIDTH: usize = 400;

/// The lists of failures that test programs print before their last line; of other programs the
/// last lines.
pub(super) fn of(output: &str) -> Vec<String> {
    let mut lines = listed(output);
    if lines.is_empty() {
        let all: Vec<&str> = output.lines().collect();
        lines = all
            .get(all.len().saturating_sub(TAIL)..)
            .unwrap_or(&all)
            .to_vec();
    }
    let left_out = lines.len().saturating_sub(MOST);
    let mut kept: Vec<String> = lines.into_iter().take(MOST).map(cut).collect();
    if left_out > 0 {
        kept.push(format!("({left_out} more lines)"));
    }
    kept
}

fn listed(output: &str) -> Vec<&str> {
    let mut inside = false;
    let mut listed = Vec::new();
    for line in output.lines() {
        inside |= line.trim() == "failures:";
        if inside {
            listed.push(line);
        }
        inside &= !line.starts_with("test result:");
    }
    listed
}

fn cut(line: &str) -> String {
    line.chars().take(WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_of_failures_are_found() {
        let output = "test a ... ok\nfailures:\n\n---- b ----\nwhy\n\nfailures:\n    b\n\n\
                      test result: FAILED. 1 passed; 1 failed\nerror: of cargo\n";
        let found = of(output);
        assert_eq!(found.first().unwrap(), "failures:");
        assert!(found.contains(&"why".to_owned()));
        assert!(found.last().unwrap().starts_with("test result: FAILED"));
    }

    #[test]
    fn of_another_program_the_end_is_shown() {
        let lines: Vec<String> = (0..100).map(|line| line.to_string()).collect();
        let found = of(&lines.join("\n"));
        assert_eq!(found.len(), TAIL);
        assert_eq!(found.last().unwrap(), "99");
    }

    #[test]
    fn long_lists_and_lines_are_cut() {
        let output = format!("failures:\n{}\n", "x".repeat(WIDTH + 1)) + &"y\n".repeat(MOST);
        let found = of(&output);
        assert_eq!(found.len(), MOST + 1);
        assert_eq!(found[1].len(), WIDTH);
        assert_eq!(found.last().unwrap(), "(2 more lines)");
    }
}
