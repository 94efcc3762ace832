//! Lines of words: `first=1700000000 windows=1a,2b`.

use std::fmt::Write as _;

use super::super::evidence::Sample;

/// Appends a word, with a blank in front of all but the first.
pub(super) fn push(line: &mut String, word: std::fmt::Arguments<'_>) {
    if !line.is_empty() {
        line.push(' ');
    }
    let _ = line.write_fmt(word);
}

/// Appends the members of a sample, if there are any.
pub(super) fn push_sample<const K: usize>(line: &mut String, key: &str, sample: &Sample<K>) {
    for (place, id) in sample.ids().enumerate() {
        if place == 0 {
            push(line, format_args!("{key}={id:x}"));
        } else {
            let _ = write!(line, ",{id:x}");
        }
    }
}

/// A line in words, each of which is taken once.
#[derive(Debug)]
pub(super) struct Words<'a> {
    /// Key and value; a word alone has an empty value.
    words: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    /// At most as many words as a line can have.
    const MOST: usize = 16;

    pub(super) fn of(line: &'a str) -> Result<Self, String> {
        let mut words: Vec<(&str, &str)> = Vec::new();
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            if words.iter().any(|(other, _)| *other == key) {
                return Err(format!("'{key}' stands there twice"));
            }
            if words.len() == Self::MOST {
                return Err("has more words than it can mean".to_owned());
            }
            words.push((key, value));
        }
        Ok(Self { words })
    }

    pub(super) fn take(&mut self, key: &str) -> Option<&'a str> {
        let place = self.words.iter().position(|(known, _)| *known == key)?;
        Some(self.words.swap_remove(place).1)
    }

    /// A decimal number.
    pub(super) fn number(&mut self, key: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| value.parse().ok()).flatten();
        number
            .map(Some)
            .ok_or_else(|| format!("'{key}={value}' has to be a number below 2^64"))
    }

    /// A decimal number that has to be there.
    pub(super) fn needed(&mut self, key: &str) -> Result<u64, String> {
        self.number(key)?
            .ok_or_else(|| format!("'{key}=NUMBER' is missing"))
    }

    /// Hexadecimal digits.
    pub(super) fn hex(&mut self, key: &str, most: usize) -> Result<Option<u128>, String> {
        self.take(key)
            .map(|value| hex(key, value, most))
            .transpose()
    }

    /// Ids in hexadecimal digits, with commas between.
    pub(super) fn sample<const K: usize>(&mut self, key: &str) -> Result<Sample<K>, String> {
        let Some(value) = self.take(key) else {
            return Ok(Sample::default());
        };
        if value.split(',').count() > K {
            return Err(format!("'{key}' has more than {K} ids"));
        }
        value
            .split(',')
            .map(|id| Ok(hex(key, id, 16)? as u64))
            .collect()
    }

    /// Nothing else may be there.
    pub(super) fn end(self) -> Result<(), String> {
        match self.words.first() {
            None => Ok(()),
            Some((key, _)) => Err(format!("'{key}' means nothing here")),
        }
    }
}

fn hex(key: &str, value: &str, most: usize) -> Result<u128, String> {
    let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let plausible = (1..=most).contains(&value.len()) && value.bytes().all(digits);
    plausible
        .then(|| u128::from_str_radix(value, 16).ok())
        .flatten()
        .ok_or_else(|| format!("'{key}={value}' has to be at most {most} hexadecimal digits"))
}
