//! Which fields of a record a subscriber wants.
//!
//! Records are stored encoded, so a mask works on the encoding: it copies the fields that are wanted
//! and passes over the others, without decoding either.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::{Buf as _, Bytes};
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use crate::proto;

const MAX_PATHS: usize = 200;
/// Far more than the longest path that leads somewhere has.
const MAX_PATH_BYTES: usize = 256;
/// Fields of a record that are always whole: its time, and what proves completeness.
const ALWAYS: [&str; 4] = ["time", "hello", "gap", "heartbeat"];

static RECORD: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).expect("the build made them");
    pool.get_message_by_name("gravlens.v1.Record")
        .expect("it is in proto/gravlens/v1/alert.proto")
});

/// Why a mask is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// Too many paths.
    #[error("`fields` has {0} paths; at most {MAX_PATHS} are allowed")]
    TooMany(usize),
    /// A long path.
    #[error("a path of `fields` has {0} bytes; at most {MAX_PATH_BYTES} are allowed")]
    Long(usize),
    /// No such field.
    #[error("{path:?}: {message} has no field {name:?}; it has {}", fields.join(", "))]
    NoField {
        /// The path.
        path: String,
        /// The message that was come to.
        message: String,
        /// What it has not.
        name: String,
        /// What it has.
        fields: Vec<String>,
    },
    /// The path goes on behind something without fields.
    #[error("{path:?}: {name:?} has no fields of its own; end the path there")]
    NoMessage {
        /// The path.
        path: String,
        /// The field that ends it.
        name: String,
    },
}

/// A mask that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldMask(Parts);

/// Wanted fields by their number.
type Parts = BTreeMap<u32, Wanted>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Parts(Parts),
}

impl FieldMask {
    /// Checks the paths of a request; `None` when there are none, which asks for everything.
    ///
    /// # Errors
    /// See [`MaskError`].
    pub fn new(paths: &[String]) -> Result<Option<Self>, MaskError> {
        if paths.is_empty() {
            return Ok(None);
        }
        if paths.len() > MAX_PATHS {
            return Err(MaskError::TooMany(paths.len()));
        }
        // A record whose body is left out would not say its kind: the others are sent empty.
        let mut parts: Parts = RECORD
            .fields()
            .filter(|field| matches!(field.kind(), Kind::Message(_)))
            .map(|field| (field.number(), Wanted::Parts(Parts::new())))
            .collect();
        for name in ALWAYS {
            let field = RECORD.get_field_by_name(name).expect("a field of Record");
            parts.insert(field.number(), Wanted::Whole);
        }
        for path in paths {
            add(&mut parts, path)?;
        }
        Ok(Some(Self(parts)))
    }

    /// The wanted part of an encoded record without its place.
    pub(super) fn cut(&self, record: &Bytes) -> Result<Bytes, DecodeError> {
        let Self(parts) = self;
        cut(parts, record).map(Bytes::from)
    }
}

fn add(parts: &mut Parts, path: &str) -> Result<(), MaskError> {
    if path.len() > MAX_PATH_BYTES {
        return Err(MaskError::Long(path.len()));
    }
    let mut parts = parts;
    let mut message = RECORD.clone();
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        let field = find(&message, name, path)?;
        if names.peek().is_none() {
            parts.insert(field.number(), Wanted::Whole);
            return Ok(());
        }
        message = match field.kind() {
            Kind::Message(inner) if !field.is_map() => inner,
            _ => {
                return Err(MaskError::NoMessage {
                    path: path.to_owned(),
                    name: name.to_owned(),
                });
            }
        };
        let wanted = parts
            .entry(field.number())
            .or_insert_with(|| Wanted::Parts(Parts::new()));
        match wanted {
            // Another path, or the rule for proofs, asks for all of it.
            Wanted::Whole => return Ok(()),
            Wanted::Parts(inner) => parts = inner,
        }
    }
    Ok(())
}

fn find(message: &MessageDescriptor, name: &str, path: &str) -> Result<FieldDescriptor, MaskError> {
    message
        .get_field_by_name(name)
        .ok_or_else(|| MaskError::NoField {
            path: path.to_owned(),
            message: message.name().to_owned(),
            name: name.to_owned(),
            fields: message
                .fields()
                .map(|field| field.name().to_owned())
                .collect(),
        })
}

fn cut(parts: &Parts, message: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut kept = Vec::new();
    let mut rest = message;
    while rest.has_remaining() {
        let field = rest;
        let (number, wire) = decode_key(&mut rest)?;
        let mut value = rest;
        skip_field(wire, number, &mut rest, DecodeContext::default())?;
        match parts.get(&number) {
            None => {}
            Some(Wanted::Parts(inner)) if wire == WireType::LengthDelimited => {
                // Its length stands before it, and ends where the field does.
                decode_varint(&mut value)?;
                let inner = cut(inner, &value[..value.len() - rest.len()])?;
                encode_key(number, wire, &mut kept);
                encode_varint(inner.len() as u64, &mut kept);
                kept.extend_from_slice(&inner);
            }
            Some(_) => kept.extend_from_slice(&field[..field.len() - rest.len()]),
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::alert::{OutgoingRecord, encode, sample};
    use crate::proto::record::Body;

    fn masked(paths: &[&str], body: Body) -> proto::Record {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let mask = FieldMask::new(&paths).unwrap().unwrap();
        let record = OutgoingRecord::own(7, (3, 2), SystemTime::UNIX_EPOCH, body);
        record.masked(&mask).decode().unwrap()
    }

    fn alert() -> proto::Alert {
        let alert = sample::alert_in(sample::container_view());
        encode::alert("7-3".to_owned(), &alert)
    }

    #[test]
    fn only_what_was_asked_for_is_left() {
        let whole = alert();
        let record = masked(
            &["alert.output", "alert.rule.name", "alert.ancestors.name"],
            Body::Alert(whole.clone()),
        );
        assert_eq!((record.stream_epoch, record.sequence), (7, 3));
        assert!(record.time.is_some());
        let Some(Body::Alert(left)) = record.body else {
            panic!("{record:?}");
        };
        let names = |processes: &[proto::Process]| -> Vec<String> {
            processes.iter().map(|p| p.name.clone()).collect()
        };
        assert_eq!(left.output, whole.output);
        assert_eq!(left.rule.as_ref().unwrap().name, whole.rule.unwrap().name);
        assert!(left.rule.unwrap().description.is_empty());
        assert_eq!(names(&left.ancestors), names(&whole.ancestors));
        assert!(left.ancestors.iter().all(|process| process.pid == 0));
        assert!(left.process.is_none() && left.id.is_empty());
    }

    #[test]
    fn what_proves_completeness_is_always_whole() {
        let gap = proto::Gap {
            message: "gone".to_owned(),
            ..proto::Gap::default()
        };
        let record = masked(&["alert.id"], Body::Gap(gap.clone()));
        assert_eq!(record.body, Some(Body::Gap(gap)));
    }

    #[test]
    fn a_record_of_which_nothing_was_asked_says_what_it_is() {
        let record = masked(&["amend.alert_id"], Body::Alert(alert()));
        assert_eq!(record.body, Some(Body::Alert(proto::Alert::default())));
    }

    #[test]
    fn a_whole_message_outranks_its_parts() {
        for paths in [
            ["alert.rule", "alert.rule.name"],
            ["alert.rule.name", "alert.rule"],
        ] {
            let Some(Body::Alert(left)) = masked(&paths, Body::Alert(alert())).body else {
                panic!("no alert");
            };
            assert_eq!(left.rule, alert().rule);
        }
    }

    #[test]
    fn a_path_that_leads_nowhere_says_where_it_ends() {
        let refused = |path: &str| FieldMask::new(&[path.to_owned()]).unwrap_err().to_string();
        assert!(refused("alert.nme").contains("Alert has no field \"nme\"; it has id, time"));
        assert!(refused("").contains("Record has no field \"\""));
        assert!(refused("alert.output.text").contains("\"output\" has no fields"));
        assert!(refused("alert.container.labels.app").contains("\"labels\" has no fields"));
        assert_eq!(
            refused(&"x".repeat(257)),
            "a path of `fields` has 257 bytes; at most 256 are allowed"
        );
        let many = vec!["alert.id".to_owned(); MAX_PATHS + 1];
        assert_eq!(
            FieldMask::new(&many),
            Err(MaskError::TooMany(MAX_PATHS + 1))
        );
        assert_eq!(FieldMask::new(&[]), Ok(None));
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_message_are_no_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200)
        ) {
            let mask = FieldMask::new(&["alert.rule.name".to_owned()]).unwrap().unwrap();
            let _ = mask.cut(&bytes.into());
        }

        #[test]
        fn a_mask_of_every_body_changes_nothing(count: Option<u64>, rule in ".{0,9}") {
            let paths = ["alert", "amend", "loss"].map(str::to_owned);
            let mask = FieldMask::new(&paths).unwrap().unwrap();
            let loss = proto::Loss { hook: rule, count: count.unwrap_or(0), ..Default::default() };
            let record = proto::Record { body: Some(Body::Loss(loss)), ..Default::default() };
            let bytes = Bytes::from(record.encode_to_vec());
            prop_assert_eq!(mask.cut(&bytes).unwrap(), bytes);
        }
    }
}
