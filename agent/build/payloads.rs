//! The messages of an event as tables, from the comments of the proto file.

use std::collections::HashMap;
use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};

/// Where messages, enums and their parts stand in a file: field numbers of `descriptor.proto`.
const MESSAGES: i32 = 4;
const ENUMS: i32 = 5;
const PARTS: i32 = 2;

/// Every message and enum of a file, each with what its parts mean.
pub(crate) fn markdown(file: &FileDescriptorProto) -> String {
    let comments = Comments::of(file);
    let mut text = String::new();
    for (at, message) in (0..).zip(&file.message_type) {
        describe_message(&mut text, message, &comments, &[MESSAGES, at]);
    }
    for (at, one) in (0..).zip(&file.enum_type) {
        describe_enum(&mut text, one, &comments, &[ENUMS, at]);
    }
    text
}

fn describe_message(text: &mut String, message: &DescriptorProto, comments: &Comments, at: &[i32]) {
    heading(text, message.name(), comments.at(at));
    if message.field.is_empty() {
        return;
    }
    line(text, "| field | type | meaning |\n|---|---|---|");
    for (number, field) in (0..).zip(&message.field) {
        let meaning = comments.at(&[at, &[PARTS, number]].concat());
        let kind = kind_of(field);
        line(
            text,
            &format!("| `{}` | {kind} | {meaning} |", field.name()),
        );
    }
    line(text, "");
}

fn describe_enum(text: &mut String, one: &EnumDescriptorProto, comments: &Comments, at: &[i32]) {
    heading(text, one.name(), comments.at(at));
    line(text, "| value | meaning |\n|---|---|");
    for (number, value) in (0..).zip(&one.value) {
        let meaning = comments.at(&[at, &[PARTS, number]].concat());
        line(text, &format!("| `{}` | {meaning} |", value.name()));
    }
    line(text, "");
}

fn heading(text: &mut String, name: &str, meaning: &str) {
    line(text, &format!("### {name}\n"));
    if !meaning.is_empty() {
        line(text, &format!("{meaning}\n"));
    }
}

fn line(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn kind_of(field: &FieldDescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum => {
            let name = field.type_name().rsplit('.').next().unwrap_or_default();
            format!("`{name}`")
        }
        other => other
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    };
    match field.label() {
        Label::Repeated => format!("list of {kind}"),
        _ if field.proto3_optional() => format!("{kind}, may be unset"),
        _ => kind,
    }
}

/// The comments of a file, by the place of what they stand above.
struct Comments(HashMap<Vec<i32>, String>);

impl Comments {
    fn of(file: &FileDescriptorProto) -> Self {
        let info = file.source_code_info.iter();
        let places = info.flat_map(|info| &info.location);
        Self(
            places
                .map(|place| (place.path.clone(), one_line(place.leading_comments())))
                .collect(),
        )
    }

    fn at(&self, place: &[i32]) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }
}

/// As a cell of a table takes it.
fn one_line(comment: &str) -> String {
    let words: Vec<&str> = comment.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
