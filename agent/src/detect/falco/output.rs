//! Output templates: text with `%field`, `%field[arg]` and `%transformer(field)` in it.

use super::ast::Operand;
use super::lexer::SyntaxError;
use super::parser::parse_operand;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    Value(Operand, usize),
}

/// Splits a template. A star at its beginning asks Falco to print missing values, which is always
/// done here.
pub(crate) fn parse(template: &str) -> Result<Vec<Part>, SyntaxError> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut at = usize::from(template.starts_with('*'));
    while let Some(percent) = template[at..].find('%').map(|offset| at + offset) {
        text.push_str(&template[at..percent]);
        let next = template[percent + 1..].chars().next();
        if next.is_some_and(|next| next.is_ascii_alphabetic()) {
            let (operand, end) = parse_operand(template, percent + 1)?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Value(operand, percent + 1));
            at = end;
        } else {
            // A percent sign that begins no field stands for itself; two stand for one.
            text.push('%');
            at = percent + 1 + usize::from(next == Some('%'));
        }
    }
    text.push_str(&template[at..]);
    let end = text.trim_end().len();
    text.truncate(end);
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str) -> Vec<String> {
        let parts = parse(template).unwrap();
        parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Value(operand, _) => format!("<{operand}>"),
            })
            .collect()
    }

    #[test]
    fn fields_end_where_a_name_ends() {
        assert_eq!(
            shown("*a=%proc.name. b=%proc.aname[2]: 5% of %%x (%tolower(proc.name))\n"),
            [
                "a=",
                "<proc.name>",
                ". b=",
                "<proc.aname[2]>",
                ": 5% of %x (",
                "<tolower(proc.name)>",
                ")"
            ]
        );
    }

    #[test]
    fn a_word_without_a_dot_is_no_field() {
        assert!(parse("100%sure").is_err());
        assert!(parse("%proc.aname[").is_err());
    }
}
