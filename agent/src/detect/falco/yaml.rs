//! YAML with places. A file whose YAML is broken is read again item by item, so that one bad item
//! does not drop the others.

use std::sync::Arc;

use saphyr::{MarkedYaml, YamlData, YamlLoader};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, SpannedEventReceiver as _};

use super::source::{Place, SourceFile, Text};

/// How deep collections may nest: rule files need four levels.
const DEPTH: usize = 32;

/// Brackets of a part that are moved to where YAML wants them. More are refused as they stand.
const MOVED_BRACKETS: usize = 64;

/// A node with its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'a> {
    yaml: &'a MarkedYaml<'a>,
    file: &'a Arc<SourceFile>,
}

/// YAML that cannot be read.
#[derive(Debug)]
pub(crate) struct YamlError {
    pub(crate) place: Place,
    pub(crate) reason: String,
    /// The broken part, to find out which rule it holds.
    pub(crate) file: Arc<SourceFile>,
}

/// Calls `visit` for each top-level item of the file, and `fail` for each part that is no YAML.
pub(crate) fn for_each_item(
    path: &Arc<str>,
    text: &str,
    mut visit: impl FnMut(Node<'_>),
    mut fail: impl FnMut(YamlError),
) {
    let whole = Arc::new(SourceFile {
        path: Arc::clone(path),
        text: text.to_owned(),
        lines_before: 0,
    });
    let Err(error) = visit_file(&whole, &mut visit) else {
        return;
    };
    let documents = split(&whole, |line| line.starts_with("---"));
    if documents.len() < 2 {
        return visit_items(&whole, error, &mut visit, &mut fail);
    }
    for document in documents {
        if let Err(error) = visit_file(&document, &mut visit) {
            visit_items(&document, error, &mut visit, &mut fail);
        }
    }
}

/// Visits the items of a document whose YAML is broken, each by itself.
fn visit_items(
    document: &Arc<SourceFile>,
    error: YamlError,
    visit: &mut impl FnMut(Node<'_>),
    fail: &mut impl FnMut(YamlError),
) {
    let mut lines = document.text.lines().map(str::trim_end);
    let first =
        lines.find(|line| !line.is_empty() && !line.starts_with(['#', '-']) || is_item(line));
    let parts = split(document, |line| is_item(line.trim_end()));
    // A mapping may have lists whose items begin in the first column too.
    if parts.len() < 2 || !first.is_some_and(is_item) {
        return fail(error);
    }
    for part in parts {
        if let Err(error) = visit_file(&part, visit) {
            fail(error);
        }
    }
}

fn is_item(line: &str) -> bool {
    line.starts_with("- ") || line == "-"
}

fn visit_file(file: &Arc<SourceFile>, visit: &mut impl FnMut(Node<'_>)) -> Result<(), YamlError> {
    let error = match load(&file.text) {
        Ok(documents) => {
            visit_documents(&documents, file, visit);
            return Ok(());
        }
        Err(error) => error,
    };
    let mut line = error.marker().line();
    let mut moved = Arc::clone(file);
    for _ in 0..MOVED_BRACKETS {
        let Some(again) = with_bracket_moved(&moved, line) else {
            break;
        };
        moved = Arc::new(again);
        line = match load(&moved.text) {
            Ok(documents) => {
                visit_documents(&documents, &moved, visit);
                return Ok(());
            }
            Err(error) => error.marker().line(),
        };
    }
    Err(YamlError {
        place: file.place(*error.marker()),
        reason: format!("this is no valid YAML: {}", error.info()),
        file: Arc::clone(file),
    })
}

/// The file with a line, counted from 1, further right if it holds nothing but closing brackets.
///
/// YAML wants the bracket that ends a list further right than the key of the list; the parsers that
/// Falco and others use take it anywhere, and Falco's own rules depend on it.
fn with_bracket_moved(file: &SourceFile, line: usize) -> Option<SourceFile> {
    let begin: usize = file
        .text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let (before, rest) = file.text.split_at_checked(begin)?;
    let brackets = rest.lines().next()?.trim();
    if brackets.is_empty() || !brackets.bytes().all(|byte| b"]},".contains(&byte)) {
        return None;
    }
    let rest = rest.trim_start_matches(' ');
    Some(SourceFile {
        path: Arc::clone(&file.path),
        text: format!("{before}{}{rest}", " ".repeat(2 * DEPTH)),
        lines_before: file.lines_before,
    })
}

fn visit_documents(
    documents: &[MarkedYaml<'_>],
    file: &Arc<SourceFile>,
    visit: &mut impl FnMut(Node<'_>),
) {
    for yaml in documents {
        match &yaml.data {
            YamlData::Sequence(items) => {
                for yaml in items {
                    visit(Node { yaml, file });
                }
            }
            // An empty document, for instance a file of comments.
            YamlData::BadValue => {}
            YamlData::Representation(value, ScalarStyle::Plain, None) if value.is_empty() => {}
            _ => visit(Node { yaml, file }),
        }
    }
}

/// Loads YAML with bounded nesting: the parser's own entry point recurses without a bound.
fn load(text: &str) -> Result<Vec<MarkedYaml<'_>>, ScanError> {
    let mut loader = YamlLoader::default();
    loader.early_parse(false);
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event?;
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth -= 1,
            _ => {}
        }
        if depth > DEPTH {
            let reason = format!("nested more than {DEPTH} levels deep");
            return Err(ScanError::new(span.start, reason));
        }
        loader.on_event(event, span);
        if let Some(error) = loader.error() {
            return Err(error.clone());
        }
    }
    Ok(loader.into_documents())
}

/// The parts of a file that begin with lines of that kind.
fn split(file: &SourceFile, begins: fn(&str) -> bool) -> Vec<Arc<SourceFile>> {
    let mut parts: Vec<(u32, String)> = Vec::new();
    for (number, line) in (file.lines_before..).zip(file.text.split_inclusive('\n')) {
        match parts.last_mut() {
            Some((_, part)) if !begins(line) => part.push_str(line),
            _ => parts.push((number, line.to_owned())),
        }
    }
    parts
        .into_iter()
        .map(|(lines_before, text)| {
            Arc::new(SourceFile {
                path: Arc::clone(&file.path),
                text,
                lines_before,
            })
        })
        .collect()
}

impl<'a> Node<'a> {
    pub(crate) fn place(self) -> Place {
        self.file.place(self.yaml.span.start)
    }

    /// Keys and values of a mapping, keys being plain text; `None` if it is something else.
    pub(crate) fn entries(self) -> Option<Vec<(Node<'a>, Node<'a>)>> {
        let YamlData::Mapping(mapping) = &self.untagged().yaml.data else {
            return None;
        };
        let file = self.file;
        let pairs = mapping
            .iter()
            .map(|(key, yaml)| (Node { yaml: key, file }, Node { yaml, file }));
        Some(pairs.collect())
    }

    /// Items of a sequence; `None` if it is something else.
    pub(crate) fn items(self) -> Option<Vec<Node<'a>>> {
        let YamlData::Sequence(items) = &self.untagged().yaml.data else {
            return None;
        };
        let file = self.file;
        Some(items.iter().map(|yaml| Node { yaml, file }).collect())
    }

    /// A scalar as written; `None` if it is a collection or null.
    pub(crate) fn scalar(self) -> Option<&'a str> {
        match &self.untagged().yaml.data {
            YamlData::Representation(value, ScalarStyle::Plain, _)
                if matches!(&**value, "" | "~" | "null" | "Null" | "NULL") =>
            {
                None
            }
            YamlData::Representation(value, ..) => Some(value),
            _ => None,
        }
    }

    /// Null, written or left out.
    pub(crate) fn is_null(self) -> bool {
        self.scalar().is_none() && self.entries().is_none() && self.items().is_none()
    }

    /// A scalar with the places of its characters.
    pub(crate) fn text(self) -> Option<Text> {
        let value = self.scalar()?.to_owned();
        Some(Text::new(value, self.file, self.yaml.span.start))
    }

    /// What it is, for messages.
    pub(crate) fn kind(self) -> &'static str {
        match &self.untagged().yaml.data {
            YamlData::Mapping(_) => "a mapping",
            YamlData::Sequence(_) => "a list",
            _ if self.is_null() => "nothing",
            _ => "a single value",
        }
    }

    fn untagged(self) -> Self {
        match &self.yaml.data {
            YamlData::Tagged(_, yaml) => Self { yaml, ..self },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_may_end_a_list_anywhere() {
        let text = "- list: a\n  items: [\n    x,\n    y\n  ]\n- list: b\n  items: [z,\n]\n- c\n";
        let mut items = Vec::new();
        for_each_item(
            &Arc::from("f.yaml"),
            text,
            |node| {
                let entries = node.entries().unwrap_or_default();
                let last = entries.last().and_then(|(_, value)| value.items());
                items.push((
                    node.place().to_string(),
                    last.map_or(0, |items| items.len()),
                ));
            },
            |error| panic!("{} {}", error.place, error.reason),
        );
        let place = |place: &str| format!("f.yaml:{place}");
        let expected = [(place("1:3"), 2), (place("6:3"), 1), (place("9:3"), 0)];
        assert_eq!(items, expected);
    }

    fn scalars(text: &str) -> (Vec<String>, Vec<String>) {
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for_each_item(
            &Arc::from("f.yaml"),
            text,
            |node| found.push(node.scalar().unwrap_or(node.kind()).to_owned()),
            |error| errors.push(format!("{} {}", error.place, error.reason)),
        );
        (found, errors)
    }

    #[test]
    fn a_broken_item_does_not_drop_the_others() {
        let (found, errors) = scalars("- a\n- \"b\n- c\n- x: [1\n- d\n");
        assert!(found.contains(&"a".to_owned()), "{found:?}");
        assert!(found.contains(&"d".to_owned()), "{found:?}");
        assert!(!errors.is_empty());
    }

    #[test]
    fn a_broken_document_does_not_drop_the_others() {
        let (found, errors) = scalars("---\na\n---\nx: [1\nlist:\n- y\n---\nb\n");
        assert_eq!(found, ["a", "b"]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].starts_with("f.yaml:"), "{errors:?}");
    }

    #[test]
    fn nesting_is_bounded() {
        for text in [
            "- ".repeat(100_000),
            "[".repeat(100_000),
            "{a: ".repeat(10_000),
        ] {
            let (_, errors) = scalars(&text);
            assert_eq!(errors.len(), 1);
        }
    }

    #[test]
    fn an_empty_file_has_no_items() {
        for text in ["", "# only a comment\n", "---\n", "---\n...\n"] {
            assert_eq!(scalars(text), (Vec::new(), Vec::new()), "{text:?}");
        }
    }
}
