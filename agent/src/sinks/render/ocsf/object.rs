//! JSON objects in which nothing stands for what is not known.

use serde_json::{Map, Value};

/// An object under construction. Each method leaves out what is empty.
#[derive(Debug, Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Adds a text.
    pub(super) fn text(self, name: &str, text: &str) -> Self {
        if text.is_empty() {
            return self;
        }
        self.put(name, text.into())
    }

    /// Adds a number, zero too.
    pub(super) fn number(self, name: &str, number: impl Into<Value>) -> Self {
        self.put(name, number.into())
    }

    /// Adds a number that may not be known.
    pub(super) fn maybe(self, name: &str, number: Option<impl Into<Value>>) -> Self {
        match number {
            Some(number) => self.number(name, number),
            None => self,
        }
    }

    /// Adds a statement, also one that is false.
    pub(super) fn flag(self, name: &str, flag: bool) -> Self {
        self.put(name, flag.into())
    }

    /// Adds a statement that is worth a word only when it is true.
    pub(super) fn mark(self, name: &str, flag: bool) -> Self {
        if flag { self.flag(name, flag) } else { self }
    }

    /// Adds an object.
    pub(super) fn object(self, name: &str, object: Self) -> Self {
        if object.is_empty() {
            return self;
        }
        self.put(name, object.into_value())
    }

    /// Adds a list.
    pub(super) fn list(self, name: &str, list: Vec<impl Into<Value>>) -> Self {
        if list.is_empty() {
            return self;
        }
        self.put(name, list.into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_value(self) -> Value {
        self.0.into()
    }

    fn put(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}
