//! The clients file: who may do what.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::peer::{Name, Peer};

/// What a client may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Right {
    /// Read: the stream, status, containers, the list of rules.
    Watch,
    /// Change rules.
    Rules,
    /// Change baselines.
    Baselines,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "watch",
            Self::Rules => "rules",
            Self::Baselines => "baselines",
        })
    }
}

/// The clients by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clients {
    rights: BTreeMap<Name, Vec<Right>>,
}

/// What is wrong in the file, with its place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub(super) struct ClientsError {
    line: usize,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    rights: Vec<Right>,
}

impl Clients {
    /// Reads the text of a clients file.
    pub(super) fn parse(text: &str) -> Result<Self, ClientsError> {
        let failed = |span: Range<usize>, message: String| ClientsError {
            line: text.get(..span.start).unwrap_or(text).matches('\n').count() + 1,
            message,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            failed(error.span().unwrap_or(0..0), message)
        })?;
        let mut clients = Self::default();
        for entry in file.client {
            let span = entry.span();
            let entry = entry.into_inner();
            clients
                .add(entry)
                .map_err(|message| failed(span, message))?;
        }
        Ok(clients)
    }

    fn add(&mut self, entry: Entry) -> Result<(), String> {
        let Entry { name, rights } = entry;
        if name.trim() != name || name.is_empty() {
            return Err(format!(
                "{name:?} is no name: write a DNS name or URI of the client's certificate"
            ));
        }
        if rights.is_empty() {
            return Err(format!(
                "{name} has no rights: give it some of watch, rules, baselines, or take it out"
            ));
        }
        if self.rights.insert(Name::parse(&name), rights).is_some() {
            return Err(format!(
                "{name} stands there twice: put its rights together"
            ));
        }
        Ok(())
    }

    /// Whether any name of the peer is listed, or needs none.
    pub(super) fn knows(&self, peer: &Peer) -> bool {
        match peer {
            Peer::Unix { .. } | Peer::Loopback(_) => true,
            Peer::Certificate { names, .. } => {
                names.iter().any(|name| self.rights.contains_key(name))
            }
        }
    }

    /// Whether the peer has the right.
    pub(super) fn allow(&self, peer: &Peer, right: Right) -> bool {
        match peer {
            Peer::Unix { .. } => true,
            Peer::Loopback(_) => right == Right::Watch,
            Peer::Certificate { names, .. } => names
                .iter()
                .filter_map(|name| self.rights.get(name))
                .any(|rights| rights.contains(&right)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "\
        [[client]]\nname = \"SOC.example.org\"\nrights = [\"watch\", \"rules\"]\n\
        [[client]]\nname = \"spiffe://example.org/Soc\"\nrights = [\"baselines\"]\n";

    fn named(names: &[&str]) -> Peer {
        Peer::Certificate {
            address: "10.0.0.1:5".parse().unwrap(),
            names: names.iter().map(|name| Name::parse(name)).collect(),
        }
    }

    #[test]
    fn any_name_of_a_certificate_gives_its_rights() {
        let clients = Clients::parse(FILE).unwrap();
        let soc = named(&["other", "soc.EXAMPLE.org"]);
        assert!(clients.knows(&soc));
        assert!(clients.allow(&soc, Right::Watch) && clients.allow(&soc, Right::Rules));
        assert!(!clients.allow(&soc, Right::Baselines));
        let both = named(&["soc.example.org", "spiffe://example.org/Soc"]);
        assert!(clients.allow(&both, Right::Baselines));
        for names in [
            &["spiffe://example.org/soc"][..],
            &["x.soc.example.org"],
            &[],
        ] {
            let stranger = named(names);
            assert!(!clients.knows(&stranger) && !clients.allow(&stranger, Right::Watch));
        }
    }

    #[test]
    fn a_name_of_one_kind_is_not_one_of_the_other() {
        let clients = Clients::parse(FILE).unwrap();
        // Whoever makes certificates may check the one kind and not the other.
        for name in [
            Name::Uri("soc.example.org".to_owned()),
            Name::Dns("spiffe://example.org/Soc".to_owned()),
        ] {
            let stranger = Peer::Certificate {
                address: "10.0.0.1:5".parse().unwrap(),
                names: [name].into(),
            };
            assert!(!clients.knows(&stranger) && !clients.allow(&stranger, Right::Watch));
        }
    }

    #[test]
    fn the_node_itself_needs_no_entry() {
        let none = Clients::parse("").unwrap();
        let root = Peer::Unix { uid: 0, pid: None };
        let local = Peer::Loopback("127.0.0.1:5".parse().unwrap());
        assert!(none.allow(&root, Right::Rules) && none.allow(&local, Right::Watch));
        assert!(!none.allow(&local, Right::Rules));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let wrong = |text: &str| Clients::parse(text).unwrap_err().to_string();
        let entry = "\n[[client]]\nname = \"a\"\nrights = ";
        assert!(wrong(&format!("{entry}[\"wach\"]")).starts_with("line 4: unknown variant `wach`"));
        assert!(wrong(&format!("{entry}[]")).contains("a has no rights"));
        assert!(wrong(&format!("{entry}[\"watch\"]").repeat(2)).contains("a stands there twice"));
        assert!(wrong("[[client]]\nname = \" \"\nrights = [\"watch\"]").contains("is no name"));
        assert!(wrong("[[clients]]\n").contains("unknown field `clients`"));
        assert!(wrong("\n\nx = \n").starts_with("line 3: "));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = Clients::parse(&text);
        }
    }
}
