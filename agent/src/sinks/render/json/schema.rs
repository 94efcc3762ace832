//! The JSON Schema of a line, made from the types that write it.

use schemars::generate::SchemaSettings;

use super::Record;

/// What the types cannot say.
const DESCRIPTION: &str = "One line of `gravlens alerts --output json` and of outputs with \
    `format = \"json\"`. Fields and words may be added, so readers pass over what they do not know; \
    what is described here stays as it is, and a new kind of record comes with a new schema. What \
    is not known is left out or null, never a zero.";

/// The schema as a document: draft 2020-12, pretty, with the final newline.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let mut schema = generator.into_root_schema_for::<Record>();
    schema.insert("title".to_owned(), "Gravlens record".into());
    schema.insert("description".to_owned(), DESCRIPTION.into());
    let text = serde_json::to_string_pretty(&schema);
    // Strings, numbers and maps with string keys cannot fail.
    text.expect("a schema has a JSON form") + "\n"
}

#[cfg(test)]
mod tests;
