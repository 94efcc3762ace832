//! What looks at the rule files find, and what that means.

/// What the files said in one look: the digest of their set, or why they cannot be read.
pub(super) type Content = Result<String, String>;

/// What a look means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookOutcome {
    /// What is in force.
    InForce,
    /// Something else, for the first time. Several files are not replaced at once, and one may be
    /// half written, which can make a valid one with fewer rules: nothing is done before it is found
    /// again.
    New,
    /// The same as in the look before: it can be loaded.
    Settled,
    /// What has failed before.
    Failed,
}

/// The looks so far.
#[derive(Debug)]
pub(super) struct Looks {
    in_force: String,
    /// What the last look found that is to be found again.
    once: Option<Content>,
    failed: Option<Content>,
}

impl Looks {
    /// Begins with the set of that digest in force.
    pub(super) fn new(in_force: String) -> Self {
        Self {
            in_force,
            once: None,
            failed: None,
        }
    }

    /// One more look.
    pub(super) fn see(&mut self, content: &Content) -> LookOutcome {
        let before = self.once.take();
        if content.as_ref() == Ok(&self.in_force) {
            self.failed = None;
            return LookOutcome::InForce;
        }
        if self.failed.as_ref() == Some(content) {
            return LookOutcome::Failed;
        }
        if before.as_ref() == Some(content) {
            return LookOutcome::Settled;
        }
        self.once = Some(content.clone());
        LookOutcome::New
    }

    /// What was found is in force now.
    pub(super) fn taken_over(&mut self, digest: String) {
        *self = Self::new(digest);
    }

    /// What was found cannot be used. It is not tried again before something else was.
    pub(super) fn fail(&mut self, content: Content) {
        self.failed = Some(content);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(text: &str) -> Content {
        match text {
            "" => Err("gone".to_owned()),
            text => Ok(text.to_owned()),
        }
    }

    fn see(looks: &mut Looks, texts: &[&str]) -> Vec<LookOutcome> {
        let contents = texts.iter().map(|text| content(text));
        contents.map(|content| looks.see(&content)).collect()
    }

    #[test]
    fn a_change_counts_when_it_is_found_twice() {
        use LookOutcome::{InForce, New, Settled};
        let mut looks = Looks::new("a".to_owned());
        // As a file that is being written grows.
        assert_eq!(
            see(&mut looks, &["a", "b", "c", "c"]),
            [InForce, New, New, Settled]
        );
        looks.taken_over("c".to_owned());
        assert_eq!(
            see(&mut looks, &["c", "b", "c", "b"]),
            [InForce, New, InForce, New]
        );
        assert_eq!(see(&mut looks, &["", ""]), [New, Settled]);
    }

    #[test]
    fn what_failed_is_known_until_something_else_is_in_force_or_fails() {
        use LookOutcome::{Failed, InForce, New, Settled};
        let mut looks = Looks::new("a".to_owned());
        assert_eq!(see(&mut looks, &["bad", "bad"]), [New, Settled]);
        looks.fail(content("bad"));
        // A half-written file in between changes nothing.
        assert_eq!(
            see(&mut looks, &["bad", "half", "bad", "bad"]),
            [Failed, New, Failed, Failed]
        );
        assert_eq!(
            see(&mut looks, &["a", "bad", "bad"]),
            [InForce, New, Settled]
        );
        looks.fail(content("bad"));
        assert_eq!(see(&mut looks, &["", ""]), [New, Settled]);
        looks.fail(content(""));
        assert_eq!(see(&mut looks, &["", "bad", "bad"]), [Failed, New, Settled]);
    }

    proptest! {
        #[test]
        fn nothing_settles_that_two_looks_in_a_row_did_not_find(
            texts in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ""]), 1..40),
            accept in prop::collection::vec(any::<bool>(), 40),
        ) {
            let mut looks = Looks::new("a".to_owned());
            let mut in_force = "a";
            for (at, (text, accept)) in texts.iter().zip(accept).enumerate() {
                let found = looks.see(&content(text));
                prop_assert_eq!(found == LookOutcome::InForce, *text == in_force);
                if found == LookOutcome::Settled {
                    prop_assert!(at > 0 && texts[at - 1] == *text);
                    if accept && !text.is_empty() {
                        looks.taken_over((*text).to_owned());
                        in_force = text;
                    } else {
                        looks.fail(content(text));
                    }
                }
            }
        }
    }
}
