//! Options among a program's arguments, as getopt(3) reads them.
//!
//! Words are taken one by one, so that nothing is kept of those that came before. Long options
//! (`--name`) are passed over.

use std::ops::ControlFlow;

/// What is wanted of the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All options in their order, each followed by its value.
    All,
    /// The value of the last option of that letter; the letter itself where it takes none.
    Last(u8),
}

/// Reads options word by word.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    /// Letters that are options, each with a colon behind it if it takes a value.
    letters: &'a [u8],
    wanted: Wanted,
    /// An option that waits for its value.
    open: Option<u8>,
    found: bool,
    /// What was found, each text with a zero behind it.
    out: &'a mut Vec<u8>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(letters: &'a [u8], wanted: Wanted, out: &'a mut Vec<u8>) -> Self {
        out.clear();
        Self {
            letters,
            wanted,
            open: None,
            found: false,
            out,
        }
    }

    /// Takes the next word; breaks at the end of the options.
    pub(crate) fn word(&mut self, word: &[u8]) -> ControlFlow<()> {
        if let Some(letter) = self.open.take() {
            self.option(letter, Some(word));
            return ControlFlow::Continue(());
        }
        match word {
            b"--" => ControlFlow::Break(()),
            [b'-', b'-', ..] => ControlFlow::Continue(()),
            [b'-', letters @ ..] if !letters.is_empty() => {
                self.cluster(letters);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    }

    /// Letters behind one dash; what follows one that takes a value is the value.
    fn cluster(&mut self, letters: &[u8]) {
        for (position, &letter) in letters.iter().enumerate() {
            match self.takes_value(letter) {
                None if self.wanted == Wanted::All => self.put(b"?"),
                None => {}
                Some(false) => self.option(letter, None),
                Some(true) => {
                    match &letters[position + 1..] {
                        [] => self.open = Some(letter),
                        value => self.option(letter, Some(value)),
                    }
                    return;
                }
            }
        }
    }

    /// Whether an option takes a value; `None` of a letter that is no option.
    fn takes_value(&self, letter: u8) -> Option<bool> {
        let position = self
            .letters
            .iter()
            .position(|&known| known == letter && letter != b':')?;
        Some(self.letters.get(position + 1) == Some(&b':'))
    }

    fn option(&mut self, letter: u8, value: Option<&[u8]>) {
        match self.wanted {
            Wanted::All => {
                self.put(&[letter]);
                if let Some(value) = value {
                    self.put(value);
                }
            }
            Wanted::Last(wanted) if wanted == letter => {
                self.out.clear();
                self.put(value.unwrap_or(&[letter]));
            }
            Wanted::Last(_) => {}
        }
    }

    fn put(&mut self, text: &[u8]) {
        self.found = true;
        self.out.extend_from_slice(text);
        self.out.push(0);
    }

    /// The words are at their end; whether anything was found. An option that lacks its value has an
    /// empty one.
    pub(crate) fn finish(mut self) -> bool {
        if let Some(letter) = self.open.take() {
            match self.wanted {
                Wanted::All => self.put(b""),
                Wanted::Last(wanted) if wanted == letter => {
                    self.out.clear();
                    self.put(b"");
                }
                Wanted::Last(_) => {}
            }
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, each text followed by a bar; `None` for nothing.
    fn read(line: &str, letters: &str, wanted: Wanted) -> Option<String> {
        let mut out = vec![1, 2, 3];
        let mut options = Options::new(letters.as_bytes(), wanted, &mut out);
        for word in line.split(' ').filter(|word| !word.is_empty()) {
            if options.word(word.as_bytes()).is_break() {
                break;
            }
        }
        let found = options.finish();
        let shown = String::from_utf8(out).unwrap().replace('\0', "|");
        found.then_some(shown)
    }

    #[test]
    fn options_are_read_in_order() {
        for (line, letters, expected) in [
            ("-n -t 5 x", "nt:", Some("n|t|5|")),
            ("-nt5", "nt:", Some("n|t|5|")),
            ("-tn", "nt:", Some("t|n|")),
            ("-n x -t 5", "nt:", Some("n|")),
            ("-n -- -t 5", "nt:", Some("n|")),
            ("--long -n", "n", Some("n|")),
            ("-t --", "t:", Some("t|--|")),
            ("-nz", "n", Some("n|?|")),
            ("-:", ":n", Some("?|")),
            ("-t", "t:", Some("|")),
            ("- -n", "n", None),
            ("x", "n", None),
            ("", "n", None),
        ] {
            let found = read(line, letters, Wanted::All);
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_last_value_of_a_letter_is_told() {
        for (line, letter, expected) in [
            ("-e /bin/sh -e /bin/bash", b'e', Some("/bin/bash|")),
            ("-e/bin/sh", b'e', Some("/bin/sh|")),
            ("-l -e x", b'l', Some("l|")),
            ("-l", b'e', None),
            ("-l -e", b'e', Some("|")),
            ("-z", b'e', None),
            ("-e -l", b'l', None),
        ] {
            let found = read(line, "le:", Wanted::Last(letter));
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }
}
