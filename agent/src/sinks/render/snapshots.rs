//! Every form of every sample, as it was when somebody last looked at it.
//!
//! `INSTA_UPDATE=always cargo test -p gravlens --lib snapshots` rewrites the files in `snapshots/`;
//! their diff then shows what the change means to readers of the stream.

use super::sample::{NODE, records};
use crate::config::RecordFormat;

/// The version changes with each release, the forms do not.
const VERSION: &str = concat!("\"version\":\"", env!("CARGO_PKG_VERSION"), "\"");

#[test]
fn every_form_is_as_it_was() {
    for format in RecordFormat::ALL {
        let mut text = String::new();
        for (name, record) in records() {
            let rendered = super::record(&record, format, NODE);
            let rendered = rendered.unwrap_or_else(|| "(left out)\n".to_owned());
            text.push_str(&format!("# {name}\n{rendered}"));
        }
        let text = text.replace(VERSION, "\"version\":\"(this)\"");
        insta::assert_snapshot!(format.word(), text);
    }
}
