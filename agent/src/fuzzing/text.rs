//! Changes of texts that have words and lines.

use super::Chance;

/// Longest text that is made, in bytes.
const LONGEST: usize = 16 << 10;

/// Changes some words, signs and lines: takes them from the same text, from another one and from
/// `words`.
pub(crate) fn change(text: &str, other: &str, words: &[&str], chance: &mut Chance) -> String {
    let mut text = text.to_owned();
    for _ in 0..=chance.below(3) {
        text = match chance.below(4) {
            0 => change_lines(&text, other, chance),
            _ => change_words(&text, other, words, chance),
        };
        shorten(&mut text);
    }
    text
}

fn shorten(text: &mut String) {
    let mut end = LONGEST.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn change_words(text: &str, other: &str, words: &[&str], chance: &mut Chance) -> String {
    let mut parts = parts(text);
    let others = self::parts(other);
    let at = chance.below(parts.len());
    if parts.is_empty() || chance.below(4) == 0 {
        parts.insert(at, *chance.pick(words));
        return parts.concat();
    }
    match chance.below(7) {
        0 => drop(parts.remove(at)),
        1 => parts.insert(at, parts[at]),
        2 => {
            let to = chance.below(parts.len());
            parts.swap(at, to);
        }
        3 => parts[at] = *chance.pick(words),
        4 if !others.is_empty() => parts[at] = *chance.pick(&others),
        5 if !others.is_empty() => {
            let from = chance.below(others.len());
            let end = (from + chance.below(24)).min(others.len());
            parts.splice(at..at, others[from..end].iter().copied());
        }
        // A part many times: what nests, nests deep.
        _ => {
            let count = 1 << chance.below(9);
            parts.splice(at..at, std::iter::repeat_n(parts[at], count));
        }
    }
    parts.concat()
}

fn change_lines(text: &str, other: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let others: Vec<&str> = other.split_inclusive('\n').collect();
    let at = chance.below(lines.len());
    if lines.is_empty() {
        return other.to_owned();
    }
    match chance.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[at].clone()),
        2 => {
            let to = chance.below(lines.len());
            lines.swap(at, to);
        }
        3 => lines[at].insert_str(0, ["  ", "- ", "# ", "\t"][chance.below(4)]),
        4 => {
            let less = lines[at].trim_start_matches(' ').to_owned();
            lines[at] = less;
        }
        _ => {
            let from = chance.below(others.len());
            let end = (from + chance.below(12)).min(others.len());
            lines.splice(
                at..at,
                others[from..end].iter().map(|line| (*line).to_owned()),
            );
        }
    }
    lines.concat()
}

/// The words, the blanks and each other sign by itself.
fn parts(text: &str) -> Vec<&str> {
    let kind = |character: char| match character {
        '_' | '.' => 0,
        _ if character.is_alphanumeric() => 0,
        ' ' => 1,
        _ => 2,
    };
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind_of_first = kind(first);
        let goes_on = |character: char| kind_of_first < 2 && kind(character) == kind_of_first;
        let end = rest
            .find(|character| !goes_on(character))
            .unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end.max(first.len_utf8()));
        parts.push(part);
        rest = behind;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_at_signs() {
        let parts = parts("a.b in (c,  \"é\")\n- d");
        let expected = [
            "a.b", " ", "in", " ", "(", "c", ",", "  ", "\"", "é", "\"", ")", "\n", "-", " ", "d",
        ];
        assert_eq!(parts, expected);
    }

    #[test]
    fn what_is_made_is_bounded_and_differs() {
        let text = "- rule: é\n  condition: (a.b = c)\n";
        let mut differ = 0;
        for seed in 0..500 {
            let made = change(text, text, &["x", "\u{202e}"], &mut Chance::new(seed));
            assert!(made.len() <= LONGEST);
            differ += usize::from(made != text);
        }
        assert!(differ > 400, "{differ}");
        let mut long = "é".repeat(LONGEST);
        shorten(&mut long);
        assert_eq!(long.len(), LONGEST);
    }
}
