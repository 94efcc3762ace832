//! Which tests a command line asks for.

/// Options that take the argument after them.
const WITH_VALUE: [&str; 6] = [
    "--test-threads",
    "--skip",
    "--color",
    "--format",
    "--logfile",
    "-Z",
];

/// The names to run, taken out of the options. Several are allowed, as in Rust's own test
/// programs; the library that reads the options knows of one only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Everything but the names, the program first.
    pub options: Vec<String>,
    filters: Vec<String>,
}

impl Selection {
    /// Reads the arguments of a test program.
    pub fn new(arguments: impl Iterator<Item = String>) -> Self {
        let mut selection = Self::default();
        for (number, argument) in arguments.enumerate() {
            let last = selection.options.last();
            let value = last.is_some_and(|last| WITH_VALUE.contains(&last.as_str()));
            if number == 0 || value || argument.starts_with('-') {
                selection.options.push(argument);
            } else {
                selection.filters.push(argument);
            }
        }
        selection
    }

    /// Keeps the tests that are asked for: all of them when no name is given.
    ///
    /// # Errors
    /// No test has such a name; a sentence for people.
    pub fn apply<T>(&self, tests: &mut Vec<(&str, T)>, exact: bool) -> Result<(), String> {
        if self.filters.is_empty() {
            return Ok(());
        }
        let wanted = |name: &str| {
            self.filters.iter().any(|filter| match exact {
                true => name == filter,
                false => name.contains(filter.as_str()),
            })
        };
        tests.retain(|(name, _)| wanted(name));
        if tests.is_empty() {
            let how = if exact { "is called" } else { "matches" };
            let filters = self.filters.join(" or ");
            return Err(format!("no test {how} {filters}; `--list` shows all"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(line: &str) -> Selection {
        Selection::new(line.split_whitespace().map(str::to_owned))
    }

    fn names(line: &str, exact: bool) -> Result<Vec<&'static str>, String> {
        let mut tests = vec![("loss::flood", ()), ("loss::flood_twice", ()), ("demo", ())];
        selection(line).apply(&mut tests, exact)?;
        Ok(tests.into_iter().map(|(name, ())| name).collect())
    }

    #[test]
    fn names_are_told_from_options_and_their_values() {
        let found = selection("suites --skip a loss --nocapture demo");
        assert_eq!(found.options, ["suites", "--skip", "a", "--nocapture"]);
        assert_eq!(found.filters, ["loss", "demo"]);
    }

    #[test]
    fn names_select_by_part_or_as_a_whole() {
        assert_eq!(names("suites", false).unwrap().len(), 3);
        assert_eq!(names("suites flood demo", false).unwrap().len(), 3);
        assert_eq!(names("suites loss::flood", true).unwrap(), ["loss::flood"]);
    }

    #[test]
    fn a_name_that_no_test_has_is_an_error() {
        assert_eq!(
            names("suites nope", false).unwrap_err(),
            "no test matches nope; `--list` shows all"
        );
        assert!(names("suites loss", true).is_err());
    }
}
