//! Names of hosts, and the peers of connections.

pub mod peer;

use super::text;
use super::token::Token;

/// The longest name that is looked at.
const MAX_NAME: usize = 255;
/// The longest label that DNS has; the rest of a longer one is not looked at.
const MAX_LABEL: usize = 63;
/// Labels below the suffix that have a shape each; further ones are `{any}`.
const MAX_SHAPES: usize = 6;
/// Labels that registries use below a country. Not the whole list of public suffixes: what it
/// misses is grouped by the registry's label instead of the owner's.
const GENERIC: [&[u8]; 12] = [
    b"ac", b"co", b"com", b"edu", b"gob", b"gov", b"gouv", b"mil", b"ne", b"net", b"or", b"org",
];

/// What a DNS name is, without what varies from query to query.
#[derive(Clone, Debug, PartialEq)]
pub struct NameShape {
    /// The part that somebody registered, in small letters: `example.co.uk`. In a cluster, the
    /// service with its namespace.
    pub suffix: String,
    /// The labels below it with their types in their most general form: `{hex}.cdn`. Empty if there
    /// are none.
    pub below: String,
    /// How many labels are below it.
    pub labels: usize,
    /// Bytes of the longest of them.
    pub longest: usize,
    /// Their entropy in bits per byte, to two places.
    pub entropy: f32,
}

impl NameShape {
    /// Of a name as a query has it, with or without the dot at its end.
    pub fn of(name: &[u8]) -> Self {
        let labels = labels(name);
        let (below, suffix) = labels.split_at(labels.len() - suffix_labels(&labels));
        // The label next to the suffix says most.
        let skipped = below.len().saturating_sub(MAX_SHAPES);
        let mut shapes: Vec<String> = below[skipped..].iter().map(|label| shape(label)).collect();
        if skipped > 0 {
            shapes.insert(0, "{any}".to_owned());
        }
        Self {
            suffix: joined(suffix),
            below: shapes.join("."),
            labels: below.len(),
            longest: below.iter().map(Vec::len).max().unwrap_or(0),
            entropy: entropy(below.iter().flatten().copied()),
        }
    }
}

/// The registered part of a name, as [`NameShape::suffix`].
pub fn suffix(name: &[u8]) -> String {
    let labels = labels(name);
    joined(&labels[labels.len() - suffix_labels(&labels)..])
}

/// Labels in small letters.
fn labels(name: &[u8]) -> Vec<Vec<u8>> {
    name[..name.len().min(MAX_NAME)]
        .split(|byte| *byte == b'.')
        .filter(|label| !label.is_empty())
        .map(|label| label[..label.len().min(MAX_LABEL)].to_ascii_lowercase())
        .collect()
}

/// How many labels at the end were registered.
fn suffix_labels(labels: &[Vec<u8>]) -> usize {
    let label = |from_end: usize| {
        let at = labels.len().checked_sub(from_end)?;
        labels.get(at).map(Vec::as_slice)
    };
    let wanted = match (label(3), label(2), label(1)) {
        (Some(b"svc"), Some(b"cluster"), Some(b"local")) => 5,
        // Names of pods are their addresses.
        (Some(b"pod"), Some(b"cluster"), Some(b"local")) => 4,
        (_, Some(second), Some(country))
            if country.len() == 2
                && country.iter().all(u8::is_ascii_lowercase)
                && GENERIC.contains(&second) =>
        {
            3
        }
        _ => 2,
    };
    labels.len().min(wanted)
}

fn joined(labels: &[Vec<u8>]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| escaped(label)).collect();
    labels.join(".")
}

fn escaped(label: &[u8]) -> String {
    let mut out = Vec::new();
    text::escape(label, &mut out);
    text::string(&out)
}

fn shape(label: &[u8]) -> String {
    Token::of(label).general()
}

/// Bits per byte.
fn entropy(bytes: impl Iterator<Item = u8>) -> f32 {
    let mut counts = [0u32; 256];
    let mut all = 0u32;
    for byte in bytes {
        counts[usize::from(byte)] += 1;
        all += 1;
    }
    let bits: f64 = counts
        .into_iter()
        .filter(|count| *count > 0)
        .map(|count| f64::from(count) / f64::from(all))
        .map(|share| -share * share.log2())
        .sum();
    ((bits * 100.0).round() / 100.0) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_known_by_its_registered_part() {
        for (name, suffix, below) in [
            ("www.example.com", "example.com", "www"),
            ("Example.COM.", "example.com", ""),
            ("a.b.example.co.uk", "example.co.uk", "a.b"),
            ("co.uk", "co.uk", ""),
            ("shop.example.io", "example.io", "shop"),
            ("localhost", "localhost", ""),
            ("", "", ""),
            ("db.prod.svc.cluster.local", "db.prod.svc.cluster.local", ""),
            (
                "db-0.db.prod.svc.cluster.local",
                "db.prod.svc.cluster.local",
                "db-{n}",
            ),
            (
                "10-1-2-3.prod.pod.cluster.local",
                "prod.pod.cluster.local",
                "{n}-{n}-{n}-{n}",
            ),
            ("4.3.2.1.in-addr.arpa", "in-addr.arpa", "{n}.{n}.{n}.{n}"),
            ("d41d8cd98f00b204e980.t.evil.net", "evil.net", "{hex}.t"),
            (
                "a.b.c.d.e.f.g.h.example.com",
                "example.com",
                "{any}.c.d.e.f.g.h",
            ),
            ("a\x01{.example.com", "example.com", "a\\x01\\x7b"),
        ] {
            let found = NameShape::of(name.as_bytes());
            assert_eq!(
                (found.suffix.as_str(), found.below.as_str()),
                (suffix, below)
            );
            assert_eq!(super::suffix(name.as_bytes()), suffix);
        }
    }

    #[test]
    fn a_tunnel_shows_in_length_and_entropy() {
        let plain = NameShape::of(b"www.example.com");
        assert_eq!((plain.labels, plain.longest, plain.entropy), (1, 3, 0.0));
        let tunnel = NameShape::of(b"mzxw6ytboi4dqnrsgq3tembq.k5uw4zzan5xgk.example.com");
        assert_eq!((tunnel.labels, tunnel.longest), (2, 24));
        assert!(tunnel.entropy > 4.0, "{}", tunnel.entropy);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_bounded_shape(name in prop::collection::vec(any::<u8>(), 0..600)) {
            let shape = NameShape::of(&name);
            prop_assert!(shape.suffix.is_ascii() && shape.below.is_ascii());
            // A byte is at most four of text, and a type at most nine.
            prop_assert!(shape.suffix.len() + shape.below.len() <= 9 * MAX_NAME + 16);
            prop_assert!((0.0..=8.0).contains(&shape.entropy));
        }
    }
}
